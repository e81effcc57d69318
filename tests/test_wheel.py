"""The package as pip installs it: everything is in it, and it works outside the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy: a checkout stays as it is."""
    source = tmp_path_factory.mktemp("source")
    for name in ("src", "conf"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "."]
    subprocess.run([*pip, "-w", "dist"], cwd=source, check=True, capture_output=True, timeout=300)
    (built,) = (source / "dist").glob("ohlora-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """`installed("battle", ...)`: a command of the unpacked wheel, run where no checkout is."""
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)

    def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ohlora", *words],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            timeout=300,
        )

    where = [sys.executable, "-c", "import ohlora.conf_files as files; print(files.CONF)"]
    found = subprocess.run(where, cwd=site, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True)
    assert found.stdout.decode().strip() == str(site / "ohlora" / "conf")
    return run


@pytest.mark.slow
def test_every_file_travels(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        (entries,) = [name for name in held if name.endswith("entry_points.txt")]
        assert "ohlora = ohlora.cli:main" in archive.read(entries).decode()
    for top, home in ((ROOT / "conf", "ohlora/conf"), (ROOT / "src", ".")):
        ours = [p.relative_to(top) for p in top.rglob("*") if p.is_file()]
        ours = [p for p in ours if "__pycache__" not in p.parts and ".egg-info" not in str(p)]
        assert len(ours) > 50
        missing = [str(p) for p in ours if Path(home, p).as_posix() not in held]
        assert not missing


@pytest.mark.slow
def test_a_battle_is_played_outside_the_checkout(installed, tmp_path):
    quick = ["dataset=digits", "size=smoke", "face=none", "narrator=template", "language=en"]
    done = installed("battle", "human=my_hp", *quick, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (match,) = (tmp_path / "outputs" / "battle").glob("*/match.json")
    assert len(json.loads(match.read_text(encoding="utf-8"))["attempts"]) == 3


@pytest.mark.slow
def test_the_job_of_a_multirun_is_started_anew_from_there(installed, tmp_path):
    done = installed("train", "-m", "dataset=digits", "size=smoke", "trials=2", "subset.seed=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    assert len(list((tmp_path / "outputs" / "cnn_sweep").glob("*/*/finished.json"))) == 1
