"""`-m`: every job its own process, through the real train.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from hydra_plugins.ohlora_launcher.fresh import config_arguments, quoted, stop
from ohlora.records import read_table

SMALL = ("size=smoke", "trials=3", "trials_per_subset=2")


def journal(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "outputs" / "table" / "journal").iterdir()}


@pytest.mark.slow
def test_a_multirun_resumes_grows_and_shares_a_table(door, tmp_path):
    jobs = ("-m", "dataset=digits", "space=default,classic", "hydra.launcher.n_jobs=2")
    first = door("train.py", *jobs, *SMALL, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("3 trials, 3 of them new") == 2
    (sweep,) = (tmp_path / "outputs" / "cnn_sweep").iterdir()
    for number, space in enumerate(("default", "classic")):
        overrides = yaml.safe_load((sweep / str(number) / ".hydra" / "overrides.yaml").read_text())
        assert f"space={space}" in overrides
        assert (sweep / str(number) / "csv" / "metrics.csv").is_file()
        assert float((sweep / str(number) / "answer.txt").read_text()) > 0
    before = journal(tmp_path)
    table = read_table([tmp_path / "outputs" / "table"])
    assert len(table) == 6
    assert len(before) == 2, "each job is a process with a shard of its own"

    again = door("train.py", *jobs, *SMALL, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert journal(tmp_path) == before
    assert again.stdout.count("3 trials, 0 of them new") == 2

    larger = door(
        "train.py", *jobs[:2], "space=default", "size=smoke", "trials=5", "trials_per_subset=2", cwd=tmp_path
    )
    assert larger.returncode == 0, larger.stderr
    grown = read_table([tmp_path / "outputs" / "table"])
    assert len(grown) == 8
    assert grown[grown.trial.isin(table.trial)].reset_index(drop=True).equals(table)


@pytest.mark.slow
def test_one_failing_job_does_not_stop_the_others(door, tmp_path):
    done = door("train.py", "-m", "dataset=folder,digits", *SMALL, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "dataset=folder needs dataset.root=DIR" in done.stderr
    assert "job 0 (dataset=folder" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert len(read_table([tmp_path / "outputs" / "table"])) == 3


def test_a_stubborn_job_is_ended(tmp_path):
    """A signal to the launcher alone: jobs are told, then made, to stop."""
    ready = tmp_path / "ready"
    code = f"import time, pathlib; pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 30
        while not ready.exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        stop(process)
        assert process.returncode in (-signal.SIGINT, 130, 1) or os.name == "nt"


def test_the_jobs_get_the_same_config_files(monkeypatch):
    arguments = ["train.py", "-m", "--config-name=mine", "x=1", "-cd", "my conf", "--config-path", "p"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert config_arguments() == ["--config-name=mine", "-cd", "my conf", "--config-path", "p"]


@pytest.mark.parametrize("path", ["plain", "with space", "it's", "a=b,c", "C:\\Users\\me", "오로라/[1]{2}"])
def test_a_path_survives_hydras_command_line(path):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (override,) = OverridesParser.create().parse_overrides([f"hydra.run.dir={quoted(path)}"])
    assert override.value() == path.replace("\\", "/")
