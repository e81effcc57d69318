"""Coloured hair ends, from a picture and its share of hair alone: whoever drew them."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ohlora.errors import OhloraError

KEPT, ADDED, LOWERED = 1.35, 0.25, 0.15  # the original's mix: old * 1.35 + hue * 0.25 - 0.15, of 0 to 1
STRAY = 0.01  # the share of all hair that may lie above its top or below its end: a strand, a pixel


@dataclass(frozen=True)
class Ombre:
    """Hair whose lower part takes on a hue that wanders with time. Each setting that wanders is a cosine."""

    strength: float  # 0 none, 1 the original's
    hue_period_s: float  # once around all hues
    hue: float  # at time 0, 0 to 1: 0 red, 1/3 green, 2/3 blue
    height: tuple[float, float]  # the share of the hair that is coloured: centre and swing
    height_period_s: float
    spread: tuple[float, float]  # the share of that over which the colour comes in: centre and swing
    spread_period_s: float

    def __post_init__(self) -> None:
        faults = [
            f"ombre.{name}={value} is outside {low:g} to {high:g}"
            for name, value, low, high in (
                ("strength", self.strength, 0, 3),
                ("hue_period_s", self.hue_period_s, 0.1, math.inf),
                ("hue", self.hue, 0, 1),
                ("height_period_s", self.height_period_s, 0.1, math.inf),
                ("spread_period_s", self.spread_period_s, 0.1, math.inf),
                *(
                    (f"{name}'s {end}", value, 0, 1)
                    for name, (centre, swing) in (("height", self.height), ("spread", self.spread))
                    for end, value in (("least", centre - swing), ("most", centre + swing))
                ),
            )
            if not low <= value <= high
        ]
        if faults:
            raise OhloraError("; ".join(faults))

    def colour(self, t: float) -> tuple[float, float, float]:
        """R, G and B, 0 to 1."""
        return colorsys.hsv_to_rgb((self.hue + t / self.hue_period_s) % 1.0, 1.0, 1.0)

    def wave(self, pair: tuple[float, float], period_s: float, t: float) -> float:
        centre, swing = pair
        return centre + swing * math.cos(2 * math.pi * t / period_s)

    def weights(self, hair: Tensor, t: float) -> Tensor:
        """How far each row [rows] of a picture is coloured, 0 to 1, by its shares of hair [rows, columns]."""
        rows = np.arange(len(hair)) + 0.5
        passed = np.concatenate([[0.0], hair.sum(dim=1).cumsum(dim=0).cpu().numpy()])  # above each row's edge
        if passed[-1] <= 0:  # a bald head, or none
            return torch.zeros(len(hair), device=hair.device)
        # Between rows too, so that nothing flickers when the head moves by less than one.
        top, end = np.interp([passed[-1] * STRAY, passed[-1] * (1 - STRAY)], passed, np.arange(len(passed)))
        start = end - (end - top) * self.wave(self.height, self.height_period_s, t)
        # Never under a row: hair that is one row high would divide by nothing.
        width = max((end - start) * self.wave(self.spread, self.spread_period_s, t), 1.0)
        return torch.from_numpy(((rows - start) / width).clip(0, 1)).to(hair)

    def apply(self, images: Tensor, hair: Tensor, times: Sequence[float]) -> Tensor:
        """Images uint8 [faces, 3, rows, columns] with coloured hair, each at a time of its own."""
        coloured = []
        for image, shares, t in zip(images, hair, times, strict=True):
            old = image.float() / 255
            hue = old.new_tensor(self.colour(t))[:, None, None]
            new = old * KEPT + hue * ADDED - LOWERED
            mix = shares * self.weights(shares, t)[:, None] * self.strength
            coloured.append(((old + (new - old) * mix).clamp(0, 1) * 255).round().byte())
        return torch.stack(coloured)
