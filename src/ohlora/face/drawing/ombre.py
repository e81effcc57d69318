"""Coloured hair ends, from a picture and its share of hair alone: whoever drew them."""

from __future__ import annotations

import colorsys
import math
from typing import Annotated

from annotated_types import Ge, Le
from pydantic import AfterValidator, Strict

from ohlora.config import Share, config, deferred

KEPT, ADDED, LOWERED = 1.35, 0.25, 0.15  # the original's mix: old * 1.35 + hue * 0.25 - 0.15, of 0 to 1


def _inside(pair: tuple[float, float]) -> tuple[float, float]:
    ends = sorted([pair[0] - pair[1], pair[0] + pair[1]])
    if ends[0] < 0 or ends[1] > 1:
        raise ValueError(f"centre and swing go from {ends[0]:g} to {ends[1]:g}, outside 0 to 1")
    return pair


Wave = Annotated[tuple[float, float], Strict(False), AfterValidator(_inside)]  # centre and swing of a cosine
Period = Annotated[float, Ge(0.1)]  # seconds


@config
class Ombre:
    """Hair whose lower part takes on a hue that wanders with time. Each setting that wanders is a cosine."""

    strength: Annotated[float, Ge(0), Le(3)]  # 0 none, 1 the original's
    hue_period_s: Period  # once around all hues
    hue: Share  # at time 0: 0 red, 1/3 green, 2/3 blue
    height: Wave  # the share of the hair that is coloured
    height_period_s: Period
    spread: Wave  # the share of that over which the colour comes in
    spread_period_s: Period

    def colour(self, t: float) -> tuple[float, float, float]:
        """R, G and B, 0 to 1."""
        return colorsys.hsv_to_rgb((self.hue + t / self.hue_period_s) % 1.0, 1.0, 1.0)

    def wave(self, pair: tuple[float, float], period_s: float, t: float) -> float:
        centre, swing = pair
        return centre + swing * math.cos(2 * math.pi * t / period_s)

    weights = deferred("ohlora.face.drawing.hair_ends", "weights")
    apply = deferred("ohlora.face.drawing.hair_ends", "coloured")
