"""Photographed hands that show a digit (A. Mavi, Sign Language Digits Dataset, arXiv:2011.08927)."""

from __future__ import annotations

from pathlib import Path

from ohlora.datasets.builders.build import Arrays
from ohlora.datasets.builders.own_images import divided_zip

VERSION = 1
TITLE = "hand signs"
CLASSES = tuple("0123456789")
SIDE = 64


def build(data_dir: Path) -> tuple[Arrays, Arrays]:
    return divided_zip(TITLE, CLASSES, data_dir / "own_images" / "sign_digits.zip", "RGB", SIDE)
