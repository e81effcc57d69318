"""What to remember of a line, by rule: where no model decides, or a model says nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import yaml

from ohlora.chat.fact import Language, plain, plain_key
from ohlora.chat.others import name_of
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
def content() -> Mapping[str, Any]:
    return yaml.safe_load(files("ohlora.chat").joinpath("remembering.yaml").read_text(encoding="utf-8"))


def compiled(text: str, language: Language) -> re.Pattern[str]:
    """A pattern with its parts filled in."""
    parts = content()["parts"][language]
    return re.compile(re.sub(r"<([a-z]+)>", lambda name: parts[name[1]], text), re.IGNORECASE)


@cache
def rules(language: Language) -> tuple[Rule, ...]:
    return tuple(
        Rule(compiled(row["pattern"], language), row["key"], row.get("value", "{1}"), row.get("days"))
        for row in content()[language]
    )


def clauses(line: str, language: Language) -> Iterator[str]:
    """Parts of a line that each tell or ask one thing."""
    for sentence in SENTENCE.split(line):
        yield from compiled("<clauses>", language).split(sentence)


def to_remember(line: str, language: Language) -> tuple[ToRemember, ...]:
    """Facts a line tells of its writer; none of a question or an order."""
    found: dict[str, ToRemember] = {}
    for clause in clauses(line, language):
        asks = is_question(clause, language) and ("?" in clause or ASKING.match(clause.strip()))
        if is_order(clause) or asks:
            continue
        for rule in rules(language):
            if match := rule.pattern.search(clause.strip()):
                key, value = (plain(fill(text, match), 200) for text in (rule.key, rule.value))
                if plain_key(key) and value and not is_order(value):
                    found[plain_key(key)] = ToRemember(plain_key(key), value, rule.days)
                break
    return tuple(found.values())[:MOST]


def fill(text: str, match: re.Match[str]) -> str:
    """A text with the groups of a match in its slots."""

    def slot(found: re.Match[str]) -> str:
        group = (match[int(found[1])] or "").strip()
        return name_of(group.lower()) if found[2] else group

    return re.sub(r"\{(\d)(:name)?\}", slot, text).strip()
