"""The whole picture, back to front: background, hair behind, body, face, hair in front."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from ohlora.face.drawing import classes
from ohlora.face.drawing.portrait import features, palette
from ohlora.face.drawing.portrait.curves import ellipse, ribbon, smooth, taper
from ohlora.face.drawing.portrait.hair import Hair
from ohlora.face.drawing.portrait.palette import WHITE, glow, mix, times
from ohlora.face.drawing.portrait.pose import Named, Pose
from ohlora.face.drawing.portrait.scene import Gradient, Scene, Shape

SIDES = (-1.0, 1.0)
EVERYTHING = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
EARRING = (0.94, 0.80, 0.42)
WALL = ("background_mean", "background_std", "background_saturation", "background_hue", "texture_phase")


def scene(p: Named) -> Scene:
    """Everything there is to see; `p` holds every property, control and trait by name."""
    pose = Pose(p)
    drawn = list(shapes(p, pose))
    pose.settle()
    return drawn


def shapes(p: Named, pose: Pose) -> Iterator[Shape]:
    """All shapes, back to front; those on the face are where they belong once the pose has settled."""
    face = pose.silhouette(*face_rows(pose))
    grown = Hair.of(p, pose)
    yield from background(p)
    yield from grown.behind()
    yield from body(p, pose, face)
    yield from grown.over_shoulders()
    yield from ears(p, pose)
    yield from skin(p, pose, face, grown)
    yield from features.cheeks(p, pose, face)
    yield from features.freckles(p, pose)
    yield from features.nose(p, pose)
    yield from features.mouth(p, pose)
    for side in SIDES:
        yield from features.eye(p, pose, side)
    brows = [features.brow(p, pose, side) for side in SIDES]
    yield from features.brows(p, pose, brows)
    yield from features.tears(p, pose)
    yield from features.glasses(p, pose)
    yield from grown.front()
    for outline, _ in brows:  # they are seen through the fringe
        yield Shape(outline, palette.brow(p), opacity=0.38, clip=grown.cap)


def face_rows(pose: Pose) -> tuple[np.ndarray, ...]:
    rows, wide = pose.contour
    return rows, wide, pose.depth(rows), pose.middle(rows)


def background(p: Named) -> tuple[Shape, ...]:
    """A wall that is lit from one side, with soft discs of light; mean and spread as asked for."""
    return wall_of(*(p[name] for name in WALL))


@lru_cache(maxsize=8)
def wall_of(mean: float, spread: float, saturation: float, hue: float, phase: float) -> tuple[Shape, ...]:
    """The same objects for the same numbers, WALL: they do not move with her."""
    return tuple(wall_shapes(mean, spread, min(max(saturation, 0.0), 0.8) * 0.5, hue * 1.8 + 3.6, phase))


def wall_shapes(mean: float, spread: float, saturation: float, hue: float, phase: float) -> Iterator[Shape]:
    room = min(mean, 1 - mean)

    def wall(brightness: float) -> palette.Colour:
        at = min(max(brightness, 0.0), 1.0)
        share = min(room, min(at, 1 - at)) / max(min(at, 1 - at), 1e-6)
        return palette.tinted(at, hue, saturation * share)

    light, dark = wall(mean + 0.03 * min(1, room * 8) + spread), wall(mean - 0.03 * min(1, room * 8) - spread)
    yield Shape(
        EVERYTHING,
        Gradient("linear", (-0.6, -1.0, 0.6, 1.0), ((0.0, light, 1.0), (1.0, dark, 1.0))),
        classes.BACKGROUND,
        still=True,
    )
    strength = min(2.2 * spread + 0.10, 0.6)
    for number in range(6):
        x = ((number * 0.61 + 0.13 * phase) % 1.0) * 2.2 - 1.1
        y = ((number * 0.37 + 0.07 * phase + 0.21) % 1.0) * 1.7 - 1.0
        radius = 0.16 + 0.12 * ((number * 3) % 4) / 3
        colour = wall(mean + (1.0 if number % 2 else -1.0) * (0.06 * min(1, room * 5) + 1.5 * spread))
        fill = glow((x, y, radius, radius, 0.0), colour, strength)
        yield Shape(ellipse(x, y, radius, radius), fill, still=True)


def body(p: Named, pose: Pose, face: np.ndarray) -> Iterator[Shape]:
    """Neck, shoulders, a blouse and the shadow of the chin; all of them background to the label map."""
    colour, shadow = palette.skin(p), palette.skin_shadow(p)
    wide = 0.150 + 0.22 * (p["shoulders"] - 0.72)
    top = pose.head(np.array([[wide * 1.02, 0.36, -0.06], [-wide * 1.02, 0.36, -0.06]]))
    reach = p["shoulders"]
    right = np.array(
        [
            [wide, 0.72],
            [wide * 1.12, 0.82],
            [wide * 1.75, 0.905],
            [reach * 0.62, 0.965],
            [reach * 0.9, 1.05],
            [reach * 1.06, 1.20],
            [reach * 1.12, 1.50],
        ]
    )
    sides = [
        smooth(np.concatenate([top[[number]], pose.body(right * (side, 1.0))]), 4)
        for number, side in ((0, 1.0), (1, -1.0))
    ]
    outline = np.concatenate([sides[0], sides[1][::-1]])
    ends = pose.body(np.array([[0, 0.5], [0, 1.1]]))
    fill = Gradient(
        "linear",
        (*ends[0].tolist(), *ends[1].tolist()),
        ((0.0, mix(colour, shadow, 0.35), 1.0), (1.0, colour, 1.0)),
    )
    yield Shape(outline, fill, classes.BACKGROUND)
    yield Shape(np.add(face, (0.0, 0.075 * pose.size)), shadow, opacity=0.55, clip=outline)
    for side in SIDES:
        bone = smooth(
            pose.body(np.array([[side * 0.07, 0.975], [side * 0.17, 0.945], [side * 0.33, 0.955]])), 4
        )
        yield Shape(ribbon(bone, taper(len(bone), 0.004, 0.006, 0.001)), shadow, opacity=0.5)
        muscle = smooth(
            pose.body(
                np.array([[side * wide * 0.72, 0.70], [side * wide * 0.45, 0.86], [side * 0.045, 0.965]])
            ),
            4,
        )
        yield Shape(ribbon(muscle, taper(len(muscle), 0.001, 0.006, 0.002)), shadow, opacity=0.30)
    yield from blouse(p, pose)


def blouse(p: Named, pose: Pose) -> Iterator[Shape]:
    """A round neck with a lighter trim."""
    reach = p["shoulders"]
    cloth = palette.cloth(p)
    neck = np.array(
        [
            [0.335, 0.925],
            [0.290, 1.02],
            [0.17, 1.10],
            [0.0, 1.128],
            [-0.17, 1.10],
            [-0.290, 1.02],
            [-0.335, 0.925],
        ]
    )
    outer = np.array(
        [[reach * 0.62, 0.945], [reach * 0.92, 1.035], [reach * 1.10, 1.20], [reach * 1.16, 1.50]]
    )
    outline = np.concatenate(
        [
            smooth(pose.body(outer), 4),
            smooth(pose.body(outer * (-1, 1)), 4)[::-1],
            smooth(pose.body(neck[::-1]), 4),
        ]
    )
    ends = pose.body(np.array([[-0.3, 0.9], [0.3, 1.3]]))
    fill = Gradient(
        "linear",
        (*ends[0].tolist(), *ends[1].tolist()),
        ((0.0, mix(cloth, WHITE, 0.16), 1.0), (1.0, times(cloth, 0.82), 1.0)),
    )
    yield Shape(outline, fill, classes.BACKGROUND)
    trim = smooth(pose.body(neck), 4)
    yield Shape(ribbon(trim, 0.017), mix(cloth, WHITE, 0.55))
    yield Shape(ribbon(np.add(trim, (0, 0.021)), 0.003), times(cloth, 0.7), opacity=0.7)


def ears(p: Named, pose: Pose) -> Iterator[Shape]:
    """Ears and what hangs from them; the face covers the inner half."""
    colour, shadow = palette.skin(p), palette.skin_shadow(p)
    x = p["face_width"] * 0.965
    shell = np.array(
        [
            [0.0, -0.02],
            [0.35, -0.085],
            [0.85, -0.095],
            [1.15, -0.03],
            [1.0, 0.06],
            [0.62, 0.13],
            [0.25, 0.165],
            [0.0, 0.12],
        ]
    )
    for side in SIDES:

        def place(points: np.ndarray, side: float = side) -> np.ndarray:
            """Outwards and back from where the ear begins, and down from its middle."""
            out = points[:, 0]
            return np.column_stack(
                [side * (x - 0.015 + 0.058 * out), 0.105 + points[:, 1], -0.055 - 0.05 * out]
            )

        outline = smooth(pose.head(place(shell)), 4, closed=True)
        yield Shape(outline, mix(colour, shadow, 0.18), classes.BACKGROUND)
        fold = smooth(
            pose.head(place(np.array([[0.35, -0.055], [0.82, -0.058], [0.86, 0.0], [0.55, 0.075]]))), 4
        )
        yield Shape(ribbon(fold, taper(len(fold), 0.002, 0.007, 0.002)), shadow, opacity=0.8)
        lobe = pose.head(place(np.array([[0.36, 0.150]])))[0]
        yield from earring(p, pose, lobe)


def earring(p: Named, pose: Pose, lobe: np.ndarray) -> Iterator[Shape]:
    """A stud and a drop, which hangs straight down and swings."""
    size = pose.size
    swung = np.array([0.06 * p["earring_swing"], 0.075]) * size
    end = lobe + swung
    chain = np.array([lobe, (lobe + end) / 2, end])
    yield Shape(ribbon(chain, 0.0035 * size), times(EARRING, 0.85))
    yield Shape(ellipse(float(lobe[0]), float(lobe[1]), 0.013 * size, 0.013 * size, 14), EARRING)
    drop = smooth(
        np.array([[0.0, -0.022], [0.020, 0.012], [0.0, 0.034], [-0.020, 0.012]]) * size + end, 4, closed=True
    )
    yield Shape(drop, EARRING)
    yield Shape(
        ellipse(float(end[0]) - 0.006 * size, float(end[1]) + 0.004 * size, 0.005 * size, 0.008 * size, 10),
        WHITE,
        opacity=0.8,
    )


def skin(p: Named, pose: Pose, face: np.ndarray, grown: Hair) -> Iterator[Shape]:
    """The face itself: its light side and its shaded one, and the shadow of the fringe."""
    colour, shadow = palette.skin(p), palette.skin_shadow(p)
    yield Shape(face, colour, classes.SKIN)
    centre = pose.point(0.0, 0.02)
    edge = Gradient(
        "radial",
        (*centre, 0.66 * pose.size, 0.80 * pose.size, p["roll"]),
        ((0.0, shadow, 0.0), (0.62, shadow, 0.0), (0.80, shadow, 0.18), (1.0, shadow, 0.55)),
    )
    yield Shape(face, edge)
    lean = 0.30 if p["light"] < 0 else -0.30
    lit = pose.point(lean, 0.0)
    yield Shape(
        face,
        glow((*lit, 0.5 * pose.size, 0.6 * pose.size, 0.0), shadow, min(0.10 + 0.12 * abs(p["light"]), 0.3)),
    )
    cast = times(shadow, 0.97, 0.93, 0.93)
    for outline in (grown.cap, *grown.locks):
        yield Shape(
            np.add(outline, (0.006, 0.036 * pose.size)),
            cast,
            opacity=0.36 if outline is grown.cap else 0.22,
            clip=face,
        )
    chin = pose.point(0.0, 0.545)
    yield Shape(face, glow((*chin, 0.07 * pose.size, 0.04 * pose.size, p["roll"]), WHITE, 0.18))
