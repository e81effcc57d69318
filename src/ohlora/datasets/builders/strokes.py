"""What several drawn datasets share: backgrounds, sensor noise, glyphs in a random pose."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FINER = 4  # drawn this many times larger, then averaged down


def photographed(image: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    """Floats in 0 to 255 as uint8, with normal noise of standard deviation 0 to `noise`."""
    spread = rng.uniform(0, noise)
    return np.clip(np.rint(image + rng.normal(0, spread, image.shape)), 0, 255).astype(np.uint8)


def contrasting(rng: np.random.Generator, least: float, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Two colours, 0 to 255 [channels], whose mean difference is at least `least`."""
    while True:
        first, second = rng.uniform(0, 255, (2, channels))
        if abs(first - second).mean() >= least:
            return first, second


def slope(side: int, rng: np.random.Generator, reach: float) -> np.ndarray:
    """Uneven light: a plane through 0 whose ends differ by up to 2 `reach`, [side, side]."""
    across, down = rng.uniform(-reach, reach, 2)
    line = np.linspace(-1, 1, side)
    return across * line[None, :] + down * line[:, None]


def glyph(text: str, fonts: Sequence[Path], side: int, rng: np.random.Generator) -> np.ndarray:
    """One character in a random font, size, place, turn and slant: ink 0 to 1, [side, side]."""
    large = side * FINER
    font = font_of(fonts[int(rng.integers(len(fonts)))], int(large * rng.uniform(0.5, 0.85)))
    left, top, right, bottom = font.getbbox(text)
    canvas = Image.new("L", (large, large))
    place = (large - left - right) / 2, (large - top - bottom) / 2
    ImageDraw.Draw(canvas).text(place, text, font=font, fill=255)
    turn, slant = np.radians(rng.uniform(-20, 20)), rng.uniform(-0.25, 0.25)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    matrix = matrix @ np.array([[1, slant], [0, 1]])
    centre = np.full(2, large / 2)
    moved = centre - matrix @ (centre + rng.uniform(-0.1, 0.1, 2) * large)
    data = (*matrix[0], moved[0], *matrix[1], moved[1])
    canvas = canvas.transform((large, large), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    return np.asarray(canvas.resize((side, side), Image.Resampling.BOX), dtype=float) / 255


@cache
def font_of(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def printed(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ink 0 to 1 in one grey on another, unevenly lit and noisy: uint8 [side, side]."""
    paper, colour = contrasting(rng, 60, 1)
    image = paper + (colour - paper) * ink + slope(len(ink), rng, 30)
    return photographed(image, rng, 25)
