"""What to remember of a line, by rule: where no model decides, or a model says nothing."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import yaml

from ohlora.chat.answerer import ToRemember
from ohlora.chat.fact import Language, plain, plain_key
from ohlora.chat.rules import is_order, is_question

SENTENCE = re.compile(r"(?<=[.!?~])\s+|\n")
MOST = 3  # facts of one line
ASKING = re.compile(  # without a question mark, too
    r"(will|would|is|are|do|does|did|can|could|should|what|when|where|who|how|why|which)\b", re.IGNORECASE
)


class Rule(NamedTuple):
    pattern: re.Pattern[str]
    key: str
    value: str
    days: int | None


@cache
def rules(language: Language) -> tuple[Rule, ...]:
    content = yaml.safe_load(files("ohlora.chat").joinpath("remembering.yaml").read_text(encoding="utf-8"))
    return tuple(
        Rule(re.compile(row["pattern"], re.IGNORECASE), row["key"], row.get("value", "{1}"), row.get("days"))
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
