"""What a match needs of whoever shows her face."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from rich.console import Console

from ohlora.battle.result import MatchResult


class Face(Protocol):
    """Whoever shows how Oh-LoRA takes the end of a match."""

    def react(self, match: MatchResult, line: str, folder: Path, console: Console) -> Path:
        """Leave ohlora.png and ohlora.gif in `folder`; return the path of the first.

        What the console shows, if anything, is for the face to decide.
        """
        ...
