"""Seven words for one attempt against Oh-LoRA's, and one for the whole match.

A verdict is always told from the challenger's side: `won` means that the challenger won.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

NARROW = 0.02  # a smaller difference in macro-F1 is narrow
FAR = 0.15  # this difference or a larger one is by far
# Scores are floats: 0.52 - 0.50 is 0.020000000000000018. Rounded to this many decimals, arithmetic noise
# never moves a difference across a boundary; a smaller difference than this counts as none.
DECIMALS = 9
SHOWN_DECIMALS = 3  # of a score

Winner = Literal["challenger", "ohlora", "draw"]


class Verdict(StrEnum):
    """How one attempt of the challenger ended, in order from worst to best."""

    LOST_BY_FAR = "lost_by_far"
    LOST_CLEARLY = "lost_clearly"
    LOST_NARROWLY = "lost_narrowly"
    DRAW = "draw"
    WON_NARROWLY = "won_narrowly"
    WON_CLEARLY = "won_clearly"
    WON_BY_FAR = "won_by_far"

    @property
    def outcome(self) -> Literal["won", "draw", "lost"]:
        """The verdict without its margin."""
        return "draw" if self is Verdict.DRAW else "won" if self.value.startswith("won") else "lost"

    @property
    def margin(self) -> Literal["none", "narrow", "clear", "far"]:
        """The verdict without its side; `none` is a draw."""
        if self is Verdict.DRAW:
            return "none"
        if self.value.endswith("narrowly"):
            return "narrow"
        return "clear" if self.value.endswith("clearly") else "far"


def judge(challenger_f1: float, ohlora_f1: float) -> Verdict:
    """The verdict of one attempt; both scores are test macro-F1, 0 to 1.

    With the difference rounded to nine decimals: 0 is a draw, below 0.02 either way is narrow, 0.15 or
    more is by far, and what lies between (0.02 included) is clear.
    """
    if not (math.isfinite(challenger_f1) and math.isfinite(ohlora_f1)):
        raise ValueError(f"a score must be a finite number, not {challenger_f1} against {ohlora_f1}")
    difference = round(challenger_f1 - ohlora_f1, DECIMALS)
    if difference == 0:
        return Verdict.DRAW
    if abs(difference) < NARROW:
        return Verdict.WON_NARROWLY if difference > 0 else Verdict.LOST_NARROWLY
    if abs(difference) < FAR:
        return Verdict.WON_CLEARLY if difference > 0 else Verdict.LOST_CLEARLY
    return Verdict.WON_BY_FAR if difference > 0 else Verdict.LOST_BY_FAR


def shown_difference(challenger_f1: float, ohlora_f1: float) -> str:
    """The difference with its sign and three decimals, a smaller one with two digits that count."""
    difference = round(challenger_f1 - ohlora_f1, DECIMALS)
    small = 0 < abs(difference) < 10**-SHOWN_DECIMALS
    digits = 1 - math.floor(math.log10(abs(difference))) if small else SHOWN_DECIMALS
    return f"{difference:+.{digits}f}"


def final(verdicts: Iterable[Verdict]) -> Winner:
    """Who won the match: the challenger with any attempt won, else a draw with any drawn, else Oh-LoRA."""
    outcomes = {verdict.outcome for verdict in verdicts}
    if not outcomes:
        raise ValueError("a match needs at least one attempt of the challenger")
    return "challenger" if "won" in outcomes else "draw" if "draw" in outcomes else "ohlora"
