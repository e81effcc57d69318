"""Rows of images in one picture."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from torch import Tensor

from ohlora.datasets.pictures import to_picture


def save_rows(rows: list[Tensor], path: Path, gap: int = 2) -> None:
    """A PNG with a row of uint8 images [n, 3, side, side] each."""
    side = rows[0].shape[-1] + gap
    sheet = Image.new("RGB", (side * max(map(len, rows)), side * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            sheet.paste(to_picture(image), (x * side, y * side))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
