"""Ten Hangul syllables that differ in one stroke or two, in Korean fonts."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from ohlora.datasets.builders.build import Arrays, drawn
from ohlora.datasets.builders.strokes import glyph, printed
from ohlora.datasets.readers import DatasetUnavailable
from ohlora.text import printable

VERSION = 1
TITLE = "Hangul syllables"
CLASSES = tuple("가각간나난다단마만바")
PER_CLASS = (700, 300)
SIDE = 28
# As the Debian packages have them; elsewhere their folders stand below `data_dir/fonts`.
PACKAGES = {"fonts-nanum": "nanum", "fonts-unfonts-core": "unfonts-core", "fonts-baekmuk": "baekmuk"}
SYSTEM = Path("/usr/share/fonts/truetype")
FONTS = (
    "nanum/NanumGothic.ttf", "nanum/NanumGothicBold.ttf", "nanum/NanumMyeongjo.ttf",
    "nanum/NanumMyeongjoBold.ttf", "nanum/NanumBarunGothic.ttf", "nanum/NanumSquareR.ttf",
    "nanum/NanumSquareRoundB.ttf", "unfonts-core/UnBatang.ttf", "unfonts-core/UnDotumBold.ttf",
    "unfonts-core/UnGungseo.ttf", "unfonts-core/UnPilgi.ttf", "unfonts-core/UnDinaru.ttf",
    "baekmuk/batang.ttf", "baekmuk/gulim.ttf", "baekmuk/hline.ttf",
)  # fmt: skip


def build(data_dir: Path) -> tuple[Arrays, Arrays]:
    for folder in (data_dir / "fonts", SYSTEM):
        fonts = [folder / name for name in FONTS]
        if all(font.is_file() for font in fonts):
            return drawn("hangul", CLASSES, PER_CLASS, partial(draw, fonts))
    raise DatasetUnavailable(
        f"{TITLE} are drawn in the fonts of the Debian packages {', '.join(PACKAGES)}: install them, or put"
        f" their folders ({', '.join(PACKAGES.values())}) into {printable(data_dir / 'fonts')}"
    )


def draw(fonts: list[Path], label: int, rng: np.random.Generator) -> np.ndarray:
    return printed(glyph(CLASSES[label], fonts, SIDE, rng), rng)
