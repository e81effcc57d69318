"""Which code wrote a file, and how it was started. Light: doors need it at once."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
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


def pasted(words: Sequence[str]) -> str:
    """A command quoted so that it can be pasted into this system's shell."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


@cache
def current_commit() -> str:
    """The commit this code stands at, with "+" where files differ from it; "unknown" outside a checkout."""
    here = Path(__file__).resolve()

    def git(*words: str) -> str:
        asked = ["git", "-C", str(here.parent), *words]
        return subprocess.run(asked, capture_output=True, text=True, timeout=5, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", here.name)  # a repository around an environment is another's
        dirty = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if dirty else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
