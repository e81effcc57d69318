"""A finished match as plain data: what match.json holds, what narrator and face are handed."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ohlora.battle.contestants.base import Kind, Rules
from ohlora.battle.verdict import Verdict, Winner
from ohlora.space import Params

MATCH_FILE = "match.json"  # in the folder of every finished match


@dataclass(frozen=True)
class DatasetName:
    """A dataset's name in records and its title for people."""

    name: str
    title: str


@dataclass(frozen=True)
class SubsetSummary:
    """The recipe of the subset that was played on, and how large it is."""

    family: str
    seed: int
    class_names: tuple[str, ...]
    class_counts: tuple[int, ...]  # training images
    val_images: int
    test_images: int


@dataclass(frozen=True)
class Played:
    """One attempt that counts, with its scores, 0 to 1."""

    contestant: str  # its title in English
    kind: Kind
    params: Params
    val_f1: float
    test_f1: float  # house rules: of this training; fair rules: mean over the fresh seeds
    curve: tuple[dict[str, float], ...] = ()  # step, train_loss, val_loss, val_f1 at each validation

    def as_json(self) -> dict[str, Any]:
        row = asdict(self)
        del row["curve"]
        return row


SEAL_CHECK = "sha256 of salt + json.dumps(attempts[0].params, sort_keys=True), UTF-8, as Python writes it"


@dataclass(frozen=True)
class Seal:
    """Fixes params without showing them: SHA-256 of a salt and their JSON, keys sorted."""

    sha256: str
    salt: str

    @classmethod
    def of(cls, params: Params) -> Seal:
        salt = secrets.token_hex(8)
        return cls(digest(salt, params), salt)

    def fits(self, params: Params) -> bool:
        """Whether these are the params that were sealed."""
        return digest(self.salt, params) == self.sha256


def digest(salt: str, params: Params) -> str:
    return hashlib.sha256((salt + json.dumps(params, sort_keys=True)).encode()).hexdigest()


@dataclass(frozen=True)
class MatchResult:
    """Who played what and how it ended."""

    dataset: DatasetName
    subset: SubsetSummary | None  # None: a match made up for training a narrator
    rules: Rules
    attempts: tuple[Played, ...]  # Oh-LoRA's, then one or more of the challenger's
    verdicts: tuple[Verdict, ...]  # of each of the challenger's attempts
    winner: Winner
    predicted_f1: float | None  # what Oh-LoRA expected of her own attempt
    predicted_sd: float | None
    seal: Seal | None
    language: str
    commit: str

    @property
    def ohlora(self) -> Played:
        return self.attempts[0]

    @property
    def challenger(self) -> tuple[Played, ...]:
        return self.attempts[1:]

    @property
    def best(self) -> Played:
        """The challenger's attempt with the highest test score, the earlier of two equal ones."""
        return max(self.challenger, key=lambda attempt: attempt.test_f1)

    @property
    def outcome(self) -> Winner | Literal["you"]:
        """Who won; "you" where that is a player without a name, who is spoken to."""
        nameless = self.best.contestant == "you"
        return "you" if nameless and self.winner == "challenger" else self.winner

    def as_json(self) -> dict[str, Any]:
        """The content of match.json."""
        return {
            **asdict(self),
            "seal": {**asdict(self.seal), "check": SEAL_CHECK} if self.seal else None,
            "attempts": [attempt.as_json() for attempt in self.attempts],
            "verdicts": [verdict.value for verdict in self.verdicts],
        }
