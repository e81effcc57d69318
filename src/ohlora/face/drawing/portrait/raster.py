"""A vector scene -> colours, labels and share of hair, with exact coverage of every pixel.

The area of each outline inside each pixel is exact: every edge adds the area to its right, row by row, and a
running sum along the rows turns these into coverage (the accumulation of a font rasteriser). All outlines
of a scene are accumulated at once, each in its own window of one long buffer.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import takewhile

import numpy as np

from ohlora.face.drawing.classes import HAIR
from ohlora.face.drawing.portrait.scene import Colour, Gradient, Scene, Shape
from ohlora.face.drawing.window import Window

PADDING = 2  # columns right of a window, which take what lies beyond
TONES = 256  # of a gradient


def windows_of(points: np.ndarray, lengths: np.ndarray, size: int) -> list[Window]:
    """The pixels that each outline may touch: `points`, in pixels, of all outlines one after the other."""
    starts = np.cumsum(lengths) - lengths
    low = np.floor(np.minimum.reduceat(points, starts)).clip(0, size).astype(int)
    high = np.ceil(np.maximum.reduceat(points, starts)).clip(0, size).astype(int)
    high = np.maximum(low, high)
    rows = np.concatenate([low, high], axis=1).tolist()
    return [Window(top, bottom, left, right) for left, top, right, bottom in rows]


def coverages(points: np.ndarray, lengths: np.ndarray, windows: list[Window]) -> list[np.ndarray]:
    """The share of each pixel of its window that each outline encloses, float32 [height, width]."""
    strides = np.array([one.width + PADDING for one in windows])
    heights = np.array([one.height for one in windows])
    offsets = np.concatenate([[0], np.cumsum(strides * heights)])
    ends = np.cumsum(lengths)
    following = np.empty_like(points)
    following[:-1] = points[1:]
    following[ends - 1] = points[ends - lengths]
    owner = np.repeat(np.arange(len(lengths)), lengths)
    corner = np.array([(one.left, one.top) for one in windows], dtype=np.float64)[owner]
    x0, y0 = (points - corner).T
    x1, y1 = (following - corner).T
    buffer = accumulate(x0, y0, x1, y1, owner, strides, heights, offsets)
    whole = np.minimum(np.abs(np.cumsum(buffer)), 1.0).astype(np.float32)
    return [
        whole[offsets[i] : offsets[i + 1]].reshape(one.height, one.width + PADDING)[:, : one.width]
        for i, one in enumerate(windows)
    ]


def accumulate(
    x0: np.ndarray,
    y0: np.ndarray,
    x1: np.ndarray,
    y1: np.ndarray,
    owner: np.ndarray,
    strides: np.ndarray,
    heights: np.ndarray,
    offsets: np.ndarray,
) -> np.ndarray:
    """What each edge adds to the running sums, as one buffer for all windows."""
    low, high = np.minimum(y0, y1), np.maximum(y0, y1)
    tall = heights[owner].astype(np.float64)
    first = np.floor(low.clip(0, tall)).astype(np.int64)
    rows = np.ceil(high.clip(0, tall)).astype(np.int64) - first
    seen = np.flatnonzero((rows > 0) & (high > low))
    which = np.repeat(seen, rows[seen])
    row = np.arange(len(which)) - np.repeat(np.cumsum(rows[seen]) - rows[seen], rows[seen]) + first[which]
    slope = (x1 - x0)[which] / (y1 - y0)[which]
    upper, lower = np.maximum(low[which], row), np.minimum(high[which], row + 1)
    tall_part = (lower - upper) * np.sign(y1 - y0)[which]
    wide = (strides[owner[which]] - PADDING).astype(np.float64)
    start = (x0[which] + (upper - y0[which]) * slope).clip(0, wide)
    end = (x0[which] + (lower - y0[which]) * slope).clip(0, wide)
    base = offsets[owner[which]] + row * strides[owner[which]]
    # A part that crosses columns is cut at each of them.
    left, right = np.minimum(start, end), np.maximum(start, end)
    column = np.floor(left).astype(np.int64)
    columns = np.maximum(np.ceil(right).astype(np.int64) - column, 1)
    part = np.repeat(np.arange(len(which)), columns)
    at = np.arange(len(part)) - np.repeat(np.cumsum(columns) - columns, columns) + column[part]
    begin, finish = np.maximum(left[part], at), np.minimum(right[part], at + 1)
    length = (right - left)[part]
    share = np.where(length > 1e-12, (finish - begin) / np.maximum(length, 1e-12), 1.0)
    area = tall_part[part] * share
    beyond = area * ((begin + finish) / 2 - at)
    index = base[part] + at
    total = int(offsets[-1]) + 1
    return np.bincount(index, area - beyond, total) + np.bincount(index + 1, beyond, total + 1)[:total]


def colours(fill: Gradient, where: Window, size: int) -> tuple[np.ndarray, np.ndarray | None]:
    """A gradient's colour [3, height, width] and opacity [height, width] in a window.

    Either may be 1 high or wide where it does not change that way; no opacity is 1 throughout.
    """
    x = (2 * np.arange(where.left, where.right, dtype=np.float32) + 1) / size - 1
    y = ((2 * np.arange(where.top, where.bottom, dtype=np.float32) + 1) / size - 1)[:, None]
    if fill.kind == "linear":
        x0, y0, x1, y1 = fill.place
        square = max((x1 - x0) ** 2 + (y1 - y0) ** 2, 1e-12)
        t = (y - y0) * ((y1 - y0) / square)
        if x0 != x1:
            t = (x - x0) * ((x1 - x0) / square) + t
    else:
        cx, cy, rx, ry, angle = fill.place
        cos, sin = math.cos(angle), math.sin(angle)
        dx, dy = x - cx, y - cy
        t = np.hypot((dx * cos + dy * sin) / max(rx, 1e-6), (dy * cos - dx * sin) / max(ry, 1e-6))
    at = (np.minimum(np.maximum(t, 0), 1) * (TONES - 1) + 0.5).astype(np.intp)
    tones, opacities, first = ramp(fill.stops), None, fill.stops[0]
    if any(stop[2] != 1 for stop in fill.stops):
        opacities = tones[3].take(at)
    if all(stop[1] == first[1] for stop in fill.stops):
        return tones[:3, :1, None], opacities
    return tones[:3].take(at, axis=1), opacities


@lru_cache(maxsize=256)
def ramp(stops: tuple[tuple[float, Colour, float], ...]) -> np.ndarray:
    """R, G, B and opacity [4, TONES] along a gradient."""
    at = np.linspace(0, 1, TONES)
    positions = [stop[0] for stop in stops]
    channels = zip(*((*colour, opacity) for _, colour, opacity in stops), strict=True)
    return np.array([np.interp(at, positions, channel) for channel in channels], dtype=np.float32)


def draw(scene: Scene, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colours float32 [3, size, size], 0 to 1; labels uint8 [size, size]; share of hair float32 [size, size].

    A pixel's label is that of the topmost shape with one that covers at least half of it.
    """
    still = tuple(takewhile(lambda shape: shape.still, scene))
    picture, labels, hair = (layer.copy() for layer in backdrop(still, size))
    lay(scene[len(still) :], size, picture, labels, hair)
    return picture, labels, hair


@lru_cache(maxsize=2)
def backdrop(still: tuple[Shape, ...], size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What `draw` makes of shapes that are the same in every frame."""
    picture = np.zeros((3, size, size), dtype=np.float32)
    labels = np.zeros((size, size), dtype=np.uint8)
    hair = np.zeros((size, size), dtype=np.float32)
    lay(still, size, picture, labels, hair)
    return picture, labels, hair


def lay(scene: Scene, size: int, picture: np.ndarray, labels: np.ndarray, hair: np.ndarray) -> None:
    """Lay all shapes over what is there, back to front."""
    if not scene:
        return
    unique: dict[int, int] = {}
    outlines: list[np.ndarray] = []
    for shape in scene:
        for outline in (shape.outline, shape.clip):
            if outline is not None and id(outline) not in unique:
                unique[id(outline)] = len(outlines)
                outlines.append(outline)
    lengths = np.array([len(outline) for outline in outlines])
    points = (np.concatenate(outlines) + 1) * (size / 2)
    windows = windows_of(points, lengths, size)
    covered = coverages(points, lengths, windows)
    for shape in scene:
        number = unique[id(shape.outline)]
        where, coverage = windows[number], covered[number]
        if shape.clip is not None:
            inside = unique[id(shape.clip)]
            where, coverage = clipped(where, coverage, windows[inside], covered[inside])
        if where.height and where.width:
            paint(shape, where, coverage, size, picture, labels, hair)


def clipped(
    where: Window, coverage: np.ndarray, other: Window, inside: np.ndarray
) -> tuple[Window, np.ndarray]:
    """A coverage times that of its clip, in the window of both."""
    top, bottom = max(where.top, other.top), min(where.bottom, other.bottom)
    left, right = max(where.left, other.left), min(where.right, other.right)
    both = Window(top, max(top, bottom), left, max(left, right))
    one = coverage[top - where.top : both.bottom - where.top, left - where.left : both.right - where.left]
    two = inside[top - other.top : both.bottom - other.top, left - other.left : both.right - other.left]
    return both, one * two


def paint(
    shape: Shape,
    where: Window,
    coverage: np.ndarray,
    size: int,
    picture: np.ndarray,
    labels: np.ndarray,
    hair: np.ndarray,
) -> None:
    """Lay one shape over what is there."""
    rows, columns = where.slices
    alpha = coverage if shape.opacity == 1 else coverage * np.float32(shape.opacity)
    if isinstance(shape.fill, Gradient):
        colour, opacity = colours(shape.fill, where, size)
        alpha = alpha if opacity is None else alpha * opacity
    else:
        colour = np.array(shape.fill, dtype=np.float32)[:, None, None]
    below = picture[:, rows, columns]
    change = colour - below
    change *= alpha
    below += change
    if shape.label is not None:
        np.copyto(labels[rows, columns], shape.label, where=coverage >= 0.5)
    if shape.hair or shape.label is not None:
        share = hair[rows, columns]
        share *= 1 - alpha
        if shape.hair or shape.label == HAIR:
            share += alpha
