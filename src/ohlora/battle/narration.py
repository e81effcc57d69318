"""What a match needs of whoever tells how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Told:
    """A line on a match and how it came about."""

    line: str
    refused: tuple[str, ...]  # drawn before it and not shown: false, or not in her voice
    written: bool  # a written line, not a language model's


class Narrator(Protocol):
    """Whoever speaks for Oh-LoRA after a match."""

    def tell(self, match: Mapping[str, Any]) -> Told:
        """One true line on a match, as match.json holds it."""
        ...
