"""A remembered fact, `[key: value]`: text from outside is made plain here, before it is kept or shown."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from ohlora.text import printable

Language = Literal["ko", "en"]
KEY_LENGTH, VALUE_LENGTH = 40, 200  # characters
LINE = re.compile(r"\[([^\[\]:]+):\s*([^\[\]]+)\]")
HANGUL = re.compile(r"[가-힣ㄱ-ㆎ]")
# Brackets delimit memory lines, angle ones the special tokens of language models: neither is kept as such.
DELIMITERS = str.maketrans({"[": "(", "]": ")", "<": "‹", ">": "›", "|": "¦", "`": "'"})
BRITISH = {"favorite": "favourite", "color": "colour"}


@dataclass(frozen=True)
class Fact:
    """One thing she was told, in the user's words."""

    key: str
    value: str
    language: Language
    source: str  # the sentence it comes from
    told_at: datetime  # with a time zone
    expires_at: datetime | None = None

    @property
    def line(self) -> str:
        return f"[{self.key}: {self.value}]"

    @property
    def text(self) -> str:
        """What an encoder reads: the key as words, then the value."""
        return f"{self.key.replace('_', ' ')}: {self.value}"


def plain(text: object, most: int) -> str:
    """One line without control characters, markup or delimiters, spaces single, cut at `most` characters."""
    line = printable(" ".join(unicodedata.normalize("NFC", str(text)).split()), most * 4)
    return line.replace("\ufffd", "").translate(DELIMITERS).strip()[:most].strip()


def plain_key(text: object) -> str:
    """A key as it is kept: lower case, words joined by `_`, British spelling; empty where nothing is left."""
    words = re.findall(r"[^\W_]+", plain(text, KEY_LENGTH).lower())
    return "_".join(BRITISH.get(word) or word for word in words)[:KEY_LENGTH].strip("_")


def make_fact(
    key: object, value: object, source: object, told_at: datetime, expires_at: datetime | None = None
) -> Fact | None:
    """A fact made of text from outside; None where key or value is empty."""
    kept_key, kept_value = plain_key(key), plain(value, VALUE_LENGTH)
    if not kept_key or not kept_value:
        return None
    sentence = plain(source, 4 * VALUE_LENGTH)
    return Fact(kept_key, kept_value, language_of(sentence or kept_value), sentence, told_at, expires_at)


def read_line(line: str, told_at: datetime | None = None) -> Fact | None:
    """A fact written as `[key: value]`; None where the line is none."""
    found = LINE.fullmatch(line.strip())
    return make_fact(found[1], found[2], "", told_at or datetime.now(UTC)) if found else None


def language_of(text: str, otherwise: Language = "en") -> Language:
    """Korean where any Hangul is written; `otherwise` where there are no letters at all."""
    if HANGUL.search(text):
        return "ko"
    return "en" if re.search(r"[A-Za-z]{2}", text) else otherwise
