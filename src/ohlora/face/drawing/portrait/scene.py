"""A vector scene: filled outlines, back to front, in picture coordinates (-1 to 1, x right, y downwards).

The rasteriser (raster.py) and the browser's canvas draw the same scene; the former is the reference.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np

Colour = tuple[float, float, float]  # R, G and B, 0 to 1
STEPS = 2**13  # of a coordinate between 0 and 1, as it is sent


@dataclass(frozen=True)
class Gradient:
    """Colours and opacities along a line, or outwards from a centre.

    `place` of a linear gradient is x, y of its start and of its end; that of a radial one its centre x, y,
    its radii along both axes and the angle of the first (rad).
    """

    kind: str  # linear | radial
    place: tuple[float, ...]
    stops: tuple[tuple[float, Colour, float], ...]  # (0 to 1 along it, colour, opacity), ascending


Fill = Colour | Gradient


@dataclass(frozen=True, eq=False)
class Shape:
    """What an outline encloses (non-zero winding), in one fill; `clip` is an outline it stays inside of.

    A shape without a label leaves the label map as it is. Hair is what may be coloured at its ends.
    """

    outline: np.ndarray  # [points, 2], closed
    fill: Fill
    label: int | None = None
    opacity: float = 1.0
    clip: np.ndarray | None = None
    hair: bool = False  # of the colour of hair: it takes part in the ombre
    still: bool = False  # the very same object in every frame: what is painted of it can be kept


Scene = Sequence[Shape]


@runtime_checkable
class DrawsScenes(Protocol):
    """A generator whose images are those of vector scenes, which need no torch."""

    def scenes(self, latents: np.ndarray, properties: np.ndarray) -> list[Scene]:
        """The scene of each face, of latents [faces, latent_dim] and properties [faces, properties]."""
        ...


def packed(scene: Scene) -> dict[str, Any]:
    """A scene as JSON can hold it: all outlines as one array of 16-bit numbers, in base64."""
    outlines: list[np.ndarray] = []
    places: dict[int, int] = {}

    def place(outline: np.ndarray) -> int:
        if id(outline) not in places:
            places[id(outline)] = len(outlines)
            outlines.append(outline)
        return places[id(outline)]

    shapes = []
    for shape in scene:
        row: dict[str, Any] = {"outline": place(shape.outline), "fill": packed_fill(shape.fill)}
        if shape.opacity != 1:
            row["opacity"] = round(shape.opacity, 3)
        if shape.clip is not None:
            row["clip"] = place(shape.clip)
        if shape.hair:
            row["hair"] = True
        shapes.append(row)
    whole = np.concatenate(outlines) * STEPS
    numbers = whole.round().clip(-(2**15), 2**15 - 1).astype("<i2")
    return {
        "steps": STEPS,
        "lengths": [len(outline) for outline in outlines],
        "points": base64.b64encode(numbers.tobytes()).decode(),
        "shapes": shapes,
    }


def packed_fill(fill: Fill) -> Any:
    if isinstance(fill, Gradient):
        place = [round(float(x), 4) for x in fill.place]
        return {"kind": fill.kind, "place": place, "stops": packed_stops(fill.stops)}
    return [round(255 * channel) for channel in fill]


@lru_cache(maxsize=256)
def packed_stops(stops: tuple[tuple[float, Colour, float], ...]) -> list[list[float]]:
    """Stops as [position, R, G, B from 0 to 255, opacity]."""
    return [[round(at, 4), *(round(255 * part) for part in colour), round(a, 3)] for at, colour, a in stops]
