"""A picture in a terminal: two pixels to a character, an upper half block in the colours of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

UPPER_HALF = "▀"


@dataclass(frozen=True)
class HalfBlocks:
    """A picture `columns` characters wide, or as many as there are; nothing where there are no colours."""

    picture: Image.Image
    columns: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if console.color_system is None or not encodable(console.encoding):
            return
        width = min(self.columns, options.max_width)
        height = 2 * max(1, round(width * self.picture.height / self.picture.width / 2))
        small = self.picture.convert("RGB").resize((width, height), Image.Resampling.BOX)
        pixels = np.asarray(small).tolist()
        for above, below in zip(pixels[::2], pixels[1::2], strict=True):
            for upper, lower in zip(above, below, strict=True):
                yield Segment(UPPER_HALF, Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower)))
            yield Segment.line()


def encodable(encoding: str) -> bool:
    """Whether a terminal of this encoding can show half blocks."""
    try:
        UPPER_HALF.encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True
