"""What moves her, and what it looks like: verdicts and lines -> a mood -> eyes, mouth and head."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from ohlora.battle.verdict import Verdict
from ohlora.config import Many, Name, compared, config
from ohlora.errors import nearest
from ohlora.space import Real

NEUTRAL = "neutral"
# The properties every mood sets; of controls it names those it moves.
MOVING = ("eyes", "mouth", "roll", "yaw")
RISE = "rise_s"  # how long she takes to get there
RISES = Real(0.05, 10)  # seconds


@config
class Expressions:
    """The table of moods (conf/faces/moods.yaml) and what brings them about (conf/faces/reactions.yaml)."""

    moods: Mapping[Name, Mapping[Name, float]]
    verdicts: Mapping[Name, Name]  # the challenger's verdict -> her mood
    signs: Mapping[Name, Many[Name]]  # mood -> what a line says that sounds like it
    properties: Mapping[Name, Real]
    controls: Mapping[Name, Real]  # what only some generators show; 0 at rest

    @cached_property
    def axes(self) -> Mapping[str, Real]:
        """All that is moved, in the order of a state's columns: properties, then controls."""
        return {**self.properties, **self.controls}

    @compared
    def _fit_together(self) -> None:
        faults = [f"moods has no {NEUTRAL}"] if NEUTRAL not in self.moods else []
        faults += [f"properties has no {name}" for name in MOVING if name not in self.properties]
        for mood, row in self.moods.items():
            faults += [f"moods.{mood} has no {name}" for name in (*MOVING, RISE) if name not in row]
            known = {name: self.properties[name] for name in MOVING if name in self.properties}
            known |= {RISE: RISES, **self.controls}
            faults += [
                f"moods.{mood}.{name} is not one of {' | '.join(known)}{nearest(name, known)}"
                for name in row
                if name not in known and name not in MOVING
            ]
            for name, axis in known.items():
                if name in row and (fault := axis.fault(row[name])):
                    faults.append(f"moods.{mood}.{name}{fault}")
        verdicts = [verdict.value for verdict in Verdict]
        faults += [f"verdicts has no {verdict}" for verdict in verdicts if verdict not in self.verdicts]
        faults += [
            f"verdicts.{verdict} is not a verdict{nearest(verdict, verdicts)}"
            for verdict in self.verdicts
            if verdict not in verdicts
        ]
        named = [(f"verdicts.{verdict}", mood) for verdict, mood in self.verdicts.items()]
        named += [(f"signs.{mood}: mood", mood) for mood in self.signs]
        faults += [fault for place, mood in named if (fault := self.fault(place, mood, known=()))]
        if faults:
            raise ValueError("; ".join(faults))

    def fault(self, setting: str, word: object, known: Sequence[str] | None = None) -> str | None:
        """Why `word` means nothing here, or None."""
        unknown = self.unknown(word, known)
        return unknown and f"{setting}={word} is {unknown}"

    def unknown(self, word: object, known: Sequence[str] | None = None) -> str | None:
        """`not one of ...` where `word` is no mood and none of `known` (None: the verdicts)."""
        allowed = [*self.moods, *(self.verdicts if known is None else known)]
        return None if word in allowed else f"not one of {' | '.join(allowed)}{nearest(word, allowed)}"

    def mood(self, word: str) -> str:
        """The mood that a word, of a mood or of the challenger's verdict, stands for."""
        return word if word in self.moods else self.verdicts[word]

    def rise_s(self, mood: str) -> float:
        return self.moods[mood][RISE]

    def offset(self, mood: str) -> np.ndarray:
        """How far a mood moves each property and control [axes] from where it rests."""
        row, rest = self.moods[mood], self.moods[NEUTRAL]
        return np.array([row.get(name, 0.0) - rest.get(name, 0.0) for name in self.axes])

    @cached_property
    def patterns(self) -> dict[str, re.Pattern[str]]:
        return {
            mood: re.compile("|".join(sign_pattern(sign) for sign in sorted(signs, key=len, reverse=True)))
            for mood, signs in self.signs.items()
        }

    def heard(self, line: str) -> str:
        """The mood a line sounds like: the one it shows most signs of, the table's first of several such."""
        counts = {mood: len(pattern.findall(line.lower())) for mood, pattern in self.patterns.items()}
        loudest = max(counts, key=lambda mood: counts[mood])  # the first of equals
        return loudest if counts[loudest] else NEUTRAL


def sign_pattern(sign: str) -> str:
    """A sign as a regular expression; where a word may begin and end is told in reactions.yaml."""
    begins = (
        r"(?<![a-z])" if re.match(r"[a-z]", sign) else r"(?<![가-힣])" if re.match("[가-힣]", sign) else ""
    )
    ends = (
        r"(?![a-z])"
        if re.search(r"[a-z]$", sign)
        else r"(?![가-힣])"
        if re.fullmatch("[가-힣]", sign)
        else ""
    )
    return begins + re.escape(sign) + ends
