"""What a match needs of whoever shows her face."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console


class Face(Protocol):
    """Whoever shows how Oh-LoRA takes the end of a match."""

    def react(self, match: Mapping[str, Any], line: str, folder: Path, console: Console) -> Path:
        """Leave ohlora.png and ohlora.gif in `folder`; return the path of the first.

        `match` is what match.json holds. What the console shows, if anything, is for the face to decide.
        """
        ...
