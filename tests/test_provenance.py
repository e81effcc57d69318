"""Which code wrote a file."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ohlora.provenance import current_commit


def test_the_commit_is_gits(tmp_path):
    here = Path(__file__).resolve().parents[1]
    head = subprocess.run(
        ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if head.returncode:
        assert current_commit() == "unknown"
    else:
        assert current_commit().removesuffix("+") == head.stdout[:12]
