"""A match as the few lines a language model reads before it speaks: the same for training and for play."""

from __future__ import annotations

from ohlora.battle.verdict import DECIMALS, Verdict
from ohlora.errors import OhloraError
from ohlora.narrator.facts import LANGUAGES, Facts, Side, as_number

SHOWN = ("optimizer", "scheduler")  # named as they are; the learning rate stands before them
WORDS = {
    "ko": {
        "dataset": "데이터",
        "her": "오로라",
        "attempts": ("첫 판", "두 번째"),
        "only": "한 판",
        "challenger": {"human": "너", "other": "상대"},
        Verdict.LOST_BY_FAR: "크게 짐",
        Verdict.LOST_CLEARLY: "확실히 짐",
        Verdict.LOST_NARROWLY: "아슬아슬하게 짐",
        Verdict.DRAW: "비김",
        Verdict.WON_NARROWLY: "아슬아슬하게 이김",
        Verdict.WON_CLEARLY: "확실히 이김",
        Verdict.WON_BY_FAR: "크게 이김",
        "final": {"ohlora": "최종 오로라 승리", "draw": "최종 무승부", "challenger": "최종 {} 승리"},
        "gap": "차이",
        "rate": {1: "높음", 0: "같음", -1: "낮음"},
    },
    "en": {
        "dataset": "data",
        "her": "Oh-LoRA",
        "attempts": ("first", "second"),
        "only": "only",
        "challenger": {"human": "you", "other": "challenger"},
        Verdict.LOST_BY_FAR: "lost by far",
        Verdict.LOST_CLEARLY: "lost clearly",
        Verdict.LOST_NARROWLY: "lost narrowly",
        Verdict.DRAW: "draw",
        Verdict.WON_NARROWLY: "won narrowly",
        Verdict.WON_CLEARLY: "won clearly",
        Verdict.WON_BY_FAR: "won by far",
        "final": {"ohlora": "final: Oh-LoRA wins", "draw": "final: draw", "challenger": "final: {} won"},
        "gap": "by",
        "rate": {1: "high", 0: "same", -1: "low"},
    },
}


def narrator_prompt(facts: Facts, language: str) -> str:
    """What a narrator is told of a match: dataset, every verdict in words, scores, a few hyperparameters.

    A fact that the match does not hold is left out. A learning rate is high or low beside Oh-LoRA's.
    """
    if language not in LANGUAGES:
        raise OhloraError(f"language={language} is not one of {' | '.join(LANGUAGES)}")
    words = WORDS[language]
    who = words["challenger"]["human" if facts.human else "other"]
    lines = [f"{words['dataset']} {facts.title}"] if facts.title else []
    lines.append(" ".join([words["her"], score_of(facts.ohlora), *played(facts.ohlora)]))
    names = words["attempts"] if len(facts.challenger) > 1 else (words["only"],)
    for name, attempt, verdict in zip(names, facts.challenger, facts.verdicts, strict=True):
        parts = [name, score_of(attempt), who, words[verdict]]
        if verdict is not Verdict.DRAW:
            parts += [words["gap"], gap_of(attempt, facts)]
        settings = played(attempt)
        if (side := rate_side(attempt, facts.ohlora)) is not None:
            settings.insert(1, words["rate"][side])
        lines.append(" ".join([*parts, *settings]))
    lines.append(words["final"][facts.winner].format(who))
    return "\n".join(lines)


def score_of(attempt: Side) -> str:
    """A macro-F1 as narrators spell it."""
    return f"{attempt.test_f1:.3f}"


def gap_of(attempt: Side, facts: Facts) -> str:
    """How far an attempt lies from Oh-LoRA's; a gap that three decimals would hide keeps two digits."""
    gap = round(abs(attempt.test_f1 - facts.ohlora.test_f1), DECIMALS)
    return f"{gap:.3f}" if gap >= 0.001 else f"{gap:.2g}"


def rate_of(attempt: Side) -> str:
    """A learning rate as narrators spell it, empty where there is none."""
    rate = as_number(attempt.params.get("learning_rate"))
    return "" if rate is None else f"{rate:.2g}"


def rate_side(attempt: Side, own: Side) -> int | None:
    """1 where an attempt's learning rate is above Oh-LoRA's, -1 below, 0 equal, None where one is missing."""
    rate, hers = as_number(attempt.params.get("learning_rate")), as_number(own.params.get("learning_rate"))
    return None if rate is None or hers is None else (rate > hers) - (rate < hers)


def played(attempt: Side) -> list[str]:
    """The hyperparameters a prompt shows."""
    rate = [f"lr {rate}"] if (rate := rate_of(attempt)) else []
    return rate + [str(attempt.params[name]) for name in SHOWN if name in attempt.params]
