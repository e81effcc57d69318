"""Ten grey textures, each made by a rule of its own: stripes, dots, cells, bricks, noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from ohlora.datasets.builders.build import Arrays, drawn
from ohlora.datasets.builders.strokes import contrasting, photographed, slope

VERSION = 1
TITLE = "drawn textures"
CLASSES = (
    "stripes", "waves", "checks", "dots", "rings", "bricks", "cells", "clouds", "grain", "weave",
)  # fmt: skip
PER_CLASS = (700, 300)
SIDE = 24


def build(data_dir: Path) -> tuple[Arrays, Arrays]:
    return drawn("textures", CLASSES, PER_CLASS, draw)


def draw(label: int, rng: np.random.Generator) -> np.ndarray:
    dark, light = contrasting(rng, 30, 1)
    image = dark + (light - dark) * pattern(CLASSES[label], rng) + slope(SIDE, rng, 40)
    return photographed(image, rng, 45)


def pattern(name: str, rng: np.random.Generator) -> np.ndarray:
    """The texture, 0 to 1, [SIDE, SIDE], turned at random."""
    x, y = turned_grid(rng)
    period = rng.uniform(3.5, 9)
    if name == "stripes":
        return wave(x / period)
    if name == "waves":
        return wave(x / period + 0.35 * np.sin(2 * np.pi * y / rng.uniform(8, 14)))
    if name == "checks":
        return (np.floor(x / period) + np.floor(y / period)) % 2
    if name == "dots":
        from_centre = np.hypot(x % period - period / 2, y % period - period / 2)
        return (from_centre < 0.32 * period).astype(float)
    if name == "rings":
        return wave(np.hypot(x - rng.uniform(-8, 8), y - rng.uniform(-8, 8)) / period)
    if name == "bricks":
        row = np.floor(y / period)
        across = (x + (row % 2) * period) % (2 * period)
        return ((y % period > 1.2) & (across > 1.2)).astype(float)
    if name == "cells":
        seeds = rng.uniform(-SIDE, SIDE, (int(900 / period**1.4), 2))
        apart = np.hypot(x[..., None] - seeds[:, 0], y[..., None] - seeds[:, 1])
        nearest = np.partition(apart, 1, axis=-1)
        return np.clip((nearest[..., 1] - nearest[..., 0]) / 2, 0, 1)
    if name == "clouds":
        return scaled(gaussian_filter(rng.normal(size=(SIDE, SIDE)), period / 2.5, mode="wrap"))
    if name == "grain":
        return scaled(gaussian_filter(rng.normal(size=(SIDE, SIDE)), (period / 1.5, 0.4), mode="wrap"))
    return np.where(np.floor(x / period) % 2 == np.floor(y / period) % 2, wave(x / 3), wave(y / 3))


def turned_grid(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the pixels in a frame turned and moved at random."""
    turn = rng.uniform(0, np.pi)
    down, across = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + rng.uniform(-4, 4, 2)[:, None, None]
    return across * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - across * np.sin(turn)


def wave(cycles: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.sin(2 * np.pi * cycles)


def scaled(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / np.ptp(values)
