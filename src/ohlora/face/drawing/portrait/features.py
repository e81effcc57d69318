"""What lies on the face: eyes, brows, nose, mouth, cheeks, tears, glasses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ohlora.face.drawing import classes
from ohlora.face.drawing.portrait import palette
from ohlora.face.drawing.portrait.curves import ellipse, paired, ribbon, smooth, smoothstep, taper
from ohlora.face.drawing.portrait.palette import DARK, WHITE, glow, mix, times
from ohlora.face.drawing.portrait.pose import Named, Pose, step
from ohlora.face.drawing.portrait.scene import Gradient, Shape

EYE_LINE = 0.055
NOSE_LINE = 0.255  # of its tip
MOUTH_LINE = 0.405
SIDES = (-1.0, 1.0)  # left and right in the picture
IRIS = 0.078  # its radius
GAZE = (0.040, 0.026)  # how far the iris goes at the ends of gaze, across and down
BROW_HEIGHT = 0.150  # above the eyes, at rest


def spot(
    pose: Pose, x: float, y: float, radius_x: float, radius_y: float, lift: float = 0.0
) -> tuple[float, ...]:
    """A radial gradient's place for a spot on the face: its centre and radii, tilted and narrowed with it."""
    centre, low = pose.point(x, y, lift), pose.point(x, y + radius_y, lift)
    right, left = pose.point(x + radius_x, y, lift), pose.point(x - radius_x, y, lift)
    across = ((right[0] - left[0]) / 2, (right[1] - left[1]) / 2)
    down = math.hypot(low[0] - centre[0], low[1] - centre[1])
    return (*centre, math.hypot(*across), down, math.atan2(across[1], across[0]))


def vertical(
    pose: Pose, x: float, top: float, bottom: float, *stops: tuple[float, palette.Colour, float]
) -> Gradient:
    """Colours from `top` down to `bottom` of the face at `x`."""
    return Gradient("linear", (*pose.point(x, top), *pose.point(x, bottom)), stops)


def cheeks(p: Named, pose: Pose, clip: np.ndarray) -> Iterator[Shape]:
    """Blush, deeper where she flushes."""
    skin = palette.skin(p)
    pink = times(skin, 1.0, 0.66, 0.68)
    strength = min(0.42 * min(max(p["blush"], 0.0), 1.2) + 0.62 * p["flush"], 0.92)
    for side in SIDES:
        x = side * 0.275
        y = 0.225 - 0.02 * p["lower_lids"]
        yield Shape(
            pose.on_face(ellipse(x, y, 0.16, 0.105)),
            glow(spot(pose, x, y, 0.15, 0.098), pink, strength),
            clip=clip,
        )
    if p["flush"] > 0.45:  # across the nose too
        yield Shape(
            pose.on_face(ellipse(0, 0.20, 0.2, 0.05)),
            glow(spot(pose, 0, 0.20, 0.2, 0.05, 0.03), pink, 0.5 * (p["flush"] - 0.45)),
            clip=clip,
        )


def freckles(p: Named, pose: Pose) -> Iterator[Shape]:
    strength = step(p["freckles"], 0.0, 0.3)
    if strength == 0:
        return
    brown = times(palette.skin(p), 0.78, 0.62, 0.52)
    for x, y in ((0.27, 0.19), (0.21, 0.23), (0.16, 0.19), (0.24, 0.26), (0.12, 0.23)):
        for side in SIDES:
            yield Shape(pose.on_face(ellipse(side * x, y, 0.010, 0.009, 8)), brown, opacity=0.6 * strength)


def eye(p: Named, pose: Pose, side: float) -> Iterator[Shape]:
    """White, iris, pupil, highlights, lid lines, lashes, crease.

    The class is what lies between the lids and the upper lid's line, so a closed eye still has its line.
    """
    wide = 0.128 * p["eye_width"] / 0.158
    high = 0.106 * p["eye_height"] / 0.136
    centre = side * (0.208 + (p["eye_distance"] - 0.232))
    opening = p["eyes"]
    lower = p["lower_lids"]
    # Sad lids fall outwards, angry ones inwards.
    slant = p["brow_slant"]
    tilt = p["eye_tilt"] * 0.8 + 0.05

    def place(out: object, down: object) -> np.ndarray:
        """Points of the face at `out`, outwards from the eye's centre, and `down` from its line."""
        out, down = np.asarray(out, dtype=float), np.asarray(down, dtype=float)
        return np.stack([centre + side * out, EYE_LINE + down - tilt * out], axis=-1)

    across = np.array([-1.0, -0.72, -0.36, 0.0, 0.36, 0.72, 1.0])
    top_open = -high * np.array([-0.12, 0.56, 0.93, 1.04, 0.95, 0.62, 0.08])
    top_open = top_open + high * (
        0.26 * max(slant, 0.0) * (0.6 - across) + 0.30 * max(-slant, 0.0) * (across + 0.5).clip(0)
    )
    bottom_open = high * np.array([0.20, 0.46, 0.66, 0.74, 0.70, 0.48, 0.02])
    # Where shut lids meet: sagging at rest, arched upwards by raised lower lids (a smile's eyes).
    shut = high * np.array([0.16, 0.44, 0.60, 0.64, 0.56, 0.36, 0.02])
    smiling = high * np.array([0.30, -0.12, -0.38, -0.46, -0.38, -0.12, 0.30])
    meet = shut + (smiling - shut) * smoothstep(lower, 0.3, 1.0)
    bottom = meet + (bottom_open - 0.34 * high * lower * (1 - across**2) - meet) * smoothstep(
        opening, 0.0, 0.35
    )
    top = meet + (top_open * (0.45 + 0.55 * opening) - meet) * min(opening * 1.25, 1.0)
    top = np.minimum(top, bottom)
    outs = across * wide
    upper_line = smooth(place(outs, top), 4)
    lower_line = smooth(place(outs, bottom), 4)
    ball = np.concatenate([upper_line, lower_line[::-1]])
    thick = (0.0085 + 0.006 * p["lashes"]) * (1.15 - 0.15 * opening)
    lashes = np.linspace(0, 1, len(upper_line))
    lid = ribbon(
        np.add(upper_line, (0, -thick * 0.35)), thick * (0.34 + 0.66 * smoothstep(lashes, 0.0, 0.75))
    )
    label = classes.LEFT_EYE if side < 0 else classes.RIGHT_EYE
    seen = pose.on_face(ball)
    socket = times(palette.skin(p), 0.90, 0.76, 0.74)
    yield Shape(
        pose.on_face(place(*np.moveaxis(ellipse(0, -0.035, wide * 1.32, high * 1.25), -1, 0))),
        glow(spot(pose, centre, EYE_LINE - 0.035, wide * 1.3, high * 1.25), socket, 0.30),
    )
    yield Shape(pose.on_face(lid), DARK, label)
    yield Shape(seen, mix((0.985, 0.972, 0.975), palette.skin(p), 0.10), label)
    # The eyes keep some of their look at the viewer when the head turns.
    gaze_x = min(max(p["gaze_x"] - 0.55 * p["yaw"], -1.3), 1.3)
    gaze_y = min(max(p["gaze_y"] - 0.9 * p["pitch"], -1.2), 1.2)
    out = side * GAZE[0] * gaze_x - 0.004
    down = GAZE[1] * gaze_y - 0.006
    size = IRIS * (1 + 0.06 * (opening - 0.7))
    x, y = centre + side * out, EYE_LINE + down - tilt * out
    colour = palette.iris(p)
    gradient = vertical(
        pose,
        x,
        y - size,
        y + size,
        (0.0, times(colour, 0.34), 1.0),
        (0.45, times(colour, 0.85), 1.0),
        (1.0, mix(times(colour, 1.75), WHITE, 0.12), 1.0),
    )
    yield Shape(pose.on_face(ellipse(x, y, size, size * 1.06)), times(colour, 0.30), clip=seen)
    yield Shape(pose.on_face(ellipse(x, y, size * 0.90, size * 0.96)), gradient, clip=seen)
    yield Shape(
        pose.on_face(ellipse(x, y - 0.002, size * 0.42, size * 0.46, 20)), times(DARK, 0.6), clip=seen
    )
    shadow = np.concatenate([upper_line, np.add(upper_line, (0, high * 0.36))[::-1]])
    yield Shape(pose.on_face(shadow), times(DARK, 1.2), opacity=0.26, clip=seen)
    for dx, dy, radius, strength in ((-0.026, -0.028, 0.021, 0.96), (0.024, 0.030, 0.011, 0.75)):
        yield Shape(
            pose.on_face(ellipse(x + dx, y + dy, radius, radius * 1.05, 14)),
            WHITE,
            opacity=strength,
            clip=seen,
        )
    # Over the white and the skin: the wing, lower lashes, the crease; skin to the label map.
    yield Shape(pose.on_face(lid), DARK, label)
    tip = upper_line[-1]
    reach = 0.022 + 0.030 * min(max(p["lashes"], 0.0), 1.2)
    for lift, share in ((0.62, 1.0), (1.25, 0.62)):
        end = np.add(tip, (side * reach * share, -reach * lift * share * (0.35 + 0.65 * opening)))
        start = upper_line[-3 if share == 1 else -6]
        line = smooth([start, np.add(tip, (0, -0.002)) if share == 1 else (start + end) / 2, end], 4)
        yield Shape(pose.on_face(ribbon(line, taper(len(line), thick * 0.9, thick * 0.55, 0.001))), DARK)
    soft = smooth(place(outs[2:], bottom[2:] + 0.004), 4)
    yield Shape(
        pose.on_face(ribbon(soft, taper(len(soft), 0.001, 0.0042, 0.0036))),
        mix(DARK, palette.skin(p), 0.35),
        opacity=0.75,
    )
    lifted = top - 0.030 - 0.016 * opening
    fold = smooth(place(outs[1:] * 1.02, lifted[1:] + high * np.array([0.10, 0.0, 0.0, 0.0, 0.05, 0.10])), 4)
    yield Shape(
        pose.on_face(ribbon(fold, taper(len(fold), 0.0015, 0.0042, 0.002))),
        times(palette.skin(p), 0.70, 0.52, 0.48),
        opacity=0.75,
    )
    if lower > 0.15 and opening > 0.2:  # the pad that a smile pushes up under the eye
        pad = smooth(place(outs[1:6] * 0.95, bottom[1:6] + 0.030), 4)
        yield Shape(
            pose.on_face(ribbon(pad, taper(len(pad), 0.001, 0.0045, 0.001))),
            palette.skin_shadow(p),
            opacity=min(0.8 * lower, 0.7),
        )


def brow_line(p: Named, side: float) -> np.ndarray:
    """The middle of a brow from its inner to its outer end, x and y [points, 2] on the face."""
    centre = side * (0.208 + (p["eye_distance"] - 0.232))
    raised = 0.058 * p["brow_raise"] + 0.022 * (p["eyes"] - 0.72) + 0.05 * max(p["lopsided"] * side, 0.0)
    height = BROW_HEIGHT + (p["brow_height"] - 0.235) + raised
    knit = 0.034 * p["brow_knit"]
    slant = p["brow_slant"]
    tilt = p["brow_tilt"] - 0.03
    out = np.array([-0.125 - knit, -0.06 - knit * 0.7, 0.015, 0.085, 0.150])
    arch = np.array([0.002, -0.011, -0.018, -0.013, 0.020]) * (1 + 0.25 * max(p["brow_raise"], 0.0))
    # Positive slant lowers the inner ends, negative one lifts them and lowers the outer ones.
    down = (
        arch
        + slant * np.array([0.060, 0.032, 0.0, -0.014, -0.026])
        + 0.016 * p["brow_knit"] * np.array([1, 0.6, 0.1, 0, 0])
    )
    if slant < 0:
        down = arch + slant * np.array([0.062, 0.042, 0.002, -0.020, -0.034])
    return paired(centre + side * out, EYE_LINE - height + down - tilt * out)


def brow(p: Named, pose: Pose, side: float) -> tuple[np.ndarray, int]:
    """A brow's outline in the picture and its class."""
    line = smooth(brow_line(p, side), 5)
    thick = p["brow_thickness"] * 0.68
    t = np.linspace(0, 1, len(line))
    width = (
        thick
        * (0.62 + 0.55 * np.sin(np.pi * np.clip(t * 1.15, 0, 1)) - 0.50 * t)
        * (0.35 + 0.65 * smoothstep(t, -0.02, 0.14))
        + 0.002
    )
    outline = pose.on_face(ribbon(line, width), 0.01)
    return outline, classes.LEFT_BROW if side < 0 else classes.RIGHT_BROW


def brows(p: Named, pose: Pose, both: Sequence[tuple[np.ndarray, int]]) -> Iterator[Shape]:
    """`both` as `brow` gives them, and the furrows between them where they are knit."""
    for outline, label in both:
        yield Shape(outline, palette.brow(p), label, opacity=0.86)
    strength = p["brow_knit"] - 0.35
    if strength > 0:
        for side in SIDES:
            line = smooth([(side * 0.026, -0.12), (side * 0.020, -0.085), (side * 0.024, -0.05)], 4)
            yield Shape(
                pose.on_face(ribbon(line, taper(len(line), 0.001, 0.004, 0.001))),
                times(palette.skin(p), 0.72, 0.55, 0.52),
                opacity=min(strength * 1.3, 0.75),
            )


def nose(p: Named, pose: Pose) -> Iterator[Shape]:
    """A shaded side, a light ridge, a tip, two nostrils. The class is the drop from the root to the tip."""
    skin, shadow = palette.skin(p), palette.skin_shadow(p)
    wide, long = p["nose_width"] * 1.02, p["nose_length"]
    low = NOSE_LINE + 0.6 * (long - 0.185)  # a longer nose ends lower
    top = NOSE_LINE - long

    def raised(points: object) -> np.ndarray:
        """The outline through points at x, y, and so far above the face [points, 3]."""
        curve = smooth(points, 4, closed=True)
        return pose.on_face(curve[:, :2], curve[:, 2])

    right = np.array(
        [
            [0.018, top, 0.0],
            [0.020, top + 0.5 * long, 0.035],
            [wide * 0.78, low - 0.035, 0.085],
            [wide, low + 0.006, 0.085],
            [wide * 0.55, low + 0.024, 0.05],
        ]
    )
    tip = np.array([[0.0, low + 0.030, 0.055]])
    yield Shape(
        raised(np.concatenate([right, tip, (right * (-1, 1, 1))[::-1]])), skin, classes.NOSE, opacity=0.04
    )
    # The side away from the light, or the far one once the head has turned.
    away = 1.0 if p["yaw"] + 0.25 * p["light"] < 0 else -1.0
    side = [
        (away * 0.030, top + 0.01, 0.0),
        (away * 0.026, top + 0.07, 0.03),
        (away * wide * 0.8, low - 0.03, 0.06),
        (away * wide * 0.30, low + 0.012, 0.085),
        (away * 0.004, low - 0.05, 0.075),
        (away * 0.008, top + 0.05, 0.03),
    ]
    yield Shape(raised(side), shadow, opacity=0.20)
    under = [
        (-wide * 0.85, low + 0.004, 0.03),
        (0.0, low + 0.012, 0.085),
        (wide * 0.85, low + 0.004, 0.03),
        (wide * 0.45, low + 0.028, 0.03),
        (0.0, low + 0.038, 0.045),
        (-wide * 0.45, low + 0.028, 0.03),
    ]
    yield Shape(raised(under), shadow, opacity=0.55)
    yield Shape(pose.on_face(ellipse(-0.006, low - 0.022, 0.015, 0.017, 14), 0.095), WHITE, opacity=0.50)
    for way in SIDES:
        hole = ellipse(way * wide * 0.46, low + 0.018, 0.011, 0.0058, 12)
        yield Shape(pose.on_face(hole, 0.05), times(skin, 0.55, 0.34, 0.32), opacity=0.70)


def mouth(p: Named, pose: Pose) -> Iterator[Shape]:
    """Lips around an opening with teeth and tongue; corners go up and down, rounded lips are narrow."""
    opening, corners, rounding = p["mouth"], p["corners"], p["rounding"]
    half = p["mouth_width"] * 0.86 * (1 + 0.16 * max(corners, 0.0) - 0.06 * max(-corners, 0.0))
    half *= 1 - 0.40 * max(rounding, 0.0) + 0.14 * max(-rounding, 0.0) - 0.10 * opening
    lip = p["lip_height"] * 0.80 * (1 + 0.35 * p["pout"]) * (1 + 0.25 * max(rounding, 0.0))
    rest = p["smile"] - 0.030
    bend = 0.060 * corners + 0.6 * rest + 0.008
    gap = 0.190 * opening**1.15 * (1 + 0.10 * max(rounding, 0.0))
    middle_y = MOUTH_LINE - 0.012 * p["pout"] + 0.004 * opening
    across = np.array([-1.0, -0.8, -0.5, -0.2, 0.0, 0.2, 0.5, 0.8, 1.0])
    arch = np.sqrt(1 - 0.999 * across**2)
    # Corners: the whole line bends; one corner alone where she is lopsided.
    lean = 0.020 * p["lopsided"] * across
    line = middle_y - bend * (across**2 - 0.45) - lean
    round_top = 0.72 if corners > 0.2 else 0.9
    inner_top = line - 0.26 * gap * arch**round_top * (1 - 0.55 * max(corners, 0.0))
    inner_bottom = line + 0.80 * gap * arch**0.85
    bow = np.array([0.0, 0.40, 0.88, 1.14, 0.96, 1.14, 0.88, 0.40, 0.0])
    upper_top = inner_top - lip * 0.86 * bow * (1 - 0.25 * opening)
    lower_bottom = inner_bottom + lip * 1.22 * np.array([0.0, 0.52, 0.92, 1.06, 1.08, 1.06, 0.92, 0.52, 0.0])
    lift = 0.022 + 0.035 * p["pout"] + 0.02 * max(rounding, 0.0)
    xs = half * across + 0.016 * p["lopsided"]

    def seen(*rows: np.ndarray) -> np.ndarray:
        """The outline between one row of heights and another, the second one backwards."""
        upper = smooth(paired(xs, rows[0]), 4)
        lower = smooth(paired(xs, rows[1]), 4)
        return pose.on_face(np.concatenate([upper, lower[::-1]]), lift)

    colour, skin = palette.lips(p), palette.skin(p)
    shade = Shape(
        pose.on_face(ellipse(0, float(lower_bottom[4]) + 0.028, half * 0.75, 0.026)),
        glow(
            spot(pose, 0, float(lower_bottom[4]) + 0.028, half * 0.7, 0.026, lift),
            palette.skin_shadow(p),
            0.55,
        ),
    )
    yield shade
    fill = vertical(
        pose,
        0,
        float(inner_bottom[4]),
        float(lower_bottom[4]),
        (0.0, times(colour, 0.93), 1.0),
        (0.6, mix(colour, WHITE, 0.14), 1.0),
        (1.0, mix(colour, skin, 0.35), 1.0),
    )
    yield Shape(seen(inner_bottom - 0.001, lower_bottom), fill, classes.LOWER_LIP)
    yield Shape(seen(upper_top, inner_top + 0.001), times(colour, 0.90, 0.84, 0.85), classes.UPPER_LIP)
    shine = pose.on_face(
        ellipse(-0.012, float(inner_bottom[4]) + lip * 0.62, half * 0.24, lip * 0.15, 14), lift
    )
    yield Shape(shine, WHITE, opacity=0.42)
    if gap > 0.006:
        inside = seen(inner_top, inner_bottom)
        dark = vertical(
            pose,
            0,
            float(inner_top[4]),
            float(inner_bottom[4]),
            (0.0, (0.30, 0.07, 0.09), 1.0),
            (1.0, (0.50, 0.14, 0.17), 1.0),
        )
        yield Shape(inside, dark, classes.INNER_MOUTH)
        tongue = pose.on_face(
            ellipse(0, float(inner_bottom[4]) - 0.005, half * 0.60, 0.36 * gap + 0.001), lift
        )
        yield Shape(tongue, (0.88, 0.45, 0.47), opacity=step(gap, 0.04, 0.10), clip=inside)
        shown = step(gap, 0.004, 0.014) * max(1 - 2.2 * max(rounding, 0.0), 0.0)
        teeth = np.minimum(inner_top + 0.018 + 0.20 * gap, inner_bottom)
        if shown > 0:
            yield Shape(seen(inner_top - 0.002, teeth), (0.99, 0.985, 0.97), opacity=shown, clip=inside)
    line_width = 0.0052 + 0.002 * abs(corners)
    slit = smooth(paired(xs, inner_top), 4)
    strength = 0.85 if gap < 0.02 else 0.45
    yield Shape(
        pose.on_face(
            ribbon(slit, taper(len(slit), line_width * 0.7, line_width * 0.85, line_width * 0.7)), lift
        ),
        times(colour, 0.50, 0.36, 0.38),
        opacity=strength,
    )
    for number, side in ((0, -1.0), (-1, 1.0)):
        x, y = float(xs[number]), float(line[number])
        tail = smooth(
            [(x - side * 0.012, y + 0.004 * corners), (x, y), (x + side * 0.014, y - 0.016 * corners)], 4
        )
        yield Shape(
            pose.on_face(ribbon(tail, taper(len(tail), 0.004, 0.0046, 0.001)), lift * 0.6),
            times(skin, 0.66, 0.44, 0.42),
            opacity=0.75,
        )
        if corners > 0.5:  # a dimple
            dimple = smooth(
                [(x + side * 0.038, y - 0.045), (x + side * 0.048, y - 0.018), (x + side * 0.040, y + 0.012)],
                4,
            )
            yield Shape(
                pose.on_face(ribbon(dimple, taper(len(dimple), 0.0008, 0.0036, 0.0008)), 0.0),
                times(skin, 0.84, 0.66, 0.62),
                opacity=min(1.2 * (corners - 0.5), 0.6),
            )


def tears(p: Named, pose: Pose) -> Iterator[Shape]:
    """Water at the lower lids, and a drop on its way down the cheek."""
    strength = p["tears"]
    if strength <= 0.02:
        return
    for side in SIDES:
        x = side * (0.208 + (p["eye_distance"] - 0.232) + 0.035)
        y = EYE_LINE + 0.076
        pool = pose.on_face(ellipse(x, y, 0.075, 0.014, 16), 0.01)
        yield Shape(pool, (0.86, 0.94, 1.0), opacity=0.75 * min(strength * 1.5, 1.0))
        low = y + 0.02 + 0.12 * strength
        drop = smooth(
            [
                (x + side * 0.02, low - 0.055),
                (x + side * 0.042, low),
                (x + side * 0.020, low + 0.026),
                (x - side * 0.002, low),
            ],
            5,
            closed=True,
        )
        fill = vertical(
            pose, x, low - 0.05, low + 0.02, (0.0, (0.93, 0.97, 1.0), 0.5), (1.0, (0.70, 0.86, 1.0), 0.95)
        )
        yield Shape(pose.on_face(drop, 0.01), fill, opacity=step(strength, 0.25, 0.6))


def glasses(p: Named, pose: Pose) -> Iterator[Shape]:
    """Two round rims, a bridge and the beginning of the arms; labels under them stay."""
    if p["glasses"] <= 0:
        return
    colour = (0.20, 0.15, 0.18)
    for side in SIDES:
        x = side * (0.214 + (p["eye_distance"] - 0.232))
        ring = ellipse(x, EYE_LINE + 0.012, 0.172, 0.150, 40)
        lens = pose.on_face(ring, 0.07)
        yield Shape(lens, (0.95, 0.98, 1.0), opacity=0.10)
        inner = ellipse(x, EYE_LINE + 0.012, 0.158, 0.136, 40)
        rim = np.concatenate([ring, ring[:1], inner[:1], inner[::-1]])
        yield Shape(pose.on_face(rim, 0.07), colour)
        arm = np.array([[side * 0.375, EYE_LINE - 0.01, 0.44], [side * 0.50, EYE_LINE - 0.02, 0.05]])
        edges = np.concatenate([np.add(arm, (0, -0.008, 0)), np.add(arm, (0, 0.008, 0))[::-1]])
        yield Shape(pose.head(edges), colour, opacity=0.9)
    bridge = smooth([(-0.048, EYE_LINE + 0.005), (0, EYE_LINE - 0.015), (0.048, EYE_LINE + 0.005)], 4)
    yield Shape(pose.on_face(ribbon(bridge, 0.008), 0.09), colour)
