"""Many small images in one picture: in rows, or numbered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

from ohlora.datasets.pictures import to_picture

GAP = 2  # pixels between images
CAPTION = 14  # pixels under an image, for its number


def save_rows(rows: Sequence[Tensor], path: Path) -> None:
    """A PNG with a row of uint8 images [n, 3, side, side] each."""
    side = rows[0].shape[-1] + GAP
    sheet = Image.new("RGB", (side * max(map(len, rows)), side * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            sheet.paste(to_picture(image), (x * side, y * side))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def save_numbered(images: Tensor, path: Path, columns: int = 10) -> None:
    """A PNG of uint8 images [n, 3, side, side], each with its number under it, from 0."""
    side = images.shape[-1]
    width, height = side + GAP, side + CAPTION
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (width * min(columns, len(images)), height * rows), "white")
    draw = ImageDraw.Draw(sheet)
    for number, image in enumerate(images):
        x, y = number % columns * width, number // columns * height
        sheet.paste(to_picture(image), (x, y))
        draw.text((x + side // 2, y + side + CAPTION // 2), str(number), fill="black", anchor="mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
