"""A match as the few words a language model reads before it speaks: the same for training and for play."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from ohlora.battle.verdict import Verdict, final
from ohlora.datasets.titles import TITLES
from ohlora.errors import OhloraError
from ohlora.narrator.facts import LANGUAGES, Facts, Side, as_number

# Titles as a prompt has them: without what stands in brackets, a capital first. Another dataset is "yours",
# as no name from outside is ever read.
KNOWN = {name: title[0].upper() + title[1:].partition(" (")[0] for name, title in TITLES.items()}
WORDS: dict[str, dict[Any, Any]] = {
    "ko": {
        "dataset": "데이터",
        "yours": "네 사진",
        "attempts": ("첫 판", "두 번째"),
        "only": "한 판",
        Verdict.LOST_BY_FAR: "너 크게 짐",
        Verdict.LOST_CLEARLY: "너 확실히 짐",
        Verdict.LOST_NARROWLY: "너 아슬아슬하게 짐",
        Verdict.DRAW: "비김",
        Verdict.WON_NARROWLY: "너 아슬아슬하게 이김",
        Verdict.WON_CLEARLY: "너 확실히 이김",
        Verdict.WON_BY_FAR: "너 크게 이김",
        "final": {"ohlora": "종합 오로라 승리", "draw": "종합 무승부", "challenger": "종합 너 승리"},
        "rate": {1: "lr 높음", 0: "lr 같음", -1: "lr 낮음"},
        "second": {1: "점수 오름", 0: "점수 그대로", -1: "점수 내림"},
    },
    "en": {
        "dataset": "data",
        "yours": "your images",
        "attempts": ("first", "second"),
        "only": "only",
        Verdict.LOST_BY_FAR: "you lost by far",
        Verdict.LOST_CLEARLY: "you lost clearly",
        Verdict.LOST_NARROWLY: "you lost narrowly",
        Verdict.DRAW: "you drew",
        Verdict.WON_NARROWLY: "you won narrowly",
        Verdict.WON_CLEARLY: "you won clearly",
        Verdict.WON_BY_FAR: "you won by far",
        "final": {"ohlora": "final: Oh-LoRA wins", "draw": "final: a draw", "challenger": "final: you win"},
        "rate": {1: "lr high", 0: "lr same", -1: "lr low"},
        "second": {1: "score higher", 0: "score equal", -1: "score lower"},
    },
}


def narrator_prompt(facts: Facts, language: str) -> str:
    """The user turn of the chat: dataset, every verdict in words, learning rates beside hers.

    Numbers and names are left to the slots of its line (`slots.py`); a fact that the match does not hold
    is left out.
    """
    if language not in LANGUAGES:
        raise OhloraError(f"language={language} is not one of {' | '.join(LANGUAGES)}")
    words = WORDS[language]
    lines = [" ".join([words["dataset"], KNOWN[facts.dataset] if facts.dataset in KNOWN else words["yours"]])]
    for ending_words, attempt in zip(attempts(facts.verdicts, language), facts.challenger, strict=True):
        parts = [ending_words]
        if attempt is not facts.challenger[0]:
            parts.append(words["second"][compare(attempt.test_f1, facts.challenger[0].test_f1)])
        if (side := rate_side(attempt, facts.ohlora)) is not None:
            parts.append(words["rate"][side])
        lines.append(" ".join(parts))
    lines.append(ending(facts.verdicts, language))
    return "\n".join(lines)


def attempts(verdicts: Sequence[Verdict], language: str) -> list[str]:
    """How each attempt ended."""
    words = WORDS[language]
    names = words["attempts"] if len(verdicts) > 1 else (words["only"],)
    return [f"{name} {words[verdict]}" for name, verdict in zip(names, verdicts, strict=True)]


def ending(verdicts: Sequence[Verdict], language: str) -> str:
    """How the match ended, and once more how: a line depends on both attempts, and here they are one fact."""
    return f"{WORDS[language]['final'][final(verdicts)]} ({', '.join(attempts(verdicts, language))})"


def phrases() -> list[str]:
    """Every piece a prompt is put together from, each a whole fact."""
    found = []
    for language, words in WORDS.items():
        found += [f"{words['dataset']} {name}" for name in (*dict.fromkeys(KNOWN.values()), words["yours"])]
        found += [*words["second"].values(), *words["rate"].values()]
        cases = [*product(Verdict, repeat=1), *product(Verdict, repeat=2)]
        found += dict.fromkeys(text for case in cases for text in attempts(case, language))
        found += [ending(case, language) for case in cases]
    return found


def compare(one: float, other: float) -> int:
    """1 where `one` is larger, -1 where it is smaller, 0 where they are equal."""
    return (one > other) - (one < other)


def rate_side(attempt: Side, own: Side) -> int | None:
    """1 where an attempt's learning rate is above Oh-LoRA's, -1 below, 0 equal, None where one is missing."""
    rate, hers = as_number(attempt.params.get("learning_rate")), as_number(own.params.get("learning_rate"))
    return None if rate is None or hers is None else compare(rate, hers)
