"""Words on pictures in any script: a font that has the letters where one is found, else other letters.

Pillow draws an empty box for a letter its font lacks. Class names come in Korean, with accents, with emoji.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any, cast

from PIL import ImageDraw, ImageFont

# Looked for by name in the system's font folders: Windows, macOS, Linux.
SYSTEM_FONTS = (
    "malgun.ttf", "AppleSDGothicNeo.ttc", "AppleGothic.ttf", "NotoSansCJK-Regular.ttc",
    "NotoSansKR-Regular.ttf", "NotoSansKR-Regular.otf", "NanumGothic.ttf", "UnDotum.ttf",
    "msgothic.ttc", "msyh.ttc", "YuGothR.ttc", "Hiragino Sans GB.ttc", "PingFang.ttc", "wqy-microhei.ttc",
    "NotoSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf", "seguisym.ttf", "seguiemj.ttf",
    "NotoEmoji-Regular.ttf", "Symbola.ttf", "FreeSans.ttf",
)  # fmt: skip
# Revised Romanization of Korean, a syllable at a time.
INITIALS = "g kk n d tt r m b pp s ss  j jj ch k t p h".split(" ")  # noqa: SIM905
VOWELS = "a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i".split()  # noqa: SIM905
FINALS = " k k k n n n t l k m l l l p l m p p t t ng t t k t p t".split(" ")  # noqa: SIM905


@cache
def fonts(size: int) -> list[ImageFont.FreeTypeFont]:
    """Pillow's own font, DejaVu Sans, which comes with matplotlib, and those of the system."""
    found = [ImageFont.load_default(size)]
    spec = find_spec("matplotlib")
    own = (
        [Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"]
        if spec and spec.origin
        else []
    )
    for name in (*own, *SYSTEM_FONTS):
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:
            continue
    return [font for font in found if isinstance(font, ImageFont.FreeTypeFont)]


@cache
def font_of(letter: str, size: int) -> ImageFont.FreeTypeFont | None:
    """The first font that has a letter; None where none has, or it is a colour picture Pillow cannot size."""
    for font in fonts(size):
        if has(font, letter):
            return font
    return None


def has(font: ImageFont.FreeTypeFont, letter: str) -> bool:
    """Whether a font draws a letter otherwise than the box it draws for letters it lacks."""
    if letter.isspace():
        return True
    shape, box = (cast(Any, font.getmask(c)) for c in (letter, "\U0010fffd"))  # the last is in no font
    return bool(shape.getbbox()) and (shape.size != box.size or bytes(shape) != bytes(box))


def in_other_letters(letter: str) -> str:
    """A letter that no font here has, in Latin letters: `고` as go, `🐱` as [cat face], `é` as e."""
    place = ord(letter) - 0xAC00
    if 0 <= place < 11172:
        return INITIALS[place // 588] + VOWELS[place % 588 // 28] + FINALS[place % 28]
    plain = "".join(c for c in unicodedata.normalize("NFKD", letter) if c.isascii())
    if plain:
        return plain
    if unicodedata.category(letter).startswith("M") or unicodedata.category(letter) == "Cf":
        return ""  # an accent, a joiner: nothing by itself
    name = unicodedata.name(letter, f"U+{ord(letter):04X}").lower()
    if " letter " in name:  # hiragana letter ka
        return name.rsplit(" letter ", 1)[1].split(" ")[-1]
    return f"[{name.removeprefix('cjk unified ideograph-')}]"


def runs(words: str, size: int) -> Iterator[tuple[str, ImageFont.FreeTypeFont]]:
    """The words in pieces, each with a font that has all of its letters."""
    letters: list[tuple[str, ImageFont.FreeTypeFont]] = []
    base = fonts(size)[0]
    for letter in unicodedata.normalize("NFC", words):
        if font := font_of(letter, size):
            letters.append((letter, font))
        else:
            letters += [(c, base) for c in in_other_letters(letter)]
    for _, piece in groupby(letters, key=lambda pair: id(pair[1])):
        pairs = list(piece)
        yield "".join(letter for letter, _ in pairs), pairs[0][1]


def width(words: str, size: int) -> float:
    """Pixels that `write` takes."""
    return sum(font.getlength(piece) for piece, font in runs(words, size))


def write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    words: str,
    colour: str | tuple[int, int, int],
    size: int = 13,
    most: float | None = None,
    anchor: str = "la",
) -> None:
    """Put one line on a picture, its left end at `place` (Pillow's `anchor`), cut to `most` pixels."""
    if most is not None and width(words, size) > most:
        while words and width(words + "...", size) > most:
            words = words[:-1]
        words += "..."
    x, y = place
    for piece, font in runs(words, size):
        draw.text((x, y), piece, fill=colour, font=font, anchor=anchor)
        x += font.getlength(piece)


def drawable(words: str) -> str:
    """The words for a plot whose fonts are matplotlib's: other letters for those DejaVu Sans lacks."""
    font = next((f for f in fonts(12) if f.getname()[0] == "DejaVu Sans"), fonts(12)[0])
    return "".join(
        c if has(font, c) else in_other_letters(c) for c in unicodedata.normalize("NFC", words)
    ).replace("$", r"\$")
