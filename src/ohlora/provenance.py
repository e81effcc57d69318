"""Which code wrote a file, and how it was started. Light: doors need it at once."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

# The verb of `python -m ohlora VERB`, for processes that are started anew with the same settings.
VERB = "OHLORA_VERB"


def program() -> list[str]:
    """How this program was called, less its settings: python battle.py, or python -m ohlora battle."""
    spec, verb = sys.modules["__main__"].__spec__, os.environ.get(VERB)
    verbs = [verb] if verb else []
    if spec is None:
        name = Path(sys.argv[0]).name
        return [name, *verbs] if verbs and not name.endswith(".py") else ["python", name]
    module = spec.name.removesuffix(".__main__")
    return ["python", "-m", module, *(verbs if module == "ohlora" else [])]


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
