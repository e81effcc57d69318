"""The original's property scores, one image at a time, as its formulas read: slow, and true."""

from __future__ import annotations

import math
import statistics

import numpy as np


def pixels(label_map: np.ndarray, *labels: int) -> list[tuple[int, int]]:
    """(row, column) of every pixel of these classes."""
    return [(int(y), int(x)) for y, x in zip(*np.where(np.isin(label_map, labels)), strict=True)]


def row_extent(found: list[tuple[int, int]]) -> float:
    return max(y for y, _ in found) - min(y for y, _ in found) if found else 0


def background(label_map: np.ndarray, brightness: np.ndarray) -> tuple[float, float]:
    half = label_map.shape[0] // 2
    values = sorted(brightness[y, x] for y, x in pixels(label_map[:half], 0))
    if not values:
        return 192.0, 0.0
    cut = int(len(values) * 0.05)
    kept = values[cut : len(values) - cut]
    return float(np.mean(kept)), float(np.std(kept))


def v1_reference(label_map: np.ndarray, image: np.ndarray) -> list[float]:
    """A 224 x 224 map and image [3, 224, 224] -> the seven numbers."""
    brightness = image.astype(np.float64).mean(axis=0)
    hair = pixels(label_map, 10)
    eyes = [row_extent([(y, x) for y, x in pixels(label_map, one) if 56 <= y <= 139]) for one in (4, 5)]
    length = 0.0
    if hair:
        length = max(y for y, _ in hair)
        if length == 223:
            length += sum(y == 223 for y, _ in hair) / 2
    nose = pixels(label_map, 6)
    x, y = np.array([p[1] for p in nose]), np.array([p[0] for p in nose])
    pose = -np.corrcoef(x, y)[0, 1] if len(nose) and x.std() > 0 and y.std() > 0 else 0.0
    return [
        float(np.mean(eyes)),
        statistics.median(brightness[y, x] for y, x in hair) if hair else 127.5,
        length,
        row_extent(pixels(label_map, 7, 9)) + row_extent(pixels(label_map, 8)),
        float(pose),
        *background(label_map, brightness),
    ]


def eye_height(found: list[tuple[int, int]]) -> float:
    """The tallest column times the cosine of the tilt of the farthest pair, the most level of equals."""
    if not found:
        return 0.0
    columns: dict[int, list[int]] = {}
    for y, x in found:
        columns.setdefault(x, []).append(y)
    tallest = max(max(rows) - min(rows) for rows in columns.values())
    farthest, level = 0, 0
    for first in range(len(found)):
        for second in range(first):
            dy = found[first][0] - found[second][0]
            dx = found[first][1] - found[second][1]
            farthest, level = max((farthest, level), (dx * dx + dy * dy, abs(dx)))
    return tallest * (level / math.sqrt(farthest) if farthest else 1.0)


def v2_reference(label_map: np.ndarray, image: np.ndarray) -> list[float]:
    brightness = image.astype(np.float64).mean(axis=0)
    eyes = [pixels(label_map, one) for one in (4, 5)]
    hair = label_map == 10
    values = sorted(brightness[hair])
    cut = int(len(values) * 0.10)
    length = float(sum(hair[y].sum() >= 20 for y in range(56, 224)))
    if hair[223].sum() >= 20:
        length += max(hair[223, :112].sum() - 10, 0) / 2 + max(hair[223, 112:].sum() - 10, 0) / 2
    inner, lips = len(pixels(label_map, 8)), len(pixels(label_map, 7, 9))
    pose = 0.0
    if all(eyes):
        (ly, lx), (ry, rx) = (np.mean(one, axis=0) for one in eyes)
        pose = (ry - ly) / (rx - lx) if rx != lx else 0.0
    return [
        max(eye_height(one) for one in eyes),
        float(np.mean(values[cut : len(values) - cut])) if values else 127.5,
        length,
        inner / (inner + lips) if inner + lips else 0.0,
        float(pose),
        *background(label_map, brightness),
    ]
