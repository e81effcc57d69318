"""What to remember of a line, by rule: where no model decides, or a model says nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import yaml

from ohlora.chat.fact import Language, plain, plain_key
from ohlora.chat.rules import is_order, is_question

SENTENCE = re.compile(r"(?<=[.!?~])\s+|\n")
MOST = 3  # facts of one line
# Keys that hold several things: another is added, what was told before stays.
SEVERAL = ("allergy", "dislike")
ASKING = re.compile(  # without a question mark, too
    r"(will|would|is|are|do|does|did|can|could|should|what|when|where|who|how|why|which)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class ToRemember:
    """A fact an answerer wants written, and after how many days it is of no use (None: kept)."""

    key: str
    value: str
    days: int | None


class Rule(NamedTuple):
    pattern: re.Pattern[str]
    key: str
    value: str
    days: int | None


@cache
def rules(language: Language) -> tuple[Rule, ...]:
    content = yaml.safe_load(files("ohlora.chat").joinpath("remembering.yaml").read_text(encoding="utf-8"))
    parts = content["parts"][language]

    def pattern(text: str) -> re.Pattern[str]:
        return re.compile(re.sub(r"<([a-z]+)>", lambda name: parts[name[1]], text), re.IGNORECASE)

    return tuple(
        Rule(pattern(row["pattern"]), row["key"], row.get("value", "{1}"), row.get("days"))
        for row in content[language]
    )


def to_remember(line: str, language: Language) -> tuple[ToRemember, ...]:
    """Facts a line tells of its writer; none of a question or an order."""
    found: dict[str, ToRemember] = {}
    for sentence in SENTENCE.split(line):
        asks = is_question(sentence, language) and ("?" in sentence or ASKING.match(sentence.strip()))
        if is_order(sentence) or asks:
            continue
        for rule in rules(language):
            if match := rule.pattern.search(sentence.strip()):
                key, value = (plain(fill(text, match), 200) for text in (rule.key, rule.value))
                if plain_key(key) and value and not is_order(value):
                    found[plain_key(key)] = ToRemember(plain_key(key), value, rule.days)
                break
    return tuple(found.values())[:MOST]


def fill(text: str, match: re.Match[str]) -> str:
    return re.sub(r"\{(\d)\}", lambda group: (match[int(group[1])] or "").strip(), text).strip()
