"""Where things are: a head that turns, tilts and nods in three dimensions, and a body that does not.

Lengths are in the face's own frame, x to the right, y downwards, z towards the viewer: the cheeks at about
x = 0.5, the chin at about y = 0.62, the tip of the nose at about z = 0.6.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from ohlora.face.drawing.portrait.curves import paired, smooth, smoothstep

Named = Mapping[str, float]
N = TypeVar("N", float, np.ndarray)

ZOOM = 0.81  # of the trait `scale`: the picture shows the shoulders too
RAISED = 0.075  # of the face, so that shoulders are seen below it
TURN = 0.85  # of yaw: at the ends of its range both eyes stay in sight
NECK = (0.50, -0.14)  # y and z of the point the head nods about
TILT = 0.62  # y of the point it rolls about
DISTANCE = 4.2  # of the eye that sees her, for a little perspective
UNSCALED = 0.40  # z whose perspective is 1

MIDDLE = 0.36  # how far the middle of the chin lies in front of that of the skull

# Half-width of the face seen from the front, in shares of face_width, by y down to the chin.
CONTOUR = (
    (-0.64, 0.00),
    (-0.58, 0.40),
    (-0.46, 0.72),
    (-0.28, 0.92),
    (-0.08, 0.985),
    (0.06, 0.985),
    (0.18, 0.955),
    (0.30, 0.885),
    (0.40, 0.775),
    (0.49, 0.615),
    (0.56, 0.43),
    (0.605, 0.24),
    (0.625, 0.00),
)


def step(x: float, low: float, high: float) -> float:
    """smoothstep of one number."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


def bulge(y: float) -> float:
    """Pose.depth of one number."""
    return 0.50 - 0.37 * step(y, 0.08, 0.68) - 0.16 * step(y, -0.25, -0.62)


@dataclass(frozen=True)
class Pose:
    """Head frame and body frame of one moment -> picture coordinates."""

    p: Named

    @cached_property
    def size(self) -> float:
        """Picture units in one of the face."""
        return self.p["scale"] * ZOOM

    @cached_property
    def yaw(self) -> float:
        return self.p["yaw"] * TURN

    @cached_property
    def turned(self) -> tuple[float, float]:
        """Sine and cosine of the turn."""
        return math.sin(self.yaw), math.cos(self.yaw)

    @cached_property
    def towards(self) -> np.ndarray:
        """The direction [3] to the viewer, in the head's own axes."""
        sin, cos = self.turned
        nod = self.p["pitch"]
        return np.array([-math.cos(nod) * sin, -math.sin(nod), math.cos(nod) * cos])

    def head(self, points: np.ndarray) -> np.ndarray:
        """Picture coordinates [points, 2] of points [points, 3] of the head."""
        sin, cos = self.turned
        x, y, z = points[:, 0], points[:, 1], points[:, 2]
        return self.nodded(x * cos + z * sin, y, z * cos - x * sin)

    def nodded(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The same of points that have turned already: they nod, tilt and are seen."""
        return paired(*self.seen(x, y, z))

    def seen(self, x: N, y: N, z: N) -> tuple[N, N]:
        """The same of one coordinate each, of one point or of many."""
        sin, cos = math.sin(self.p["pitch"]), math.cos(self.p["pitch"])
        up, front = y - NECK[0], z - NECK[1]
        y, z = NECK[0] + up * cos + front * sin, NECK[1] + front * cos - up * sin
        near = (DISTANCE - UNSCALED) / (DISTANCE - z)
        x, y = x * near, (y - 0.1) * near + 0.1
        sin, cos = math.sin(self.p["roll"]), math.cos(self.p["roll"])
        low = y - TILT
        return self.placed(cos * x - sin * low, TILT + sin * x + cos * low)

    def body(self, points: np.ndarray) -> np.ndarray:
        """Picture coordinates [points, 2] of points [points, 2] of the body."""
        return paired(*self.placed(points[:, 0], points[:, 1] - 0.012 * self.p["breath"]))

    def placed(self, x: N, y: N) -> tuple[N, N]:
        return self.p["shift_x"] + self.size * x, self.p["shift_y"] - RAISED + self.size * y

    # The face as a surface.

    @cached_property
    def contour(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and half-widths of the face, top to chin."""
        p = self.p
        line = smooth(np.array(CONTOUR), 4)
        below = smoothstep(line[:, 0], 0.1, 0.5)
        rows = np.where(line[:, 0] > 0, line[:, 0] * (p["chin"] / 0.625), line[:, 0])
        wide = p["face_width"] * 0.975 * line[:, 1].clip(0) * (1 - (p["jaw"] - 0.27) * 0.9 * below)
        rows = rows + 0.048 * p["mouth"] * smoothstep(rows, 0.30, 0.62)  # the jaw drops
        puffed = 1 + 0.075 * p["puff"] * np.exp(-(((rows - 0.34) / 0.13) ** 2))
        return rows, wide * puffed

    def middle(self, y: np.ndarray | float) -> np.ndarray:
        """How far in front of the ears the cross-section's centre lies."""
        return MIDDLE * smoothstep(y, 0.05, 0.66)

    def depth(self, y: np.ndarray | float) -> np.ndarray:
        """How far the cross-section bulges to the front from there."""
        return 0.50 - 0.37 * smoothstep(y, 0.08, 0.68) - 0.16 * smoothstep(y, -0.25, -0.62)

    def surface(self, points: np.ndarray, lift: float | np.ndarray = 0.0) -> np.ndarray:
        """Points [points, 3] on the face at x, y [points, 2] as they are seen from the front."""
        x, y = points[:, 0], points[:, 1]
        across = np.minimum(np.abs(x) / (self.p["face_width"] * 1.10), 0.98)
        z = self.middle(y) + self.depth(y) * np.sqrt(1 - across * across) + lift
        return np.stack([x, y, z], axis=1)

    def on_face(self, points: np.ndarray, lift: float | np.ndarray = 0.0) -> np.ndarray:
        """Picture coordinates of what is drawn on the face at x, y [points, 2], raised by `lift`.

        The numbers come with `settle`, for everything on the face at once.
        """
        promised = np.empty((len(points), 2))
        self.wanted.append((points, lift, promised))
        return promised

    @cached_property
    def wanted(self) -> list[tuple[np.ndarray, float | np.ndarray, np.ndarray]]:
        """What `on_face` was asked for: points, lifts, and the array that is to hold the answer."""
        return []

    def settle(self) -> None:
        """Fill in what `on_face` has promised."""
        if not self.wanted:
            return
        counts = [len(points) for points, _, _ in self.wanted]
        lifts = np.concatenate([np.broadcast_to(lift, len(points)) for points, lift, _ in self.wanted])
        seen = self.head(self.surface(np.concatenate([points for points, _, _ in self.wanted]), lifts))
        first = 0
        for count, (_, _, promised) in zip(counts, self.wanted, strict=True):
            promised[:] = seen[first : first + count]
            first += count
        self.wanted.clear()

    def point(self, x: float, y: float, lift: float = 0.0) -> tuple[float, float]:
        """The same of one point, at once."""
        across = min(abs(x) / (self.p["face_width"] * 1.10), 0.98)
        z = step(y, 0.05, 0.66) * MIDDLE + bulge(y) * math.sqrt(1 - across * across) + lift
        sin, cos = self.turned
        return self.seen(x * cos + z * sin, y, z * cos - x * sin)

    def silhouette(
        self, rows: np.ndarray, wide: np.ndarray, deep: np.ndarray, middle: np.ndarray
    ) -> np.ndarray:
        """The outline, closed, of a body of elliptic cross-sections as it is seen when it has turned."""
        sin, cos = self.turned
        reach = np.hypot(wide * cos, deep * sin)
        centre, z = middle * sin, middle * cos
        right, left = self.nodded(centre + reach, rows, z), self.nodded(centre - reach, rows, z)
        return np.concatenate([right, left[::-1]])
