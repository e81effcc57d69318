"""Which code wrote a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ohlora import provenance
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


def test_a_repository_that_only_surrounds_the_code_is_not_its_own(tmp_path):
    """As where a project has its .venv inside."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    code = "import ohlora.provenance as p; print(p.__file__, p.current_commit())"
    place = tmp_path / "site-packages" / "ohlora"
    place.mkdir(parents=True)
    for name in ("provenance.py",):
        shutil.copy(Path(provenance.__file__).with_name(name), place)
    (place / "__init__.py").touch()
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "theirs"], check=True)
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place.parent,
        env={**os.environ, "PYTHONPATH": str(place.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == [str(place / "provenance.py"), "unknown"]
