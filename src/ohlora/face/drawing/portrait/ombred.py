"""Coloured hair ends of a scene: the ombre of hair_ends.py as gradients, for where no pixels are at hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ohlora.face.drawing.classes import HAIR
from ohlora.face.drawing.ombre import ADDED, KEPT, LOWERED, Ombre
from ohlora.face.drawing.portrait.raster import ramp
from ohlora.face.drawing.portrait.scene import Colour, Fill, Gradient, Scene

STOPS = 7  # of a gradient, over the stretch on which the colour comes in


def ombred(scene: Scene, ombre: Ombre, t: float) -> Scene:
    """The scene with coloured hair ends, at a time in seconds."""
    behind = next((shape.outline for shape in scene if shape.label == HAIR), None)
    if behind is None or not ombre.strength:
        return scene
    top, end = max(float(behind[:, 1].min()), -1.0), min(float(behind[:, 1].max()), 1.0)
    start = end - (end - top) * ombre.wave(ombre.height, ombre.height_period_s, t)
    wide = max((end - start) * ombre.wave(ombre.spread, ombre.spread_period_s, t), 1e-3)
    fills: dict[Fill, Fill] = {}
    drawn = []
    for shape in scene:
        if shape.hair or shape.label == HAIR:
            if shape.fill not in fills:
                fills[shape.fill] = coloured(shape.fill, start, wide, ombre.colour(t), ombre.strength)
            drawn.append(replace(shape, fill=fills[shape.fill]))
        else:
            drawn.append(shape)
    return drawn


def coloured(fill: Fill, start: float, wide: float, hue: Colour, strength: float) -> Fill:
    """A fill whose colour changes downwards from `start` on, over `wide`, whatever it did before."""
    rows = np.concatenate([[-1.0], np.linspace(start, start + wide, STOPS), [max(1.0, start + wide + 0.01)]])
    if isinstance(fill, Gradient):
        _, above, _, below = fill.place
        own = [above + (below - above) * stop[0] for stop in fill.stops]
        rows = np.unique(np.concatenate([rows, [row for row in own if rows[0] < row < rows[-1]]]))
        tones = ramp(fill.stops)
        at = ((rows - above) / max(below - above, 1e-6)).clip(0, 1)
        old = tones[:3, (at * (tones.shape[1] - 1) + 0.5).astype(int)].T
    else:
        old = np.broadcast_to(np.array(fill), (len(rows), 3))
    mixed = strength * ((rows - start) / wide).clip(0, 1)[:, None]
    new = old + (old * KEPT + np.array(hue) * ADDED - LOWERED - old) * mixed
    shares = (rows - rows[0]) / (rows[-1] - rows[0])
    stops = tuple(
        (float(share), (float(r), float(g), float(b)), 1.0)
        for share, (r, g, b) in zip(shares, new.clip(0, 1), strict=True)
    )
    return Gradient("linear", (0.0, float(rows[0]), 0.0, float(rows[-1])), stops)
