"""Matches that a pipe asks for leave a W&B run each, finished, whenever the page goes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.offline_runs import only_run, read_run, shows

from ohlora.space import Params
from ohlora.web.piped_process import match_command

SEED = 1000003


class Player:
    """The server's end of `python -m ohlora battle ui=piped`."""

    def __init__(self, python: str, folder: Path, *words: str) -> None:
        typed = ("ui=web", "dataset=fashion", "size=smoke", "face=none", "narrator=template", "logger=wandb")
        command = [python, *match_command([*typed, "logger.mode=offline", *words], "run")[1:]]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True)

    def ask(self, **request: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def hear(self, kind: str) -> dict[str, Any]:
        """Wait for an event."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            assert event["event"] not in ("failed", "ended"), event
            if event["event"] == kind:
                return event
        raise AssertionError(f"it ended without {kind}")

    def begin(self, folder: Path, params: Params) -> None:
        self.ask(do="play", folder=str(folder), dataset="digits", seed=SEED, name="지민", language="en")
        self.hear("sealed")
        self.ask(do="attempt", params=params)

    def leave(self) -> None:
        """The page is gone."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.stdout.close()
        self.process.wait(timeout=120)


@pytest.mark.slow
def test_a_page_that_goes_leaves_no_run_unfinished(python: str, good_params: Params, tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason='pip install "ohlora[wandb]"')
    player = Player(python, tmp_path)
    for name in ("first", "second"):
        player.begin(tmp_path / name, good_params)
        player.hear("trained")
        player.ask(do="enough")
        player.hear("result")  # the second is still being logged when its page goes
    player.leave()
    for name in ("first", "second"):
        run = shows(tmp_path / name, "Matches")
        assert run.config["choices"]["dataset"] == "digits"
        assert run.about["display_name"] == "battle digits"
        assert {one["name"] for one in run.config["inputs"]} >= {"hp_predictor"}
        assert only_run(tmp_path / name).exits == [0]

    player = Player(python, tmp_path, "budget.min_steps=100000", "budget.epochs=1000")
    player.begin(tmp_path / "third", good_params)
    player.hear("progress")  # in the midst of its training
    player.leave()
    runs = [read_run(file) for file in tmp_path.rglob("*.wandb")]
    assert [run.exits for run in runs] == [[0], [0]]
