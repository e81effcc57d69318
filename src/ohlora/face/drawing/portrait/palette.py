"""Colours of a person: skin, hair, lips, irises, clothes; each R, G and B from 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ohlora.face.drawing.portrait.scene import Colour, Gradient

Named = Mapping[str, float]
DARK: Colour = (0.17, 0.10, 0.11)  # lashes, lid lines
WHITE: Colour = (1.0, 1.0, 1.0)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    a, b = first, second
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


def times(colour: Colour, red: float, green: float | None = None, blue: float | None = None) -> Colour:
    """A colour with its channels scaled, alike where one factor is given."""
    factors = (red, red if green is None else green, red if blue is None else blue)
    return (
        min(colour[0] * factors[0], 1.0),
        min(colour[1] * factors[1], 1.0),
        min(colour[2] * factors[2], 1.0),
    )


def tinted(brightness: float, hue: float, saturation: float) -> Colour:
    """A colour whose channels' mean is exactly `brightness`; hue in rad."""
    room = min(brightness, 1 - brightness) * saturation
    third = 2 * math.pi / 3
    return (
        brightness + room * math.cos(hue),
        brightness + room * math.cos(hue - third),
        brightness + room * math.cos(hue + third),
    )


def skin(p: Named) -> Colour:
    """Between light, warm tan and dark."""
    tone = min(max(p["skin_tone"], 0.0), 1.0)
    warm = (p["skin_warmth"] - 0.5) * 0.05
    light, tan, dark = (1.0, 0.894, 0.842), (0.89, 0.69, 0.56), (0.55, 0.37, 0.29)
    colour = mix(light, tan, tone * 2) if tone < 0.5 else mix(tan, dark, tone * 2 - 1)
    return (colour[0] - 0.2 * abs(warm), colour[1] - 0.3 * warm, colour[2] - warm)


def skin_shadow(p: Named) -> Colour:
    return times(skin(p), 0.86, 0.72, 0.70)


def hair_hue(p: Named) -> tuple[float, float]:
    """Hue (rad) and saturation: browns and blondes, and beyond one standard deviation pink to violet."""
    z = p["hair_hue"]
    fancy = max(z - 1.0, 0.0)
    hue = 24 - 7 * min(max(z, -1.0), 1.0) - 75 * fancy
    return math.radians(hue), min(max(p["hair_saturation"] + 0.35 * fancy, 0.0), 0.95)


def hair(p: Named) -> Colour:
    hue, saturation = hair_hue(p)
    return tinted(p["hair_colour"], hue, saturation)


def hair_shade(p: Named) -> Colour:
    """Hair where it lies in shadow, and the lines between strands."""
    hue, saturation = hair_hue(p)
    return tinted(p["hair_colour"] * 0.62, hue - 0.08, min(saturation * 1.1, 0.95))


def hair_light(p: Named) -> Colour:
    """Hair where it shines."""
    hue, saturation = hair_hue(p)
    bright = p["hair_colour"] + (1 - p["hair_colour"]) * 0.30
    return tinted(bright, hue + 0.05, saturation * 0.75)


def brow(p: Named) -> Colour:
    hue, saturation = hair_hue(p)
    return tinted(0.13 + 0.42 * p["hair_colour"], hue, saturation * 0.8)


def lips(p: Named) -> Colour:
    red = min(max(p["lip_redness"], 0.0), 1.0)
    return times(skin(p), 0.97 - 0.06 * red, 0.78 - 0.32 * red, 0.80 - 0.26 * red)


def iris(p: Named) -> Colour:
    z = p["iris_hue"]
    return tinted(min(max(p["iris_brightness"], 0.15), 0.6), math.radians(26 + 9 * z**3), 0.62)


def cloth(p: Named) -> Colour:
    brightness = min(max(p["clothes_brightness"], 0.12), 0.92)
    return tinted(brightness, p["clothes_hue"] * 1.9 + 4.0, 0.5)


def glow(place: tuple[float, ...], colour: Colour, strength: float) -> Gradient:
    """A spot that fades out, as soft as a bell."""
    fades = tuple((at, colour, strength * share) for at, share in FALL)
    return Gradient("radial", place, fades)


FALL = tuple((step / 6, (0.5 + 0.5 * math.cos(math.pi * step / 6)) ** 1.2) for step in range(7))
