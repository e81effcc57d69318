"""A league through the real battle.py, with the shipped models, on digits."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from tests.offline_runs import shows
from tests.reported import reported

pytestmark = pytest.mark.slow
Door = Callable[..., "subprocess.CompletedProcess[str]"]
QUICK = ["league=standard", "size=smoke", "dataset=digits", "paths.output_dir=out"]


# These two look at every trial of the shipped table; test_play.py has them on a made one.
FEWER = ["league.contestants.portfolio=null", "league.contestants.static=null"]


def test_a_league_is_played_and_its_report_read_again(door: Door, tmp_path: Path) -> None:
    """By one worker; that it leaves a subset in other hands alone is asked in test_play.py."""
    done = door("battle.py", *QUICK, *FEWER, "logger=wandb", "hydra.run.dir=first", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shows(tmp_path / "first", "Leagues")
    assert json.loads((tmp_path / "first/report.json").read_text(encoding="utf-8"))["complete"] == 2
    lines = [
        json.loads(line)["key"]
        for path in (tmp_path / "out/league/fair/journal").glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert len({json.dumps(key, sort_keys=True) for key in lines}) == len(lines), "nothing was trained twice"
    again = door("battle.py", *QUICK, *FEWER, "league.play=false", "hydra.run.dir=again", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "2 of 2 subsets are complete" in again.stdout
    shown = reported(tmp_path / "again", "Leagues")
    assert len(shown.figures) == 3
    assert "win rate" in shown.summary
    report = json.loads((tmp_path / "again/report.json").read_text(encoding="utf-8"))
    assert report["samplers"]["tpe"]["n_startup_trials"] == 10
    assert "her predictor was fitted on another protocol" in " ".join(report["notes"])
    assert set(pd.read_parquet(tmp_path / "again/scores.parquet")["contestant"]) >= {"ohlora", "oracle", "gp"}
    for name in ("against_trials", "against_seconds", "regret"):
        with Image.open(tmp_path / "again" / f"{name}.png") as picture:
            assert picture.size[0] > 500


def test_wrong_settings_are_one_line(door: Door, tmp_path: Path) -> None:
    done = door("battle.py", *QUICK, "league.headline=statik", "league.final_seeds=[0]", cwd=tmp_path)
    assert done.returncode == 2
    assert "headline=statik" in done.stderr
    assert "final_seeds=[0]" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.rglob("*.jsonl"))
