"""The result of a match as one picture to share: her face, her line, the scores."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ohlora.battle.result import MatchResult
from ohlora.datasets.lettering import font_of, width, write
from ohlora.durable import replacing
from ohlora.text import printable
from ohlora.web.phrases import phrase, table

SIZE = (1200, 630)  # as social networks show pictures of links
FACE = 360
INK, SOFT, GREEN, VIOLET = (242, 246, 250), (178, 190, 208), (110, 231, 183), (196, 168, 255)
NIGHT, GLOWS = (11, 14, 31), (((150, 0), (40, 150, 120), 520), ((1050, 40), (110, 70, 190), 560))
LEFT = 470  # of the text
WHOLE = "none"  # the family that draws nothing: all images of the dataset


def save_card(result: MatchResult, line: str, face: Path | None, path: Path) -> Path:
    """Write the card; names in it are text from outside, on one line each."""
    card = Image.fromarray(night()).convert("RGB")
    draw = ImageDraw.Draw(card)
    language = result.language
    if face is not None:
        card.paste(rounded(Image.open(face)), (60, 135), rounded_mask())
    best = result.best
    player = phrase(language, "you") if best.contestant == "you" else printable(best.contestant, 40)
    write(draw, (LEFT, 80), printable(title_of(result), 60), SOFT, size=28, most=670)
    write(draw, (LEFT, 118), phrase(language, f"won_{result.outcome}", name=player), INK, size=54, most=670)
    rows = [(phrase(language, "ohlora"), result.ohlora.test_f1, VIOLET), (player, best.test_f1, GREEN)]
    for number, (name, score, colour) in enumerate(rows):
        top = 225 + 92 * number
        write(draw, (LEFT, top), name, colour, size=30, most=480)
        shown = f"{score:.3f}"
        write(draw, (1140 - width(shown, 40), top - 8), shown, INK, size=40)
        draw.rounded_rectangle((LEFT, top + 46, 1140, top + 58), 6, fill=(36, 42, 72))
        right = LEFT + max(12, round((1140 - LEFT) * min(max(score, 0), 1)))
        draw.rounded_rectangle((LEFT, top + 46, right, top + 58), 6, fill=colour)
    for number, words in enumerate(wrapped(drawable(line), 28, 670)[:3]):
        write(draw, (LEFT, 430 + 40 * number), words, INK, size=28)
    write(draw, (60, 575), "Oh-LoRA · hyperparameter battle · test macro-F1", SOFT, size=22, most=900)
    if result.subset is not None:
        family, seed = result.subset.family, result.subset.seed
        recipe = str(seed) if family == WHOLE else f"{family} {seed}"
        write(draw, (1140 - width(recipe, 22), 575), recipe, SOFT, size=22)
    with replacing(path, f".part{path.suffix}") as part:
        card.save(part)
    return path


def title_of(result: MatchResult) -> str:
    """What the page calls the dataset."""
    key = f"title_{result.dataset.name}"
    return phrase(result.language, key) if key in table() else result.dataset.title


@cache
def night() -> np.ndarray:
    """The ground, uint8 [rows, columns, 3]: night with two lights in it."""
    columns, rows = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    ground = np.broadcast_to(np.array(NIGHT, dtype=float), (SIZE[1], SIZE[0], 3)).copy()
    for (x, y), colour, reach in GLOWS:
        share = np.exp(-(((columns - x) / reach) ** 2) - ((rows - y) / (0.7 * reach)) ** 2)[..., None]
        ground += 0.75 * share * (np.array(colour) - ground)
    return ground.round().astype(np.uint8)


def rounded(face: Image.Image) -> Image.Image:
    return face.convert("RGB").resize((FACE, FACE), Image.Resampling.LANCZOS)


@cache
def rounded_mask() -> Image.Image:
    mask = Image.new("L", (2 * FACE, 2 * FACE))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 2 * FACE - 1, 2 * FACE - 1), 56, fill=255)
    return mask.resize((FACE, FACE), Image.Resampling.LANCZOS)


def drawable(line: str) -> str:
    """A line without the pictures that no font here has; letters are written in other letters instead."""
    text = printable(line, 300).replace("\ufffd", "")
    kept = [c for c in text if font_of(c, 28) or unicodedata.category(c)[0] in "LN"]
    return " ".join("".join(kept).split())


def wrapped(text: str, size: int, most: int) -> list[str]:
    """Lines of at most `most` pixels, broken at spaces; a word that is longer, anywhere."""
    lines = [""]
    for word in text.split():
        lines[-1] += " " * bool(lines[-1])
        for piece in [word] if width(word, size) <= most else word:
            if lines[-1] and width(lines[-1] + piece, size) > most:
                lines.append("")
            lines[-1] += piece
    return [line.rstrip() for line in lines]
