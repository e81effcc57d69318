"""What a match says that a line may speak about, read once from its result."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from ohlora.battle.result import MatchResult, Played
from ohlora.battle.verdict import Verdict, Winner, final, judge
from ohlora.errors import OhloraError

Language = Literal["ko", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
Persona = Mapping[Language, str]  # who a model is told it is
PLAYER_LENGTH = 24  # characters of a name that are kept
DATASET_LENGTH = 32
# What a player is called who gave no name.
NAMELESS = {"", "human", "me", "my_hp", "player", "prompt", "you", "challenger", "나", "너", "사람", "인간"}
PUNCTUATION = set(" -_.'()")  # what a name may hold besides letters, marks and digits


def clean_name(name: object, length: int) -> str:
    """A name from outside as at most `length` letters, digits and ` -_.'()` on one line.

    Control, format (zero-width, right-to-left) and markup characters go, at most two marks stay on a
    letter, spaces are single. A name without a letter says nothing and becomes an empty string.
    """
    kept: list[str] = []
    for char in unicodedata.normalize("NFKC", str(name)):
        category = unicodedata.category(char)[0]
        bare = not kept or kept[-1] == " "  # a mark needs a letter to stand on
        if category == "M" and (bare or all(unicodedata.category(before)[0] == "M" for before in kept[-2:])):
            continue
        if category in "LMN" or char in PUNCTUATION:
            kept.append(char)
        elif category in "ZC":
            kept.append(" ")
    text = " ".join("".join(kept).split())[:length].strip(" -_.'(")
    if text.count("(") > text.count(")"):  # the cut fell inside
        text = text[: text.rindex("(")].strip()
    return text if any(char.isalpha() for char in text) else ""


def as_number(value: Any) -> float | None:
    """`value` as a number, None where it is not one."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def numbers_in(value: Any) -> Iterator[float]:
    """Every number in nested plain data, and the length of every list."""
    if (number := as_number(value)) is not None:
        yield number
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from numbers_in(inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield float(len(value))
        for inner in value:
            yield from numbers_in(inner)


@dataclass(frozen=True)
class Side:
    """One attempt: its params and its scores, 0 to 1."""

    params: Mapping[str, Any]
    test_f1: float
    val_f1: float | None


@dataclass(frozen=True)
class Facts:
    """A match as a narrator sees it. Names in it are cleaned."""

    language: str  # ko | en
    kind: str  # human | optuna | random | static | whatever else challenged
    player: str  # the challenger's name; empty when it gave none
    dataset: str  # short name
    title: str  # the dataset as shown to people
    subset: Mapping[str, Any]
    challenger: tuple[Side, ...]  # one attempt or two
    ohlora: Side
    predicted_f1: float | None

    @classmethod
    def read(cls, match: MatchResult) -> Facts:
        """Read a match; raise OhloraError where Oh-LoRA's attempt or the challenger's is missing.

        Of a machine, or of more than two attempts, the best stands for all.
        """
        others = list(match.challenger)
        if not others:
            raise OhloraError("a match to narrate needs an attempt of Oh-LoRA's and one of a challenger's")
        kind = others[0].kind
        if kind != "human" or len(others) > 2:
            others = [match.best]
        name = clean_name(others[0].contestant, PLAYER_LENGTH)
        short = clean_name(match.dataset.name, DATASET_LENGTH)
        return cls(
            language=match.language,
            kind=kind,
            player="" if name.lower() in NAMELESS else name,
            dataset=short,
            title=clean_name(match.dataset.title, DATASET_LENGTH) or short,
            subset=asdict(match.subset) if match.subset else {},
            challenger=tuple(map(side, others)),
            ohlora=side(match.ohlora),
            predicted_f1=match.predicted_f1,
        )

    @property
    def human(self) -> bool:
        return self.kind == "human"

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(judge(attempt.test_f1, self.ohlora.test_f1) for attempt in self.challenger)

    @property
    def winner(self) -> Winner:
        return final(self.verdicts)

    @property
    def best(self) -> Side:
        """The challenger's attempt with the highest score, the earlier one of two equal ones."""
        return max(self.challenger, key=lambda attempt: attempt.test_f1)

    @property
    def difference(self) -> float:
        """How far the challenger's best lies from Oh-LoRA's score, 0 to 1, whoever is ahead."""
        return abs(self.best.test_f1 - self.ohlora.test_f1)


def side(attempt: Played) -> Side:
    return Side(attempt.params, attempt.test_f1, attempt.val_f1)


def names_of(facts: Facts) -> list[str]:
    """The names this match brings, longest first; a name inside them is spelled as the match spells it."""
    names = {facts.title, facts.dataset, facts.player, re.sub(r"\s*\(.*", "", facts.title)}
    return sorted(filter(None, names), key=len, reverse=True)
