"""Ten plane shapes in colour, turned, stretched and outlined or filled, on uneven ground."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ohlora.datasets.builders.build import Arrays, drawn
from ohlora.datasets.builders.strokes import FINER, contrasting, photographed, slope

VERSION = 1
TITLE = "drawn shapes"
CLASSES = (
    "circle", "triangle", "square", "pentagon", "hexagon", "star", "cross", "ring", "crescent", "heart",
)  # fmt: skip
PER_CLASS = (700, 300)
SIDE = 32


def build(data_dir: Path) -> tuple[Arrays, Arrays]:
    return drawn("shapes", CLASSES, PER_CLASS, draw)


def draw(label: int, rng: np.random.Generator) -> np.ndarray:
    ground, colour = contrasting(rng, 40, 3)
    image = np.broadcast_to(ground, (SIDE, SIDE, 3)) + slope(SIDE, rng, 40)[:, :, None]
    for _ in range(rng.integers(0, 3)):  # short lines that belong to nothing
        line = ink_of([rng.uniform(-1, 1, (2, 2))], rng, outline=True)
        image = image + (rng.uniform(0, 255, 3) - image) * line[:, :, None]
    ink = ink_of(outlines(CLASSES[label]), rng, outline=bool(rng.random() < 0.4))
    image = image + (colour - image) * ink[:, :, None]
    return photographed(image, rng, 30)


def outlines(name: str) -> list[np.ndarray]:
    """Closed curves around the origin, [points, 2], within the unit circle; what lies in two is outside."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    corners = {"triangle": 3, "square": 4, "pentagon": 5, "hexagon": 6}
    if name in corners:
        return [circle[:: 48 // corners[name]][: corners[name]]] if name != "pentagon" else [regular(5)]
    if name == "circle":
        return [circle]
    if name == "ring":
        return [circle, 0.55 * circle]
    if name == "star":
        return [regular(10) * np.where(np.arange(10) % 2, 0.42, 1)[:, None]]
    if name == "cross":
        arm = np.array([(-0.32, -1), (0.32, -1), (0.32, -0.32)])
        quarter_turn = np.array([(0, 1), (-1, 0)])
        return [np.concatenate([arm @ np.linalg.matrix_power(quarter_turn, k) for k in range(4)])]
    if name == "crescent":
        outer = circle[6:43]
        inner = 0.8 * circle[6:43][::-1] + (0.4, 0)
        return [np.concatenate([outer, inner])]
    heart = np.stack(
        [
            16 * np.sin(angle) ** 3,
            -(13 * np.cos(angle) - 5 * np.cos(2 * angle) - 2 * np.cos(3 * angle) - np.cos(4 * angle)),
        ],
        axis=1,
    )
    return [heart / 17]


def regular(corners: int) -> np.ndarray:
    angle = 2 * np.pi * np.arange(corners) / corners
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def ink_of(curves: list[np.ndarray], rng: np.random.Generator, outline: bool) -> np.ndarray:
    """Curves in a random pose, filled or drawn with a pen: ink 0 to 1, [SIDE, SIDE]."""
    large = SIDE * FINER
    turn, size = rng.uniform(0, 2 * np.pi), rng.uniform(0.22, 0.44) * large
    stretch = np.diag(np.exp(rng.uniform(-0.2, 0.2) * np.array([1, -1])))
    pose = stretch @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * size
    centre = large / 2 + rng.uniform(-0.5, 0.5, 2) * (large / 2 - size)
    pen = int(rng.integers(FINER, 3 * FINER))
    canvas = Image.new("L", (large, large))
    draw = ImageDraw.Draw(canvas)
    for number, curve in enumerate(curves):
        points = [tuple(point) for point in curve @ pose.T + centre]
        if outline:
            draw.line([*points, points[0]], fill=255, width=pen, joint="curve")
        else:
            draw.polygon(points, fill=0 if number else 255)
    return np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=float) / 255
