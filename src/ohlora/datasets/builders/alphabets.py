"""Handwritten characters by alphabet (B. Lake, Omniglot): the alphabet is the class."""

from __future__ import annotations

from pathlib import Path

from ohlora.datasets.builders.build import Arrays
from ohlora.datasets.builders.own_images import divided_zip

VERSION = 1
TITLE = "alphabets"
CLASSES = (
    "Balinese", "Early_Aramaic", "Greek", "Japanese_(katakana)", "Korean", "Latin", "Sanskrit", "Tagalog",
)  # fmt: skip
SIDE = 48


def build(data_dir: Path) -> tuple[Arrays, Arrays]:
    return divided_zip(TITLE, CLASSES, data_dir / "own_images" / "omniglot_alphabets.zip", "L", SIDE)
