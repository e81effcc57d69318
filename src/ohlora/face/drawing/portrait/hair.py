"""Hair: the dome behind the head, what hangs from it, the fringe, and strands that frame the face.

What is near the scalp turns with the head; what hangs follows the body, and swings after the head. The hair
of a person is laid out once, in three dimensions; a frame only looks at it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ohlora.face.drawing.classes import HAIR
from ohlora.face.drawing.portrait import palette
from ohlora.face.drawing.portrait.curves import ribbon, smooth, smoothstep, taper
from ohlora.face.drawing.portrait.palette import mix
from ohlora.face.drawing.portrait.pose import Named, Pose
from ohlora.face.drawing.portrait.scene import Gradient, Shape

SIDES = (-1.0, 1.0)
CENTRE = np.array([0.0, -0.10, -0.05])  # of the dome
HEIGHT, DEPTH = 0.715, 0.63  # of the dome, from its centre upwards, and to front and back
ROUND = 2.25  # the exponent of its outline: 2 is an ellipse
SWING = 0.13  # of the ends of long hair at hair_swing = 1
TEMPLE = 0.50  # x where the fringe ends, in units in which the face is about 0.5 wide
FRINGE_LOCKS = 8
LONG = 0.62  # hair that ends below lies on the shoulders
BEHIND = (  # the cap's edge from the temple up, over the ear and down behind it: x, y, z
    (0.520, -0.005, 0.03),
    (0.545, -0.015, -0.06),
    (0.560, 0.060, -0.14),
    (0.565, 0.150, -0.17),
)
BEHIND_SAMPLES = 2 * len(BEHIND)  # of the cap's edge, at either end


@dataclass(frozen=True)
class Cut:
    """What decides how hair lies, whatever the head does."""

    face_width: float
    volume: float
    length: float
    fringe: float
    parting: float
    curl: float

    @classmethod
    def of(cls, p: Named) -> Cut:
        return cls(
            p["face_width"],
            p["hair_volume"],
            p["hair_length"],
            min(max(p["fringe"], 0.0), 1.0),
            min(max(p["parting"], -0.28), 0.28),
            min(max(p["curl"], 0.0), 1.2),
        )

    @property
    def radii(self) -> np.ndarray:
        """Of the dome: to the side, upwards, to the front."""
        return np.array([self.face_width * 1.135 + self.volume, HEIGHT + self.volume, DEPTH])

    @property
    def end(self) -> float:
        """y of the ends."""
        return 0.26 + 0.92 * self.length

    def on_dome(self, points: np.ndarray, lift: float = 1.0) -> np.ndarray:
        """Points [points, 3] of the dome's front at x, y [points, 2]; straight down below its centre."""
        u = (points - CENTRE[:2]) / (self.radii[:2] * lift)
        high = np.column_stack([u[:, 0], u[:, 1].clip(None, 0)])
        z = (1 - (np.abs(high) ** ROUND).sum(axis=1)).clip(0) ** (1 / ROUND)
        return np.column_stack([points, CENTRE[2] + DEPTH * lift * z])

    def along(self, start: np.ndarray, end: np.ndarray, count: int = 6) -> np.ndarray:
        """The way [count, 3] over the dome from one point of it to another, x and y each."""
        ends = (self.on_dome(np.array([start, end])) - CENTRE) / self.radii
        t = np.linspace(0, 1, count)[:, None]
        return CENTRE + self.radii * inflated(ends[0] * (1 - t) + ends[1] * t)

    def edge(self, x: np.ndarray) -> np.ndarray:
        """y of the fringe's lower edge at x: parted over the forehead, or full bangs above the brows."""
        reach = TEMPLE - np.sign(x - self.parting) * self.parting
        far = np.abs(x - self.parting) / reach
        parted = -0.50 + 0.20 * far**0.9 + 0.60 * smoothstep(far, 0.55, 1.08)
        bangs = -0.118 - 0.030 * np.cos(2.0 * far) + 0.16 * smoothstep(far, 0.70, 1.08)
        return parted + (bangs - parted) * self.fringe

    def level(self, x: float) -> float:
        return float(self.edge(np.array([x]))[0])

    @property
    def crown(self) -> np.ndarray:
        """x and y of the point the fringe falls from."""
        return np.array([self.parting * 0.9, CENTRE[1] - HEIGHT * 0.965])


def inflated(u: np.ndarray) -> np.ndarray:
    """Directions [points, 3] as points of the unit dome."""
    return u / np.maximum((np.abs(u) ** ROUND).sum(axis=1, keepdims=True) ** (1 / ROUND), 1e-9)


@lru_cache(maxsize=8)
def laid_out(cut: Cut) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
    """Curves [points, 3] by name: those that turn with the head, and those that hang."""
    rigid = {"edge": cap_edge(cut), "shine": shine_band(cut), "nape": nape(cut)}
    for number in range(FRINGE_LOCKS):
        rigid[f"lock_{number}"] = fringe_lock(cut, number)
    for number in range(9):
        x = TEMPLE * (-0.9 + 1.8 * number / 8)
        end = np.array([x, cut.level(x) - (0.03 + 0.05 * cut.fringe)])
        rigid[f"line_{number}"] = smooth(cut.along(cut.crown, end, 5), 3)
    hang = {}
    for side, name in zip(SIDES, ("left", "right"), strict=True):
        if cut.end > LONG:
            hang |= {f"{part}_{name}": curve for part, curve in shoulder_lock(cut, side).items()}
        hang[f"frame_{name}"] = framing(cut, side)
    hang["bottom"] = bottom(cut)
    return rigid, hang


def cap_edge(cut: Cut) -> np.ndarray:
    """From behind the right ear over the ear along the fringe to behind the left one."""
    xs = np.linspace(TEMPLE * 0.985, -TEMPLE * 0.985, 25)
    front = cut.on_dome(np.column_stack([xs, cut.edge(xs) - 0.045 * cut.fringe]), 0.97)
    back = np.add(BEHIND, (cut.face_width - 0.495, 0, 0))
    return smooth(np.concatenate([back[::-1], front, back * (-1, 1, 1)]), 2)


def shine_band(cut: Cut) -> np.ndarray:
    """A band of light on the front of the dome, its lower edge in strands."""
    xs = np.linspace(-0.37, 0.37, 13)
    arch = -0.545 + 0.9 * xs**2
    tooth = np.where(np.arange(13) % 2 == 0, 0.030, 0.062) * (1 - (xs / 0.38) ** 2)
    upper, lower = (smooth(cut.on_dome(np.column_stack([xs, y])), 3) for y in (arch, arch + tooth + 0.004))
    return np.concatenate([upper, lower[::-1]])


def nape(cut: Cut) -> np.ndarray:
    """The inside of the hair behind the neck, where no light comes."""
    half = np.array([[0.44, -0.1, -0.1], [0.43, 0.35, -0.1], [0.40, 0.70, -0.1], [0.34, 0.98, -0.1]])
    return smooth(np.concatenate([half * (-1, 1, 1), half[::-1]]), 4, closed=True)


def fringe_lock(cut: Cut, number: int) -> np.ndarray:
    """The outline of a lock, from the crown to its tip and back; rounded where it narrows, as cut hair is."""
    x = TEMPLE * (-0.88 + 1.76 * (number + 0.5) / FRINGE_LOCKS + (0.03 if number % 2 else -0.03))
    half = 0.090 + 0.014 * (number * 5 % 3)
    sweep = math.copysign(0.05 - 0.035 * cut.fringe, x - cut.parting)
    low = cut.level(x) + 0.010 + 0.022 * (number * 7 % 4) / 3
    tip = np.array([min(max(x + sweep, -0.47), 0.47), low])
    sides = []
    for way in (-1, 1):
        beside = min(max(x + way * half * 0.94, -0.475), 0.475)
        base = np.array([beside, cut.level(beside) - 0.105])
        belly = tip + (base - tip) * (0.80, 0.42)
        ends = cut.on_dome(np.array([belly, tip]))
        sides.append(smooth(np.concatenate([cut.along(cut.crown, base, 5), ends]), 4))
    return np.concatenate([sides[0], sides[1][::-1]])


def waved(cut: Cut, points: np.ndarray) -> np.ndarray:
    """Hair at x, y, z [points, 3], its waves growing downwards."""
    y = points[:, 1]
    wave = (0.008 + 0.034 * cut.curl) * smoothstep(y, 0.1, 0.6)
    moved = points.copy()
    moved[:, 0] += wave * np.sin(10.5 * y + np.sign(points[:, 0]) * 0.9)
    return moved


def mass(cut: Cut, rows: np.ndarray) -> np.ndarray:
    """Half-width of all hair at y, from the dome down to its ends."""
    narrowing = 0.06 * smoothstep((rows - cut.end) / 0.5, -1.0, 0.0)
    return cut.radii[0] + 0.035 * smoothstep(rows, 0.05, 0.5) - narrowing


def ends_at(cut: Cut, xs: np.ndarray, depth: float, slant: float) -> np.ndarray:
    """y of ends at x: every other one a little lower, all longest outside."""
    teeth = np.where(np.arange(len(xs)) % 2 == 0, depth, -0.6 * depth)
    return cut.end + teeth - slant * (cut.radii[0] - np.abs(xs))


def bottom(cut: Cut) -> np.ndarray:
    """The ends of the hair behind, from right to left."""
    widest = float(mass(cut, np.array([cut.end - 0.03]))[0]) * 0.94
    xs = np.linspace(widest, -widest, 15)
    points = np.column_stack([xs, ends_at(cut, xs, 0.014, 0.20), np.full(15, -0.06)])
    return waved(cut, smooth(points, 3))


def shoulder_lock(cut: Cut, side: float) -> dict[str, np.ndarray]:
    """Outer edge, ends and inner edge of the lock over one shoulder."""
    rows = np.linspace(0.22, cut.end - 0.02, 7)
    spread = smoothstep(rows, 0.2, 0.75)
    near = (rows - cut.end) / 0.45
    outer = cut.radii[0] - 0.02 + 0.055 * spread - 0.07 * smoothstep(near, -1.0, 0.0)
    inner = 0.40 - 0.075 * spread + 0.05 * smoothstep(near, -1.0, 0.0)
    xs = np.linspace(outer[-1] * 0.98, inner[-1] * 1.02, 7)
    curves = {
        "outer": np.column_stack([outer, rows, np.zeros(7)]),
        "ends": np.column_stack([xs, ends_at(cut, xs, 0.016, 0.25), np.zeros(7)]),
        "inner": np.column_stack([inner, rows, np.zeros(7)]),
    }
    return {name: waved(cut, smooth(curve * (side, 1, 1), 3)) for name, curve in curves.items()}


def framing(cut: Cut, side: float) -> np.ndarray:
    """The middle of a strand from the temple, in front of the ear, down along the cheek."""
    longest = min(0.62, cut.end + 0.05)
    below = longest - 0.08
    line = np.array(
        [
            [0.400, -0.44, 0.26],
            [0.490, -0.20, 0.20],
            [0.512, 0.08, 0.16],
            [0.492, 0.08 + 0.40 * below, 0.17],
            [0.470, 0.08 + 0.75 * below, 0.17],
            [0.485, longest, 0.16],
        ]
    )
    wider = np.array([cut.face_width - 0.495, 0, 0])
    return waved(cut, smooth((line + wider) * (side, 1, 1), 4))


def dome_outline(cut: Cut, pose: Pose) -> np.ndarray:
    """The dome as it is seen, from its right side over the top to its left: where its surface turns away."""
    away = pose.towards / cut.radii
    away /= np.linalg.norm(away)
    right = np.array([1.0, 0.0, 0.0]) - away[0] * away
    right /= np.linalg.norm(right)
    up = np.cross(right, away)
    angle = np.linspace(-0.04, math.pi + 0.04, 30)[:, None]
    circle = np.cos(angle) * right + np.sin(angle) * up * (1 if up[1] < 0 else -1)
    return pose.head(CENTRE + cut.radii * inflated(circle))


def hanging(pose: Pose, points: np.ndarray, with_head: np.ndarray | None = None) -> np.ndarray:
    """Picture coordinates of hair at x, y, z [points, 3]: the head's above, the body's below, swung."""
    y = points[:, 1]
    above = pose.head(points) if with_head is None else with_head
    below = pose.body(points[:, :2])
    place = above + (below - above) * (0.9 * smoothstep(y, 0.05, 0.95))[:, None]
    place[:, 0] += SWING * pose.p["hair_swing"] * pose.size * smoothstep(y, 0.15, 1.05)
    return place


@dataclass(frozen=True)
class Hair:
    """The hair of one frame, in picture coordinates."""

    p: Named
    cut: Cut
    fill: Gradient
    outline: np.ndarray  # of all hair: nothing of it shows outside
    curves: Mapping[str, np.ndarray]
    cap: np.ndarray  # the outline of what lies before the face
    locks: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, p: Named, pose: Pose) -> Hair:
        cut = Cut.of(p)
        rigid, hang = laid_out(cut)
        turned = rigid["shine"].copy()  # the lamp stays where it is: light moves half as far as the head
        turned[:, 0] -= 0.22 * p["yaw"]
        # What lies behind the far ear would be seen through the face: it comes to the front instead.
        edge = rigid["edge"].copy()
        for ears, side in ((edge[:BEHIND_SAMPLES], 1.0), (edge[-BEHIND_SAMPLES:], -1.0)):
            ears[:, 2] += 0.6 * max(side * pose.turned[0], 0.0)
        curves = split({**rigid, "shine": turned, "edge": edge}, pose.head) | split(
            hang, lambda all_: hanging(pose, all_)
        )
        dome = dome_outline(cut, pose)
        cap = np.concatenate([dome[::-1], curves["edge"]])
        locks = tuple(curves[f"lock_{number}"] for number in range(FRINGE_LOCKS))
        left, right = sides_of(cut, pose)
        outline = np.concatenate([dome, left, curves["bottom"][::-1], right[::-1]])
        return cls(p, cut, shades(p, pose), outline, curves, cap, locks)

    def behind(self) -> Iterator[Shape]:
        """The dome and what hangs behind neck and shoulders."""
        yield Shape(self.outline, self.fill, HAIR)
        shade = palette.hair_shade(self.p)
        yield Shape(self.curves["nape"], shade, opacity=0.75, clip=self.outline, hair=True)

    def over_shoulders(self) -> Iterator[Shape]:
        """Locks that lie on chest and shoulders, in front of the body and behind the face."""
        if self.cut.end <= LONG:
            return
        tones = (palette.hair_shade(self.p), palette.hair_light(self.p))
        for name in ("left", "right"):
            outer, ends, inner = (self.curves[f"{part}_{name}"] for part in ("outer", "ends", "inner"))
            yield Shape(np.concatenate([outer, ends, inner[::-1]]), self.fill, HAIR)
            for number, share in enumerate((0.16, 0.34, 0.54, 0.72, 0.88)):
                line = (outer * (1 - share) + inner * share)[: 17 - number % 3]
                width = taper(len(line), 0.002, 0.010 if number % 2 else 0.007, 0.0008)
                yield Shape(ribbon(line, width), tones[number % 2], opacity=0.5, hair=True)

    def front(self) -> Iterator[Shape]:
        """Cap, locks of the fringe, lines of strands, a band of shine, a strand at each temple."""
        shade, light = palette.hair_shade(self.p), palette.hair_light(self.p)
        yield Shape(self.cap, self.fill, HAIR, clip=self.outline)
        for number in (*range(0, FRINGE_LOCKS, 2), *range(1, FRINGE_LOCKS, 2)):
            lock = self.locks[number]
            yield Shape(lock, self.fill, HAIR, clip=self.outline)
            half = len(lock) // 2
            edge = lock[3:half] if number < FRINGE_LOCKS / 2 else lock[half : len(lock) - 3][::-1]
            width = taper(len(edge), 0.001, 0.0045, 0.003)
            yield Shape(ribbon(edge, width), shade, opacity=0.55, clip=self.outline, hair=True)
        for number in range(9):
            line = self.curves[f"line_{number}"]
            width = taper(len(line), 0.0006, 0.0065, 0.001)
            tone = light if number % 2 else shade
            yield Shape(ribbon(line, width), tone, opacity=0.40, clip=self.cap, hair=True)
        yield Shape(self.curves["shine"], light, opacity=0.34, clip=self.cap, hair=True)
        for side, name in zip(SIDES, ("left", "right"), strict=True):
            line = self.curves[f"frame_{name}"]
            t = np.linspace(0, 1, len(line))
            width = np.interp(t, [0, 0.2, 0.4, 0.7, 1], [0.004, 0.036, 0.040, 0.026, 0.002])
            yield Shape(ribbon(line, width * 0.95), self.fill, HAIR, clip=self.outline)
            inner = np.add(line[4:-3], (side * 0.010, 0))
            thin = ribbon(inner, taper(len(inner), 0.001, 0.004, 0.001))
            yield Shape(thin, shade, opacity=0.5, clip=self.outline, hair=True)


def split(curves: Mapping[str, np.ndarray], see: Callable[[np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
    """Each curve as it is seen; all of them are looked at in one go."""
    seen = see(np.concatenate(list(curves.values())))
    ends = np.cumsum([len(curve) for curve in curves.values()])[:-1]
    return dict(zip(curves, np.split(seen, ends), strict=True))


def sides_of(cut: Cut, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """The outer edges, downwards, of all that hangs behind: as wide as the head that has turned, above."""
    rows = np.linspace(0.02, cut.end - 0.03, 16)
    wide = mass(cut, rows)
    deep = DEPTH * (1 - 0.55 * smoothstep(rows, 0.0, 0.7))
    outline = pose.silhouette(rows, wide, deep, np.full(16, CENTRE[2]))
    edges = []
    for side, with_head in ((-1.0, outline[16:][::-1]), (1.0, outline[:16])):
        straight = np.column_stack([side * wide, rows, np.zeros(16)])
        moved = waved(cut, straight)
        wave = (moved[:, :1] - straight[:, :1]) * (pose.size, 0.0)
        edges.append(hanging(pose, moved, with_head + wave))
    return edges[0], edges[1]


def shades(p: Named, pose: Pose) -> Gradient:
    """From the shine of the crown down to deeper ends."""
    ends = pose.body(np.array([[0, -0.85], [0, 1.0]]))
    base = palette.hair(p)
    stops = (
        (0.0, mix(base, palette.hair_light(p), 0.35), 1.0),
        (0.35, base, 1.0),
        (1.0, mix(base, palette.hair_shade(p), 0.45), 1.0),
    )
    return Gradient("linear", (*ends[0].tolist(), *ends[1].tolist()), stops)
