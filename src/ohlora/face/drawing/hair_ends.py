"""The pixels of coloured hair ends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ohlora.face.drawing.ombre import ADDED, KEPT, LOWERED, Ombre

STRAY = 0.01  # the share of all hair that may lie above its top or below its end: a strand, a pixel


def weights(ombre: Ombre, hair: Tensor, t: float) -> Tensor:
    """How far each row [rows] of a picture is coloured, 0 to 1, by its shares of hair [rows, columns]."""
    rows = np.arange(len(hair)) + 0.5
    passed = np.concatenate([[0.0], hair.sum(dim=1).cumsum(dim=0).cpu().numpy()])  # above each row's edge
    if passed[-1] <= 0:  # a bald head, or none
        return torch.zeros(len(hair), device=hair.device)
    # Between rows too, so that nothing flickers when the head moves by less than one.
    top, end = np.interp([passed[-1] * STRAY, passed[-1] * (1 - STRAY)], passed, np.arange(len(passed)))
    start = end - (end - top) * ombre.wave(ombre.height, ombre.height_period_s, t)
    # Never under a row: hair that is one row high would divide by nothing.
    width = max((end - start) * ombre.wave(ombre.spread, ombre.spread_period_s, t), 1.0)
    return torch.from_numpy(((rows - start) / width).clip(0, 1)).to(hair)


def coloured(ombre: Ombre, images: Tensor, hair: Tensor, times: Sequence[float]) -> Tensor:
    """Images uint8 [faces, 3, rows, columns] with coloured hair, each at a time of its own."""
    painted = []
    for image, shares, t in zip(images, hair, times, strict=True):
        old = image.float() / 255
        hue = old.new_tensor(ombre.colour(t))[:, None, None]
        new = old * KEPT + hue * ADDED - LOWERED
        mix = shares * weights(ombre, shares, t)[:, None] * ombre.strength
        painted.append(((old + (new - old) * mix).clamp(0, 1) * 255).round().byte())
    return torch.stack(painted)
