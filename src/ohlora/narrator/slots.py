"""Slots: where a line speaks of a number or a name of its match, `{gap}` stands until the match fills it.

A language model reads and writes slots only. It cannot miscopy a score, and no name from outside (a folder,
a player) ever reaches it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ohlora.battle.verdict import SHOWN_DECIMALS, Verdict, judge, shown_difference
from ohlora.narrator.facts import Facts, Side, as_number

SLOT = re.compile(r"\{(\w+)\}")
MACHINES = {
    "ko": {"optuna": "Optuna", "random": "랜덤 서치", "static": "고정 세팅"},
    "en": {"optuna": "Optuna", "random": "random search", "static": "the fixed settings"},
}
UNKNOWN_MACHINE = {"ko": "상대", "en": "the challenger"}
SLOTS = (
    "dataset",
    "human",
    "opponent",
    *(f"{whose}{what}" for whose in ("", "her_") for what in ("score", "rate", "optimizer", "scheduler")),
    "gap",
    *(f"{which}_{what}" for which in ("first", "second") for what in ("score", "rate", "gap")),
)


def slots_of(facts: Facts) -> dict[str, str]:
    """What each slot stands for in a match, true to the digits shown; one without an answer is left out.

    The plain ones are the challenger's best attempt's, `her_` Oh-LoRA's, `first_` and `second_` an attempt's.
    """
    best, own = facts.best, facts.ohlora
    found = {"dataset": facts.title, "human": facts.player, "gap": gap_of(best, facts)}
    if not facts.human:
        names = MACHINES[facts.language]
        found["opponent"] = names.get(facts.kind) or facts.player or UNKNOWN_MACHINE[facts.language]
    for whose, side in (("", best), ("her_", own)):
        found[f"{whose}score"], found[f"{whose}rate"] = score_of(side), rate_of(side)
        for name in ("optimizer", "scheduler"):
            found[f"{whose}{name}"] = str(side.params.get(name, ""))
    if len(facts.challenger) == 2:
        for which, attempt in zip(("first", "second"), facts.challenger, strict=True):
            found[f"{which}_score"], found[f"{which}_rate"] = score_of(attempt), rate_of(attempt)
            found[f"{which}_gap"] = gap_of(attempt, facts)
    return {name: text for name, text in found.items() if text}


def fill(line: str, values: Mapping[str, str]) -> str | None:
    """`line` with its slots filled, particles after numbers as they are spoken; None if one has no answer."""
    if not set(SLOT.findall(line)) <= set(values):
        return None
    return fit_particles(SLOT.sub(lambda found: values[found[1]], line))


def score_of(attempt: Side) -> str:
    """A macro-F1 as it is shown."""
    return f"{attempt.test_f1:.{SHOWN_DECIMALS}f}"


def gap_of(attempt: Side, facts: Facts) -> str:
    """How far an attempt lies from Oh-LoRA's, empty where it does not."""
    if judge(attempt.test_f1, facts.ohlora.test_f1) is Verdict.DRAW:
        return ""
    return shown_difference(attempt.test_f1, facts.ohlora.test_f1)[1:]


def rate_of(attempt: Side) -> str:
    """A learning rate as it is shown, empty where there is none."""
    rate = as_number(attempt.params.get("learning_rate"))
    return "" if rate is None else f"{rate:.2g}"


# Particles after a number go by how its last digit is read: 영, 일, 삼, 육, 칠 and 팔 end in a consonant.
PARTICLES = re.compile(
    r"(?<=(\d))(?:(이?라(?=[고는니면])|이?랑|이?던|이?면|이?네)|(은|는)|(을|를)|(과|와)|(으?로)|(이|가))(?![가-힣]{2})"
)


def fit_particles(text: str) -> str:
    """`text` with the particles after its numbers as they are spoken."""

    def fitting(found: re.Match[str]) -> str:
        digit = found[1]
        closed = digit in "013678"
        after = found[2]
        if after:
            stem = after.removeprefix("이")
            return f"이{stem}" if closed else stem
        if found[6]:
            return "으로" if digit in "036" else "로"
        return next(
            pair[not closed]
            for place, pair in ((3, "은는"), (4, "을를"), (5, "과와"), (7, "이가"))
            if found[place]
        )

    return PARTICLES.sub(fitting, text)
