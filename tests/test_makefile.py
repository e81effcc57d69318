"""The Makefile, where there is a make."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


def test_bytecode_is_kept_where_the_machine_says_not_to(tmp_path):
    """Containers often say so; each of a suite's hundreds of processes would compile torch anew."""
    asked = "asked:\n\t@$(PYTHON) -c 'import sys; print(sys.dont_write_bytecode)'\n"
    (tmp_path / "asked.mk").write_text(asked, encoding="utf-8")
    done = subprocess.run(
        ["make", "-s", "-f", "Makefile", "-f", str(tmp_path / "asked.mk"), "asked"],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
