"""What is logged can be read back, and every run is finished."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image

from ohlora import tracking
from ohlora.loggers import CsvLogs, TensorboardLogs, WandbLogs
from ohlora.tracking import (
    log_picture,
    log_table,
    tracked,
)

CONFIG = {"dataset": {"name": "digits"}, "trials": 3, "choices": {"space": "classic"}}
TABLE = pd.DataFrame({"who": ["you", "오로라"], "test_f1": [0.5, 0.75]})


def use(logger, folder: Path, fail: bool = False) -> None:
    """A short run: its config, two points, a picture, a table; perhaps a mishap."""
    picture = folder / "picture.png"
    Image.new("RGB", (12, 8), "orange").save(picture)
    with tracked(logger, CONFIG):
        logger.log_metrics({"val_f1": 0.25}, step=1)
        logger.log_metrics({"val_f1": 0.75}, step=2)
        log_picture(logger, "sheet", picture)
        log_table(logger, "match", TABLE)
        if fail:
            raise RuntimeError("a bug")


class TestCsv:
    def test_numbers_config_and_table_are_files(self, tmp_path):
        use(CsvLogs(str(tmp_path)).make(), tmp_path)
        rows = list(csv.DictReader((tmp_path / "csv" / "metrics.csv").read_text().splitlines()))
        assert [(row["step"], row["val_f1"]) for row in rows] == [("1", "0.25"), ("2", "0.75")]
        assert yaml.safe_load((tmp_path / "csv" / "hparams.yaml").read_text()) == CONFIG
        assert pd.read_csv(tmp_path / "csv" / "match.csv").equals(TABLE)

    def test_a_failing_run_keeps_what_it_logged(self, tmp_path):
        with pytest.raises(RuntimeError, match="a bug"):
            use(CsvLogs(str(tmp_path)).make(), tmp_path, fail=True)
        assert "0.75" in (tmp_path / "csv" / "metrics.csv").read_text()

    def test_a_run_that_goes_on_keeps_what_was_logged_before(self, tmp_path):
        for _ in range(2):
            use(CsvLogs(str(tmp_path)).make(), tmp_path)
        first, second = (tmp_path / name / "metrics.csv" for name in ("csv", "csv_2"))
        assert first.read_text() == second.read_text()


class TestTensorboard:
    @pytest.fixture(autouse=True)
    def installed(self):
        pytest.importorskip("tensorboard", reason="pip install 'ohlora[tensorboard]'")

    def test_scalars_picture_and_table_are_read_back(self, tmp_path):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        use(TensorboardLogs(str(tmp_path)).make(), tmp_path)
        events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
        assert [(e.step, e.value) for e in events.Scalars("val_f1")] == [(1, 0.25), (2, 0.75)]
        assert events.Images("sheet")[0].width == 12
        assert any("match" in tag for tag in events.Tags()["tensors"])
        assert yaml.safe_load((tmp_path / "tensorboard" / "hparams.yaml").read_text()) == CONFIG


def leet(file: Path) -> list[dict]:
    """Records of a `.wandb` file, as W&B's own reader tells them."""
    command = [str(Path(sys.executable).parent / "wandb"), "leet", "inspect", "--json", str(file)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    return [json.loads(line) for line in told.splitlines() if line.startswith("{")]


def offline_run(folder: Path, name: str = "one"):
    return WandbLogs(str(folder), "ohlora", "sweep-7", "train", name, mode="offline").make()


class TestWandb:
    @pytest.fixture(autouse=True)
    def installed(self):
        pytest.importorskip("wandb", reason="pip install 'ohlora[wandb]'")

    def test_an_offline_run_is_read_back(self, tmp_path):
        use(offline_run(tmp_path), tmp_path)
        (file,) = tmp_path.rglob("*.wandb")
        text = json.dumps(leet(file), ensure_ascii=False)
        for words in ("sweep-7", "val_f1", "0.75", "classic", "digits", "sheet", "match"):
            assert words in text
        assert exit_code(file) == 0

    def test_each_run_is_its_own_and_finished_also_when_it_failed(self, tmp_path):
        use(offline_run(tmp_path, "first"), tmp_path)
        with pytest.raises(RuntimeError, match="a bug"):
            use(offline_run(tmp_path, "second"), tmp_path, fail=True)
        use(offline_run(tmp_path, "third"), tmp_path)
        files = sorted(tmp_path.rglob("*.wandb"), key=lambda file: file.stat().st_mtime)
        assert [exit_code(file) for file in files] == [0, 1, 0]

    def test_out_of_reach_goes_offline_and_says_so(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody listens there
        logger = WandbLogs(str(tmp_path), "ohlora", None, "train", "one", mode="auto").make()
        use(logger, tmp_path)
        assert "W&B is offline (no network); later: wandb sync" in capsys.readouterr().err
        (file,) = tmp_path.rglob("*.wandb")
        assert "offline-run" in file.parent.name
        assert exit_code(file) == 0

    @pytest.mark.parametrize(
        ("variable", "word", "mode"),
        [
            ("WANDB_MODE", "offline", "offline"),
            ("WANDB_MODE", "dryrun", "offline"),
            ("WANDB_MODE", "disabled", "disabled"),
            ("WANDB_DISABLED", "true", "disabled"),
            ("WANDB_MODE", "online", "online"),
        ],
    )
    def test_the_users_word_holds_where_wandb_can_be_reached(self, monkeypatch, variable, word, mode):
        import wandb

        monkeypatch.setattr(tracking, "wandb_out_of_reach", lambda _: None)
        monkeypatch.setenv(variable, word)
        assert tracking.wandb_mode(wandb, WandbLogs("run", "ohlora", None, "train", "one", "auto")) == mode

    def test_a_disabled_run_leaves_nothing(self, tmp_path, monkeypatch):
        monkeypatch.setenv("WANDB_MODE", "disabled")
        use(WandbLogs(str(tmp_path), "ohlora", None, "train", "one", mode="auto").make(), tmp_path)
        assert not list(tmp_path.rglob("*.wandb"))

    @pytest.mark.parametrize("address", ["localhost:8080", "http://[::1", "http://host:99999", "nonsense"])
    def test_a_wrong_address_is_out_of_reach(self, tmp_path, monkeypatch, capsys, address):
        monkeypatch.setenv("WANDB_BASE_URL", address)
        monkeypatch.setenv("WANDB_MODE", "online")
        use(WandbLogs(str(tmp_path), "ohlora", None, "train", "one", mode="auto").make(), tmp_path)
        assert f"W&B is offline (WANDB_BASE_URL={address} is not an address like" in capsys.readouterr().err
        (file,) = tmp_path.rglob("*.wandb")
        assert exit_code(file) == 0


def exit_code(file: Path) -> int:
    exits = [record["exit"]["exit_code"] for record in leet(file) if record["type"] == "exit"]
    assert len(exits) == 1, "a run that was not finished, or twice"
    return exits[0]
