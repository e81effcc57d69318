"""One face, back to front: properties and traits -> layers of shapes and colours.

Lengths are in the face's own frame: x to the right, y downwards, the origin between nose and eyes, the
cheeks at about x = 0.5 and the chin at about y = 0.62. Head parts live in the head frame, which rolls; hair
that hangs, neck and clothes in the body frame, which does not. A turn of the head (yaw) slides and narrows
what lies on the face as if it lay on a cylinder.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ohlora.face.drawing import classes
from ohlora.face.drawing.shapes import (
    above,
    bump,
    ellipse,
    intersection,
    smooth_union,
    smoothstep,
    stroke,
    union,
    zigzag,
)
from ohlora.face.drawing.window import Window

EYE_LINE = 0.04
NOSE_LINE = 0.25  # of its tip
MOUTH_LINE = 0.395
CHIN_START = 0.02  # where the egg of the skull goes over into the jaw
SKULL = 0.64
TURN = 0.62  # of yaw, as the features show it; the rest is perspective a flat drawing has not
SLANT = 0.6  # of the ends of hanging hair: longest outside, so that it leaves the picture little by little
RIM = 0.012  # width of a shape's darker edge
SIDES = (-1.0, 1.0)  # left and right in the picture

Named = Mapping[str, Tensor]  # each [faces, 1, 1]


@dataclass(frozen=True)
class Layer:
    """A shape of one colour pattern inside a window of the picture.

    `distance` [faces, rows, columns] is in the face's units, negative inside; `colour` [faces, 3, rows or 1,
    columns or 1] is 0 to 1. A layer without a label (lashes, glasses, highlights) leaves the map as it is.
    """

    window: Window
    distance: Tensor
    colour: Tensor
    label: int | None = None
    opacity: Tensor | float = 1.0


@dataclass(frozen=True)
class Grid:
    """Where the samples of the picture lie, -1 to 1, and how they fall into the frames of each face."""

    size: int  # samples a side
    step: int  # samples a pixel and side
    device: torch.device

    def axis(self, first: int, last: int) -> Tensor:
        """Coordinates of samples first to last, the last one excluded."""
        return (2 * torch.arange(first, last, device=self.device, dtype=torch.float32) + 1) / self.size - 1

    @property
    def everything(self) -> Window:
        return Window(0, self.size, 0, self.size)

    def body(self, window: Window, p: Named) -> tuple[Tensor, Tensor]:
        """x, y [faces, rows, columns] in the body frame, which shifts and scales."""
        x = (self.axis(window.left, window.right)[None, None, :] - p["shift_x"]) / p["scale"]
        y = (self.axis(window.top, window.bottom)[None, :, None] - p["shift_y"]) / p["scale"]
        return x, y

    def head(self, window: Window, p: Named) -> tuple[Tensor, Tensor]:
        """x, y [faces, rows, columns] in the head frame, which rolls too."""
        x, y = self.body(window, p)
        cos, sin = p["roll"].cos(), p["roll"].sin()
        return cos * x + sin * y, cos * y - sin * x

    def around(self, x: Tensor, y: Tensor | float, reach: float, p: Named) -> Window:
        """The window that shows everything within `reach` of a point of the head frame, on every face."""
        cos, sin = p["roll"].cos(), p["roll"].sin()
        corners = []
        for across, low in ((cos * x - sin * y, p["shift_x"]), (sin * x + cos * y, p["shift_y"])):
            centre, wide = across * p["scale"] + low, reach * p["scale"]
            ends = torch.stack([(centre - wide).min(), (centre + wide).max()])
            first, last = ((ends + 1) / 2 * self.size).tolist()
            first = min(max(math.floor(first / self.step), 0) * self.step, self.size - self.step)
            last = max(min(math.ceil(last / self.step) * self.step, self.size), first + self.step)
            corners.append((first, last))
        (left, right), (top, bottom) = corners
        return Window(top, bottom, left, right)


def rgb(red: Tensor | float, green: Tensor | float, blue: Tensor | float, like: Tensor) -> Tensor:
    """A colour [faces, 3, 1, 1] of three channels, each [faces, 1, 1] or one number."""
    return torch.stack([torch.zeros_like(like) + channel for channel in (red, green, blue)], dim=1)


def hue_direction(hue: Tensor) -> Tensor:
    """The change of R, G and B [faces, 3, 1, 1] that tints without changing their mean; hue in rad."""
    thirds = hue.new_tensor([0.0, 2 * math.pi / 3, -2 * math.pi / 3])[None, :, None, None]
    return torch.cos(hue[:, None] - thirds)


def tinted(brightness: Tensor, hue: Tensor, saturation: Tensor | float) -> Tensor:
    """A colour [faces, 3, 1, 1] whose channels' mean is exactly `brightness`, and that needs no clipping."""
    room = torch.minimum(brightness, 1 - brightness) * saturation
    return brightness[:, None] + room[:, None] * hue_direction(hue)


def degrees(angle: Tensor) -> Tensor:
    """Rad."""
    return angle * (math.pi / 180)


@dataclass(frozen=True)
class Turned:
    """Where a point of the face is when the head has turned, and how narrow things are there."""

    x: Tensor
    squeeze: Tensor


def turned(p: Named, x: Tensor | float, bulge: float = 1.0) -> Turned:
    """The place of what is at `x` on the face seen from the front; a nose bulges out, so it goes farther."""
    radius = p["face_width"] * 1.08
    angle = torch.asin((torch.zeros_like(radius) + x).div(radius).clamp(-0.95, 0.95))
    after = angle + TURN * p["yaw"]
    return Turned(radius * bulge * after.sin(), after.cos() / angle.cos())


def shaded(colour: Tensor, shade: Tensor) -> Tensor:
    """`colour` [faces, 3, 1, 1] times `shade` [faces, rows, columns]."""
    return colour * shade[:, None]


def rim(distance: Tensor, width: float = RIM, depth: float = 0.25) -> Tensor:
    """1 inside a shape, down to 1 - depth at its edge: the drawn outline of a cartoon."""
    return 1 - depth * smoothstep(distance, -2.2 * width, 0.0)


def skin_colour(p: Named) -> Tensor:
    """Between light, warm tan and dark, [faces, 3, 1, 1]."""
    tone = p["skin_tone"].clamp(0, 1)
    warm = (p["skin_warmth"] - 0.5) * 0.05
    light, tan, dark = (0.992, 0.878, 0.812), (0.88, 0.68, 0.55), (0.55, 0.37, 0.29)
    first, second = (tone * 2).clamp(0, 1), (tone * 2 - 1).clamp(0, 1)
    mix = [a + (b - a) * first + (c - b) * second for a, b, c in zip(light, tan, dark, strict=True)]
    return rgb(mix[0] - 0.2 * warm.abs(), mix[1] - 0.3 * warm, mix[2] - warm, like=tone)


def hair_hue(p: Named) -> tuple[Tensor, Tensor]:
    """Hue (rad) and saturation: browns and blondes, and beyond one standard deviation pink to violet."""
    z = p["hair_hue"]
    fancy = (z - 1.0).clamp_min(0)
    hue = 27 - 7 * z.clamp(-1, 1) - 75 * fancy
    return degrees(hue), (p["hair_saturation"] + 0.35 * fancy).clamp(0, 0.95)


def layers(p: Named, grid: Grid) -> Iterator[Layer]:
    """Everything there is to see, back to front; `p` holds every property and trait by name."""
    yield background(p, grid)
    yield from back_hair(p, grid)
    yield from body(p, grid)
    yield from face(p, grid)
    for side in SIDES:
        yield from eye(p, grid, side)
        yield from brow(p, grid, side)
    yield from nose(p, grid)
    yield from mouth(p, grid)
    yield from glasses(p, grid)
    yield from front_hair(p, grid)


def background(p: Named, grid: Grid) -> Layer:
    """A wallpaper of stripes or blobs with the mean and the standard deviation that are asked for.

    Both hold over the part of the picture where a background is usually seen (beside the head, upper half):
    a fixed part, so that another expression of the same person leaves every background pixel as it was.
    """
    x, y = grid.axis(0, grid.size)[None, None, :], grid.axis(0, grid.size)[None, :, None]
    angle, frequency, phase = p["texture_angle"], p["texture_frequency"], p["texture_phase"]
    along, across = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    first = torch.sin(frequency * along + phase)
    blobs = first * torch.sin(frequency * across + 0.7 * phase + 1.0)
    blend = torch.sigmoid(4 * p["texture_blend"])
    pattern = torch.tanh(p["texture_sharpness"] * 1.8 * torch.lerp(first, blobs * 1.6, blend))
    pattern = pattern + 0.35 * y - 0.25 * x  # a slope, so that no stripe stands alone
    seen = ((y < 0) & ((x / 0.72) ** 2 + ((y - 0.1) / 0.98) ** 2 > 1)).to(x.dtype)
    count = seen.sum()
    pattern = pattern - (pattern * seen).sum((1, 2), keepdim=True) / count
    deviation = ((pattern * pattern * seen).sum((1, 2), keepdim=True) / count).sqrt()
    limit = p["clip_at"]
    value = p["background_mean"] + p["background_std"] * (pattern / deviation).clamp(-limit, limit)
    saturation = p["background_saturation"].clamp(0, 0.8)
    room = torch.minimum(p["background_mean"], 1 - p["background_mean"]) - p["background_std"] * limit
    tint = (saturation * 0.5 * room.clamp_min(0))[:, None] * hue_direction(p["background_hue"] * 1.8 + 3.6)
    everywhere = torch.full((1, grid.size, grid.size), -1.0, device=grid.device)
    return Layer(grid.everything, everywhere, value[:, None] + tint, classes.BACKGROUND)


def strands(p: Named, across: Tensor, shine: Tensor) -> Tensor:
    """Colour of hair [faces, 3, rows, columns]: strands along lines of equal `across`, and a band of shine.

    Strands and shine leave the mean where hair_colour puts it.
    """
    brightness = p["hair_colour"]
    hue, saturation = hair_hue(p)
    room = torch.minimum(brightness, 1 - brightness)
    relief = 0.10 * torch.sin(34 * across) + 0.07 * torch.sin(61 * across + 2.0) + 0.75 * shine - 0.05
    value = brightness + room * relief.clamp(-0.4, 0.6)
    # The tint gives way where shine leaves less room; its three channels still sum to nothing.
    chroma = torch.minimum(value, 1 - value) * saturation
    return value[:, None] + chroma[:, None] * hue_direction(hue)


def dome(p: Named, x: Tensor, y: Tensor) -> Tensor:
    """Distance to the hair's outline on the head."""
    volume = p["hair_volume"]
    side = 0.03 * p["yaw"]
    return ellipse(x + side, y + 0.10, p["face_width"] + 0.105 + volume, 0.72 + volume)


def hanging(p: Named, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Waved x, outer half-width and end of the hair that hangs, in the body frame."""
    end = 0.22 + 0.82 * p["hair_length"]
    wave = p["curl"].clamp(0, 1.2) * 0.035 * smoothstep(y, 0.0, 0.5)
    waved = x + wave * torch.sin(11 * y + torch.sign(x) * 0.9)
    outer = p["face_width"] + 0.115 + p["hair_volume"] + 0.05 * smoothstep(y, 0.1, 0.8)
    taper = 0.13 * smoothstep((y - end) / 0.45, -1.0, 0.0)
    return waved, outer - taper, end


def back_hair(p: Named, grid: Grid) -> Iterator[Layer]:
    """The dome behind the head and what hangs behind neck and shoulders."""
    window = grid.everything
    x, y = grid.body(window, p)
    hx, hy = grid.head(window, p)
    waved, outer, end = hanging(p, x, y)
    tips = end - 0.03 + 0.025 * zigzag(waved * 7) - SLANT * (outer - waved.abs())
    cut = above(y, tips, SLANT)
    curtain = intersection(waved.abs() - outer, -0.1 - y)
    distance = intersection(smooth_union(dome(p, hx, hy), curtain, 0.06), cut)
    # The nape is in the head's shadow, but the mean of all hair has to stay: only a little.
    colour = strands(p, waved * 1.2, -0.12 * bump(waved, 0.3))
    yield Layer(window, distance, colour * rim(distance, depth=0.06)[:, None], classes.HAIR)


def body(p: Named, grid: Grid) -> Iterator[Layer]:
    """Neck, shoulders and a collar; all of them background to the label map."""
    window = grid.everything
    x, y = grid.body(window, p)
    skin = skin_colour(p)
    lean = x + p["roll"].sin() * 0.42 * (1 - y)
    width = 0.165 + 0.25 * (p["shoulders"] - 0.7) + 0.10 * smoothstep(y, 0.78, 1.05)
    neck = intersection(lean.abs() - width, 0.3 - y)
    shadow = 1 - 0.20 * smoothstep(y - 0.3 * lean * p["roll"], 0.92, 0.66)
    neck_skin = skin * skin.new_tensor([1.0, 0.95, 0.93])[None, :, None, None]
    yield Layer(window, neck, shaded(neck_skin, shadow * rim(neck, depth=0.15)), classes.BACKGROUND)
    shoulders = ellipse(x, y - 1.12, p["shoulders"], 0.40)
    opening = ellipse(x, y - 0.68, 0.25, 0.19)
    clothes = intersection(shoulders, -opening)
    brightness = p["clothes_brightness"].clamp(0.12, 0.92)
    cloth = tinted(brightness, p["clothes_hue"] * 1.9 + 4.0, 0.55)
    yield Layer(window, clothes, shaded(cloth, rim(clothes, depth=0.2)), classes.BACKGROUND)
    trim = intersection(clothes, opening.abs() - 0.022)
    yield Layer(window, trim, torch.lerp(cloth, torch.ones_like(cloth), 0.55), None)


def face_outline(p: Named, x: Tensor, y: Tensor) -> Tensor:
    """Distance to skull and jaw: an egg whose lower half narrows, both turning with the head."""
    below = (y - CHIN_START).clamp_min(0) / (p["chin"] - CHIN_START)
    narrow = p["face_width"] * (1 - p["jaw"] * below.clamp_max(1.2) ** 2.2)
    height = torch.where(y > CHIN_START, p["chin"] - CHIN_START, torch.full_like(p["chin"], SKULL))
    turn = p["yaw"].sin() * (0.15 + 0.13 * below.clamp_max(1.2) ** 2)
    return ellipse(x - turn, y - CHIN_START, narrow, height)


def face(p: Named, grid: Grid) -> Iterator[Layer]:
    """Ears, the face itself with blush, freckles and the fringe's shadow."""
    skin = skin_colour(p)
    for side in SIDES:
        # The ear on the side she turns to goes behind the cheek, the other one comes forward with it.
        ear_x = side * (p["face_width"] - 0.12 * torch.relu(side * p["yaw"])) + 0.17 * p["yaw"]
        window = grid.around(ear_x, 0.10, 0.2, p)
        x, y = grid.head(window, p)
        ear = ellipse(x - ear_x, y - 0.10, 0.062, 0.115)
        inner = 1 - 0.12 * bump(torch.hypot(x - ear_x, (y - 0.10) * 0.6), 0.028)
        yield Layer(window, ear, shaded(skin, rim(ear, depth=0.22) * inner), classes.BACKGROUND)
    window = grid.everything
    x, y = grid.head(window, p)
    distance = face_outline(p, x, y)
    cast = front_hair_distance(p, x, y - 0.045)
    light = 1 + 0.05 * p["light"] * x / 0.5
    shade = light * rim(distance, 0.014, 0.14) * (1 - 0.10 * smoothstep(cast, 0.03, -0.02))
    colour = shaded(skin, shade)
    pink = skin.new_tensor([0.0, -0.20, -0.14])[None, :, None, None]
    for side in SIDES:
        cheek = turned(p, side * p["eye_distance"] * 1.28)
        glow = bump((x - cheek.x) / cheek.squeeze.clamp_min(0.4), 0.085) * bump(y - 0.235, 0.05)
        colour = colour + (p["blush"].clamp(0, 1.2) * glow)[:, None] * pink
    yield Layer(window, distance, colour.clamp(0, 1), classes.SKIN)
    spots = smoothstep(p["freckles"], 0.0, 0.3)
    if bool((spots > 0).any()):
        brown = skin * skin.new_tensor([0.78, 0.62, 0.52])[None, :, None, None]
        for column, row in ((-0.27, 0.21), (-0.21, 0.25), (-0.16, 0.20), (-0.24, 0.30), (0.15, 0.24)):
            for sign in SIDES:
                spot = turned(p, sign * column)
                place = grid.around(spot.x, row, 0.04, p)
                sx, sy = grid.head(place, p)
                dot = ellipse((sx - spot.x) / spot.squeeze.clamp_min(0.4), sy - row, 0.013, 0.013)
                yield Layer(place, dot, brown, None, 0.7 * spots)


def eye(p: Named, grid: Grid, side: float) -> Iterator[Layer]:
    """White, iris, pupil, highlights, lid line and lashes.

    The class is what lies between the lids and the lid line, so a closed eye still has its line.
    """
    place = turned(p, side * p["eye_distance"])
    squeeze = place.squeeze.clamp_min(0.4)
    window = grid.around(place.x, EYE_LINE, 0.30, p)
    x, y = grid.head(window, p)
    out = side * (x - place.x) / squeeze  # outwards
    down = y - EYE_LINE + p["eye_tilt"] * out
    width, height, opening = p["eye_width"], p["eye_height"], p["eyes"]
    arch = (1 - (out / width) ** 2).clamp_min(0)
    highest, lowest = -1.08 * height * arch**0.62, 0.86 * height * arch**0.8
    bottom = lowest * (0.72 + 0.28 * opening)
    top = torch.lerp(bottom, highest, opening)
    beyond = (out.abs() - width).clamp_min(0)
    between = intersection(top - down, down - bottom) * 0.9 + beyond
    thick = (0.013 + 0.007 * p["lashes"]) * (0.45 + 0.55 * smoothstep(out / width, -1.0, 0.5))
    line = torch.hypot((down - top) * 0.9, beyond) - thick
    dark = rgb(0.17, 0.11, 0.12, like=width)

    white = rgb(0.975, 0.965, 0.975, like=width)
    lid_shadow = 1 - 0.22 * smoothstep(down - top, 0.075, 0.0)
    yield Layer(
        window,
        union(between, line),
        shaded(white, lid_shadow),
        classes.LEFT_EYE if side < 0 else classes.RIGHT_EYE,
    )
    look = side * 0.10 * p["yaw"] * width - 0.008
    ix, iy = out - look, down - 0.002
    iris = ellipse(ix, iy, 0.092, 0.108)
    z = p["iris_hue"]
    colour = tinted(p["iris_brightness"].clamp(0.15, 0.6), degrees(26 + 9 * z**3), 0.62)
    glow = 0.50 + 1.05 * smoothstep(iy, -0.07, 0.10)
    ring = 1 - 0.45 * smoothstep(iris, -0.022, 0.0)
    yield Layer(window, intersection(iris, between), shaded(colour, glow * ring).clamp(0, 1))
    pupil = ellipse(ix, iy, 0.043, 0.052)
    yield Layer(window, intersection(pupil, between), dark * 0.6)
    gleam = rgb(1.0, 1.0, 1.0, like=width)
    hx = ix * side  # highlights come from one side of the room, not mirrored
    yield Layer(
        window, intersection(ellipse(hx + 0.032, iy + 0.042, 0.027, 0.030), between), gleam, None, 0.95
    )
    yield Layer(
        window, intersection(ellipse(hx - 0.036, iy - 0.046, 0.014, 0.014), between), gleam, None, 0.75
    )
    yield Layer(window, line, dark)
    # The wing at the outer corner and a crease above: drawn over skin, and skin to the label map.
    corner = torch.lerp(0.10 * torch.ones_like(opening), torch.zeros_like(opening), opening) * height
    reach = 0.018 + 0.028 * p["lashes"]
    wx, wy = out - width * 0.97, down - corner + 0.55 * (out - width)
    wing = stroke(wx - reach / 2, wy, reach / 2, 0.011 * (1.3 - smoothstep(wx, 0.0, 0.06)))
    yield Layer(window, wing, dark, None, p["lashes"].clamp(0, 1))
    crease_at = torch.lerp(lowest * 0.2 - 0.03, highest - 0.036, 0.35 + 0.65 * opening)
    crease = torch.hypot((down - crease_at) * 0.9, (out.abs() - width * 0.72).clamp_min(0)) - 0.006
    yield Layer(window, crease, skin_colour(p) * 0.66, None, 0.55)
    under = (
        torch.hypot((down - bottom) * 0.9, (out - width * 0.25).abs().sub(width * 0.55).clamp_min(0)) - 0.005
    )
    yield Layer(window, under, skin_colour(p) * 0.5, None, 0.5 * opening.clamp(0.2, 1))


def brow(p: Named, grid: Grid, side: float) -> Iterator[Layer]:
    """An arched stroke, thinner outwards; wide eyes lift it."""
    place = turned(p, side * (p["eye_distance"] + 0.005))
    squeeze = place.squeeze.clamp_min(0.4)
    row = EYE_LINE - p["brow_height"] - 0.035 * (p["eyes"] - 0.5)
    window = grid.around(place.x, row, 0.24, p)
    x, y = grid.head(window, p)
    out = side * (x - place.x) / squeeze
    curve = row + 1.1 * (out - 0.02) ** 2 - p["brow_tilt"] * out
    thick = p["brow_thickness"] * (1 - 0.55 * smoothstep(out, -0.02, 0.15))
    distance = torch.hypot((out.abs() - 0.135).clamp_min(0), (y - curve) * 0.95) - thick
    hue, saturation = hair_hue(p)
    brightness = 0.10 + 0.42 * p["hair_colour"]
    yield Layer(
        window,
        distance,
        tinted(brightness, hue, saturation * 0.8),
        classes.LEFT_BROW if side < 0 else classes.RIGHT_BROW,
    )


def nose(p: Named, grid: Grid) -> Iterator[Layer]:
    """A slender drop from between the eyes to the tip: light on the ridge, shade beside and below it."""
    tip = turned(p, 0.0, bulge=1.22)
    root = turned(p, 0.0, bulge=0.98)
    length, width = p["nose_length"], p["nose_width"]
    window = grid.around((tip.x + root.x) / 2, NOSE_LINE - 0.1, 0.27, p)
    x, y = grid.head(window, p)
    along = ((y - NOSE_LINE + length) / length).clamp(-0.2, 1.3)  # 0 at the root, 1 at the tip
    ridge = torch.lerp(root.x, tip.x, along.clamp(0, 1))
    slender = width * (0.30 + 0.70 * smoothstep(along, 0.35, 0.95))
    bridge = intersection((x - ridge).abs() - slender, NOSE_LINE - length - y, y - NOSE_LINE)
    ball = ellipse(x - tip.x, y - NOSE_LINE, width, 0.036)
    distance = smooth_union(bridge, ball, 0.03)
    skin = skin_colour(p)
    across = (x - ridge) / width
    from_light = torch.where(p["light"] + p["yaw"] * 0.8 > 0, -across, across)
    shade = 1 - 0.09 * smoothstep(from_light, 0.0, 0.8) - 0.05
    shade = shade + 0.13 * bump(across + 0.1, 0.35) * bump(along - 0.88, 0.10)
    shade = shade - 0.14 * smoothstep(y - NOSE_LINE, 0.006, 0.034)
    colour = shaded(skin, shade) * skin.new_tensor([1.0, 0.965, 0.955])[None, :, None, None]
    yield Layer(window, distance, colour.clamp(0, 1), classes.NOSE)
    for side in SIDES:
        nostril = ellipse(x - tip.x - side * width * 0.52, y - NOSE_LINE - 0.024, 0.013, 0.007)
        yield Layer(window, nostril, skin * 0.55, None, 0.6)


def mouth(p: Named, grid: Grid) -> Iterator[Layer]:
    """Lips around an opening with teeth and tongue.

    The gap grows faster than the opening, so that the inner mouth's share of the whole (the score) grows
    evenly.
    """
    place = turned(p, 0.0, bulge=1.06)
    squeeze = place.squeeze.clamp_min(0.4)
    window = grid.around(place.x, MOUTH_LINE + 0.05, 0.27, p)
    x, y = grid.head(window, p)
    opening, lip = p["mouth"], p["lip_height"]
    half = p["mouth_width"] * (1 - 0.10 * opening)
    across = (x - place.x) / squeeze / half
    arch = (1 - across**2).clamp_min(0)
    beyond = (across.abs() - 1).clamp_min(0) * half
    rest = y - MOUTH_LINE + p["smile"] * across.clamp(-1.2, 1.2) ** 2 - p["smile"] * 0.4
    share = 0.74 * opening
    gap = 1.9 * lip * share / (1 - share)
    inner_top, inner_bottom = -0.28 * gap * arch**0.7, 0.72 * gap * arch**0.7
    bow = 1 - 0.30 * bump(across, 0.16) + 0.18 * bump(across.abs() - 0.30, 0.16)
    upper_top = inner_top - lip * 0.80 * arch**0.85 * bow
    lower_bottom = inner_bottom + lip * 1.15 * arch**0.65
    upper = intersection(upper_top - rest, rest - inner_top) * 0.9 + beyond
    inner = intersection(inner_top - rest, rest - inner_bottom) * 0.9 + beyond
    lower = intersection(inner_bottom - rest, rest - lower_bottom) * 0.9 + beyond
    whole = intersection(upper_top - rest, rest - lower_bottom) * 0.9 + beyond
    red = p["lip_redness"].clamp(0, 1)
    colour = skin_colour(p) * (rgb(0.97 - 0.06 * red, 0.80 - 0.32 * red, 0.80 - 0.24 * red, like=red))
    yield Layer(window, lower, colour * 1.0, classes.LOWER_LIP)
    yield Layer(window, upper, colour * 0.90, classes.UPPER_LIP)
    shine = ellipse(across * half, rest - inner_bottom - lip * 0.5, half * 0.30, lip * 0.16)
    yield Layer(
        window, intersection(shine, lower), torch.lerp(colour, torch.ones_like(colour), 0.6), None, 0.55
    )
    yield Layer(window, inner, rgb(0.42, 0.12, 0.15, like=red), classes.INNER_MOUTH)
    tongue = ellipse(across * half, rest - 0.72 * gap, half * 0.62, 0.42 * gap + 1e-3)
    yield Layer(window, intersection(tongue, inner), rgb(0.86, 0.42, 0.45, like=red))
    teeth = intersection(
        rest + 0.28 * gap - (0.035 + 0.12 * gap), across.abs() * half - half * 0.82, inner + 0.004
    )
    seen = smoothstep(gap, 0.03, 0.07)
    yield Layer(window, teeth, rgb(0.985, 0.98, 0.965, like=red), None, seen)
    parting = torch.hypot(rest - torch.lerp(inner_top, inner_bottom, 0.0), beyond) - 0.006
    yield Layer(window, intersection(parting, whole - 0.004), colour * 0.55, None, 0.9 * (1 - seen))
    for side in SIDES:
        corner = ellipse(across * half - side * half, rest, 0.012, 0.010)
        yield Layer(window, corner, colour * 0.6, None, 0.55)


def glasses(p: Named, grid: Grid) -> Iterator[Layer]:
    """Two round rims, a bridge; labels under them stay."""
    worn = (p["glasses"] > 0).to(p["glasses"].dtype)
    if not bool(worn.any()):
        return
    colour = rgb(0.20, 0.15, 0.18, like=worn)
    for side in SIDES:
        place = turned(p, side * p["eye_distance"] * 1.02)
        window = grid.around(place.x, EYE_LINE + 0.02, 0.36, p)
        x, y = grid.head(window, p)
        across = (x - place.x) / place.squeeze.clamp_min(0.4)
        lens = ellipse(across, y - EYE_LINE - 0.02, 0.19, 0.165)
        yield Layer(window, lens, rgb(0.95, 0.98, 1.0, like=worn), None, 0.10 * worn)
        yield Layer(window, lens.abs() - 0.009, colour, None, worn)
    middle = turned(p, 0.0, bulge=1.05)
    window = grid.around(middle.x, EYE_LINE, 0.12, p)
    x, y = grid.head(window, p)
    across = (x - middle.x) / middle.squeeze
    bridge = stroke(across, y - EYE_LINE + 0.012 + 1.2 * (0.002 - across**2), 0.044, 0.009)
    yield Layer(window, bridge, colour, None, worn)


def front_hair_distance(p: Named, x: Tensor, y: Tensor) -> Tensor:
    """Distance to fringe and temples in the head frame: the dome, less the opening for the face."""
    centre = 0.17 * p["yaw"].sin()
    part = p["parting"].clamp(-0.28, 0.28) + 0.30 * p["yaw"].sin()
    full = p["fringe"].clamp(0, 1)
    reach = p["face_width"] + torch.sign(x - part) * (centre - part)  # from the parting to that temple
    far = ((x - part) / reach).abs()
    parted = -0.50 + 0.22 * far + 0.9 * torch.relu(far - 0.72)
    bangs = -0.165 - 0.035 * bump(x - part, 0.10) + 0.9 * torch.relu(far - 0.80)
    bangs = bangs + 0.020 * zigzag((x - part) * 4.6 + 0.35)
    edge = torch.lerp(parted, bangs, full)
    # The temples' hair narrows downwards until what hangs, in the body frame, takes over.
    temples = (p["face_width"] * 0.93 + 0.16 * smoothstep(y, -0.06, 0.26) - (x - centre).abs()) * 0.9
    fringe = above(y, edge, 0.8)
    return intersection(dome(p, x, y), union(fringe, temples))


def front_hair(p: Named, grid: Grid) -> Iterator[Layer]:
    """Locks over the shoulders, then the fringe with its band of shine."""
    window = grid.everything
    bx, by = grid.body(window, p)
    waved, outer, end = hanging(p, bx, by)
    inner = p["face_width"] * torch.lerp(
        torch.full_like(by, 1.26), torch.full_like(by, 0.80), smoothstep(by, -0.15, 0.5)
    )
    tips = end - 0.05 + 0.03 * zigzag(waved * 9 + 0.3) - SLANT * (outer - waved.abs())
    lock = intersection(waved.abs() - outer, inner - waved.abs(), above(by, tips, SLANT), -by)
    colour = strands(p, waved * 1.3, 0.10 * bump(by - 0.45, 0.10) - 0.05)
    yield Layer(window, lock, colour * rim(lock, depth=0.10)[:, None], classes.HAIR)
    x, y = grid.head(window, p)
    distance = front_hair_distance(p, x, y)
    part = p["parting"].clamp(-0.28, 0.28) + 0.30 * p["yaw"].sin()
    fan = torch.atan2(x - part * 0.6, y + 1.05) * 0.9
    height = torch.hypot((x - 0.2 * p["yaw"]) * 0.62, y + 0.02)
    shine = 0.6 * bump(height - 0.50 - 0.012 * torch.sin(40 * fan), 0.045) - 0.08
    yield Layer(window, distance, strands(p, fan, shine) * rim(distance, depth=0.12)[:, None], classes.HAIR)
