"""What a match needs of whoever tells how it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ohlora.battle.result import MatchResult


@dataclass(frozen=True)
class Told:
    """A line on a match and how it came about."""

    line: str
    refused: tuple[str, ...]  # drawn before it and not shown: false, or not in her voice
    written: bool  # a written line, not a language model's


@runtime_checkable
class Narrator(Protocol):
    """Whoever speaks for Oh-LoRA after a match."""

    def check(self) -> None:
        """Raise OhloraError where something it needs is missing or damaged; cheap, asked before training."""
        ...

    def tell(self, match: MatchResult) -> Told:
        """One true line on a match."""
        ...
