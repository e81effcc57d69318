"""Ten letters, large or small, in the fonts that Matplotlib brings."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import matplotlib
import numpy as np

from ohlora.datasets.builders.build import Arrays, drawn
from ohlora.datasets.builders.strokes import glyph, printed

VERSION = 1
TITLE = "printed letters"
CLASSES = tuple("abdeghnqrt")
PER_CLASS = (700, 300)
SIDE = 16
FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold",
    "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol",
    "STIXGeneralItalic", "cmr10", "cmb10", "cmss10", "cmtt10", "cmmi10",
)  # fmt: skip


def build(data_dir: Path) -> tuple[Arrays, Arrays]:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = [folder / f"{name}.ttf" for name in FONTS]
    return drawn("letters", CLASSES, PER_CLASS, partial(draw, fonts))


def draw(fonts: list[Path], label: int, rng: np.random.Generator) -> np.ndarray:
    letter = CLASSES[label]
    return printed(glyph(letter.upper() if rng.random() < 0.5 else letter, fonts, SIDE, rng), rng)
