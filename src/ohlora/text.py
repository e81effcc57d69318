"""Text for a terminal: what comes from outside made fit for it, numbers with their nouns."""

from __future__ import annotations

import unicodedata

# Cc: control and escape characters; Cf: direction marks and other invisible ones; Cs: lone surrogates.
UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
ZERO_WIDTH_JOINER = "\u200d"  # holds emoji sequences together


def printable(text: object, most: int = 200) -> str:
    """One line without control, escape and right-to-left characters, cut at `most` characters.

    Rich reads square brackets as markup: print it with `markup=False` or through `rich.markup.escape`.
    """
    kept = (
        c if c == ZERO_WIDTH_JOINER or unicodedata.category(c) not in UNPRINTABLE else "\ufffd"
        for c in str(text)
    )
    line = "".join(kept)
    return line if len(line) <= most else line[: most - 1] + "…"


def counted(n: int, what: str) -> str:
    """A number with its noun: "1 image", "2 images"."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
