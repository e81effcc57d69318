"""A line as the mouth says it: text -> how far the mouth is open at each moment."""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ohlora.face.acting.motion import ease

LONGEST = 300  # characters of a line that are said
SYLLABLE_S = 0.16  # some six syllables a second
REACH = 0.85  # half-width of a syllable's bell, in syllables: neighbours flow into one another
PAUSES_S = {" ": 0.05, ",": 0.20, ".": 0.30, "!": 0.30, "?": 0.30, "…": 0.40, "~": 0.15}
START_S = 0.12  # until the rest of the mouth gives way to speech, and until it is back

# How far a vowel opens the mouth, 0 to 1: of Latin letters, and of Hangul from ㅏ to ㅣ.
LATIN = {"a": 1.0, "e": 0.65, "i": 0.40, "o": 0.75, "u": 0.40, "y": 0.40}
HANGUL = (
    1.0,
    0.8,
    1.0,
    0.8,
    0.85,
    0.7,
    0.85,
    0.7,
    0.6,
    0.9,
    0.75,
    0.65,
    0.6,
    0.4,
    0.7,
    0.6,
    0.4,
    0.4,
    0.3,
    0.35,
    0.4,
)
OTHER = 0.6  # a digit, a letter of another script, the ㅋ of a written laugh
WORDS = re.compile(r"[a-z]+(?:'[a-z]+)?|.", re.DOTALL)
VOWELS = re.compile(r"[aeiouy]+")
FIRST_SYLLABLE, LAST_SYLLABLE, FINALS = ord("가"), ord("힣"), 28


def cleaned(text: str) -> str:
    """One line of at most LONGEST characters without control and invisible ones."""
    kept = "".join(" " if char.isspace() else char for char in unicodedata.normalize("NFC", text))
    # Cf holds the joiners of emoji, but also what turns the direction of the text around it.
    visible = (char for char in kept if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    return " ".join("".join(visible).split())[:LONGEST]


def syllables(text: str) -> Iterator[tuple[float, float]]:
    """(opening 0 to 1, pause after it in seconds) of each syllable; openings of 0 are pauses alone."""
    for part in WORDS.findall(text.lower()):
        if part in PAUSES_S:
            yield 0.0, PAUSES_S[part]
        elif part[0] in string.ascii_lowercase:
            for vowels in VOWELS.findall(part.removesuffix("e")) or ["i"]:
                yield max(LATIN[vowel] for vowel in vowels), 0.0
        elif FIRST_SYLLABLE <= ord(part) <= LAST_SYLLABLE:
            yield HANGUL[(ord(part) - FIRST_SYLLABLE) // FINALS % len(HANGUL)], 0.0
        elif part.isalnum():
            yield OTHER, 0.0


@dataclass(frozen=True)
class Speech:
    """A line said from `start_s` on."""

    text: str
    start_s: float

    @cached_property
    def bells(self) -> tuple[np.ndarray, np.ndarray]:
        """When each syllable is at its widest, seconds after the start, and how far open she is then."""
        moments, openings, t = [], [], START_S
        for opening, pause in syllables(cleaned(self.text)):
            if opening:
                moments.append(t + SYLLABLE_S / 2)
                openings.append(opening)
                t += SYLLABLE_S
            t += pause
        return np.array(moments), np.array(openings)

    @property
    def end_s(self) -> float:
        moments, _ = self.bells
        return self.start_s + (float(moments[-1]) + SYLLABLE_S / 2 + START_S if len(moments) else 0.0)

    def speaking(self, t: float) -> float:
        """1 while she speaks, 0 before and after, eased between."""
        return ease((t - self.start_s) / START_S) * ease((self.end_s - t) / START_S) if self.text else 0.0

    def opening(self, t: float) -> float:
        """How far speech alone opens the mouth, 0 to 1."""
        moments, openings = self.bells
        x = (t - self.start_s - moments) / (REACH * SYLLABLE_S)
        bells = np.where(np.abs(x) < 1, 0.5 + 0.5 * np.cos(math.pi * np.clip(x, -1, 1)), 0.0)
        return float((bells * openings).max(initial=0.0))
