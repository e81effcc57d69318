"""A line as the mouth says it: text -> how far the mouth is open, and how round, at each moment (visemes)."""

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
SHUT_S = 0.07  # half-width of the closing of lips at an m, b or p
PAUSES_S = {" ": 0.05, ",": 0.20, ".": 0.30, "!": 0.30, "?": 0.30, "…": 0.40, "~": 0.15}
PAUSES_S |= {"、": 0.20, "，": 0.20, "。": 0.30, "！": 0.30, "？": 0.30, ":": 0.20, ";": 0.20, "-": 0.05}
SYMBOL_S = 0.25  # at an emoji, which is looked at and not said
START_S = 0.12  # until the rest of the mouth gives way to speech, and until it is back

# How far a vowel opens the mouth, 0 to 1, and how round the lips are, -1 (spread) to 1: of Latin letters,
LATIN = {
    "a": (1.0, 0.0),
    "e": (0.65, -0.5),
    "i": (0.40, -0.8),
    "o": (0.75, 0.8),
    "u": (0.40, 0.9),
    "y": (0.40, -0.6),
}
LATIN_PAIRS = {"oo": (0.40, 1.0), "ee": (0.35, -0.9), "ou": (0.75, 0.7), "ow": (0.8, 0.6), "ea": (0.45, -0.7)}
# and of Hangul from ㅏ to ㅣ, as Unicode orders them.
HANGUL = (
    (1.0, 0.0),  # ㅏ
    (0.8, -0.4),  # ㅐ
    (1.0, -0.1),  # ㅑ
    (0.8, -0.4),  # ㅒ
    (0.85, 0.1),  # ㅓ
    (0.7, -0.5),  # ㅔ
    (0.85, 0.0),  # ㅕ
    (0.7, -0.5),  # ㅖ
    (0.6, 0.9),  # ㅗ
    (0.9, 0.4),  # ㅘ
    (0.75, 0.3),  # ㅙ
    (0.65, 0.4),  # ㅚ
    (0.6, 0.8),  # ㅛ
    (0.4, 1.0),  # ㅜ
    (0.7, 0.5),  # ㅝ
    (0.6, 0.3),  # ㅞ
    (0.4, 0.4),  # ㅟ
    (0.4, 0.9),  # ㅠ
    (0.3, -0.6),  # ㅡ
    (0.35, -0.7),  # ㅢ
    (0.4, -0.8),  # ㅣ
)
OTHER = (0.6, 0.0)  # a digit, a letter of another script, the ㅋ of a written laugh
SHUT_LATIN = frozenset("mbp")
SHUT_HANGUL = frozenset("ᄆᄇᄈᄑᆷᆸᆹᇁ")  # initial and final ㅁ ㅂ ㅃ ㅄ ㅍ
WORDS = re.compile(r"[a-z]+(?:'[a-z]+)?|.", re.DOTALL)
VOWELS = re.compile(r"[aeiouy]+w?")
FIRST_VOWEL, FIRST_SYLLABLE, LAST_SYLLABLE = ord("ᅡ"), ord("가"), ord("힣")


@dataclass(frozen=True)
class Viseme:
    """What the mouth does for one syllable, or for a pause."""

    opening: float  # 0 to 1; 0: a pause alone
    rounding: float = 0.0  # -1 to 1
    shut_before: bool = False  # the lips meet as it begins,
    shut_after: bool = False  # and as it ends
    pause_s: float = 0.0  # after it


def cleaned(text: str) -> str:
    """One line of at most LONGEST characters without control and invisible ones."""
    kept = "".join(" " if char.isspace() else char for char in unicodedata.normalize("NFC", text))
    # Cf holds the joiners of emoji, but also what turns the direction of the text around it.
    visible = (char for char in kept if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    return " ".join("".join(visible).split())[:LONGEST]


def visemes(text: str) -> Iterator[Viseme]:
    """The syllables and pauses of a line."""
    for part in WORDS.findall(text.lower()):
        if part in PAUSES_S:
            yield Viseme(0.0, pause_s=PAUSES_S[part])
        elif part[0] in string.ascii_lowercase:
            yield from latin(part)
        elif FIRST_SYLLABLE <= ord(part) <= LAST_SYLLABLE:
            yield hangul(part)
        elif part.isalnum():
            yield Viseme(*OTHER)
        elif unicodedata.category(part) == "So":
            yield Viseme(0.0, pause_s=SYMBOL_S)


def hangul(syllable: str) -> Viseme:
    """A Korean syllable, taken apart into its letters (NFD): initial, vowel, perhaps a final."""
    initial, vowel, *final = unicodedata.normalize("NFD", syllable)
    opening, rounding = HANGUL[ord(vowel) - FIRST_VOWEL]
    return Viseme(opening, rounding, initial in SHUT_HANGUL, bool(final) and final[0] in SHUT_HANGUL)


def latin(word: str) -> Iterator[Viseme]:
    """The syllables of a word in Latin letters: one at each group of vowels, but a silent last e."""
    spoken = word.removesuffix("e")
    found = list(VOWELS.finditer(spoken))
    if not found:
        yield Viseme(*LATIN["i"], word[0] in SHUT_LATIN, word[-1] in SHUT_LATIN)
    for number, group in enumerate(found):
        letters = group.group()
        after = found[number + 1].start() if number + 1 < len(found) else len(spoken)
        before = found[number - 1].end() if number else 0
        last = number + 1 == len(found)
        opening, rounding = LATIN_PAIRS.get(letters) or max(
            LATIN[letter] for letter in letters if letter in LATIN
        )
        if "w" in spoken[before : group.start()]:
            rounding = max(rounding, 0.5)
        yield Viseme(
            opening,
            rounding,
            not SHUT_LATIN.isdisjoint(spoken[before : group.start()]),
            last and not SHUT_LATIN.isdisjoint(spoken[group.end() : after]),
        )


@dataclass(frozen=True)
class Speech:
    """A line said from `start_s` on."""

    text: str
    start_s: float

    @cached_property
    def spoken(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of each syllable: when it is at its widest, seconds after the start, how far open and how round the
        mouth is then; and when the lips meet."""
        moments, openings, roundings, meetings, t = [], [], [], [], START_S
        for viseme in visemes(cleaned(self.text)):
            if viseme.opening:
                moments.append(t + SYLLABLE_S / 2)
                openings.append(viseme.opening)
                roundings.append(viseme.rounding)
                meetings += [t] * viseme.shut_before
                t += SYLLABLE_S
                meetings += [t] * viseme.shut_after
            t += viseme.pause_s
        return np.array(moments), np.array(openings), np.array(roundings), np.array(meetings)

    @cached_property
    def end_s(self) -> float:
        moments = self.spoken[0]
        return self.start_s + (float(moments[-1]) + SYLLABLE_S / 2 + START_S if len(moments) else 0.0)

    def speaking(self, t: float) -> float:
        """1 while she speaks, 0 before and after, eased between."""
        return ease((t - self.start_s) / START_S) * ease((self.end_s - t) / START_S) if self.text else 0.0

    def bells(self, t: float) -> np.ndarray:
        """How much of each syllable there is at a moment, 0 to 1."""
        return bell((t - self.start_s - self.spoken[0]) / (REACH * SYLLABLE_S))

    def opening(self, t: float) -> float:
        """How far speech alone opens the mouth, 0 to 1."""
        _, openings, _, meetings = self.spoken
        shut = float(bell((t - self.start_s - meetings) / SHUT_S).max(initial=0.0))
        return float((self.bells(t) * openings).max(initial=0.0)) * (1 - shut)

    def rounding(self, t: float) -> float:
        """How round the lips are, -1 to 1."""
        bells = self.bells(t)
        return float((bells * self.spoken[2]).sum() / max(bells.sum(), 1.0))


def bell(x: np.ndarray) -> np.ndarray:
    """From 0 at -1 to 1 at 0 and back to 0 at 1."""
    return np.where(np.abs(x) < 1, 0.5 + 0.5 * np.cos(math.pi * np.clip(x, -1, 1)), 0.0)
