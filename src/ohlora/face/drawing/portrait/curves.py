"""Outlines from a few points: smooth curves through them, ribbons along them, ellipses."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np


def smoothstep(x: np.ndarray | float, low: float, high: float) -> np.ndarray:
    """0 up to `low`, 1 from `high`, smooth between; falling where `low` > `high`."""
    t = np.minimum(np.maximum((np.asarray(x, dtype=float) - low) / (high - low), 0), 1)
    return t * t * (3 - 2 * t)


@lru_cache(maxsize=256)
def basis(count: int, steps: int, closed: bool) -> np.ndarray:
    """Weights [samples, count] of a Catmull-Rom curve through `count` points, `steps` samples a stretch."""
    stretches = count if closed else count - 1
    rows = []
    for stretch in range(stretches):
        for step in range(steps):
            rows.append(_weights(count, stretch, step / steps, closed))
    if not closed:
        rows.append(_weights(count, stretches - 1, 1.0, closed))
    return np.array(rows)


def _weights(count: int, stretch: int, t: float, closed: bool) -> np.ndarray:
    cubic = (
        (-t + 2 * t**2 - t**3) / 2,
        (2 - 5 * t**2 + 3 * t**3) / 2,
        (t + 4 * t**2 - 3 * t**3) / 2,
        (-(t**2) + t**3) / 2,
    )
    row = np.zeros(count)
    for offset, weight in zip((-1, 0, 1, 2), cubic, strict=True):
        at = stretch + offset
        if closed:
            row[at % count] += weight
        elif 0 <= at < count:
            row[at] += weight
        else:  # beyond an end the curve goes on as straight as it came
            end, inner = (0, 1) if at < 0 else (count - 1, count - 2)
            row[end] += 2 * weight
            row[inner] -= weight
    return row


def smooth(points: object, steps: int = 6, closed: bool = False) -> np.ndarray:
    """A curve [samples, 2 or 3] through points, as polygons can hold it."""
    given = np.asarray(points, dtype=float)
    return basis(len(given), steps, closed) @ given


def ribbon(line: np.ndarray, half_width: np.ndarray | float) -> np.ndarray:
    """The outline of a stroke along `line` [points, 2] whose half-width [points] may vary."""
    x, y = line.T
    dx, dy = np.empty(len(line)), np.empty(len(line))
    for way, along in ((x, dx), (y, dy)):
        np.subtract(way[2:], way[:-2], out=along[1:-1])
        along[0], along[-1] = way[1] - way[0], way[-1] - way[-2]
    scale = half_width / np.maximum(np.hypot(dx, dy), 1e-9)
    dx *= scale
    dy *= scale
    outline = np.empty((2 * len(line), 2))
    first, second = outline[: len(line)], outline[: len(line) - 1 : -1]
    first[:, 0], first[:, 1] = x - dy, y + dx
    second[:, 0], second[:, 1] = x + dy, y - dx
    return outline


def paired(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Points [points, 2] of their coordinates."""
    points = np.empty((len(x), 2))
    points[:, 0], points[:, 1] = x, y
    return points


@lru_cache(maxsize=16)
def unit_circle(points: int) -> np.ndarray:
    angle = np.arange(points) * (2 * math.pi / points)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def ellipse(x: float, y: float, radius_x: float, radius_y: float, points: int = 28) -> np.ndarray:
    return unit_circle(points) * (radius_x, radius_y) + (x, y)


@lru_cache(maxsize=512)
def taper(count: int, start: float, middle: float, end: float) -> np.ndarray:
    """Half-widths along a stroke: a parabola through these three."""
    t = np.linspace(0, 1, count)
    return start * (1 - t) * (1 - 2 * t) + middle * 4 * t * (1 - t) + end * t * (2 * t - 1)
