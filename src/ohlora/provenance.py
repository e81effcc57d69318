"""Which code wrote a file. Kept apart from what needs Lightning, which takes seconds to import."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path


@cache
def current_commit() -> str:
    """The commit this code stands at, with "+" where files differ from it; "unknown" outside a checkout."""
    here = Path(__file__).resolve().parent
    try:
        git = ["git", "-C", str(here)]
        commit = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=5
        )
        if commit.returncode:
            return "unknown"
        dirty = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, timeout=5
        )
        return commit.stdout.strip() + ("+" if dirty.stdout.strip() else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
