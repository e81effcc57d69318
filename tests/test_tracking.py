"""What is logged can be read back, and every run is finished."""

from __future__ import annotations

import csv
import hashlib
import json
import socket
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from tests.offline_runs import only_run, read_run
from tests.silent_wandb import silent_wandb

from ohlora import lineage, tracking
from ohlora.loggers import CsvLogs, TensorboardLogs, WandbLogs
from ohlora.tracking import (
    log_confusion,
    log_picture,
    log_table,
    tracked,
)

CONFIG = {"dataset": {"name": "digits"}, "trials": 3, "choices": {"space": "classic"}}
TABLE = pd.DataFrame({"who": ["you", "오로라"], "test_f1": [0.5, None], "value": [32, "relu"]})
MATRIX = np.array([[3, 1], [0, 4]])


def use(logger, folder: Path, fail: bool = False) -> None:
    """A short run: its config, two points, a picture, a table; perhaps a mishap."""
    picture = folder / "picture.png"
    Image.new("RGB", (12, 8), "orange").save(picture)
    with tracked(logger, CONFIG):
        logger.log_metrics({"val_f1": 0.25}, step=1)
        logger.log_metrics({"val_f1": 0.75}, step=2)
        log_picture(logger, "sheet", picture)
        log_table(logger, "match", TABLE, [Image.new("L", (4, 4))] * len(TABLE))
        log_confusion(logger, MATRIX, ["cat", "개"])
        if fail:
            raise RuntimeError("a bug")


class TestCsv:
    def test_numbers_config_and_table_are_files(self, tmp_path):
        use(CsvLogs(str(tmp_path)).make(), tmp_path)
        rows = list(csv.DictReader((tmp_path / "csv" / "metrics.csv").read_text().splitlines()))
        assert [(row["step"], row["val_f1"]) for row in rows] == [("1", "0.25"), ("2", "0.75")]
        assert yaml.safe_load((tmp_path / "csv" / "hparams.yaml").read_text()) == CONFIG
        assert pd.read_csv(tmp_path / "csv" / "match.csv").equals(TABLE.astype({"value": str}))
        cells = pd.read_csv(tmp_path / "csv" / "confusion_matrix.csv")
        assert cells.pivot(index="Actual", columns="Predicted", values="nPredictions").loc["cat", "개"] == 1

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
        pytest.importorskip("tensorboard", reason='pip install "ohlora[tensorboard]"')

    def test_scalars_picture_and_table_are_read_back(self, tmp_path):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        use(TensorboardLogs(str(tmp_path)).make(), tmp_path)
        events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
        assert [(e.step, e.value) for e in events.Scalars("val_f1")] == [(1, 0.25), (2, 0.75)]
        assert events.Images("sheet")[0].width == 12
        assert any("match" in tag for tag in events.Tags()["tensors"])
        assert yaml.safe_load((tmp_path / "tensorboard" / "hparams.yaml").read_text()) == CONFIG


def wandb_logs(folder: Path, mode: str = "offline", name: str | None = None) -> WandbLogs:
    return WandbLogs(str(folder), "ohlora", "sweep-7", "cnn", "digits", "smoke", name, ("mine",), mode=mode)


class TestWandb:
    @pytest.fixture(autouse=True)
    def installed(self):
        pytest.importorskip("wandb", reason='pip install "ohlora[wandb]"')

    @pytest.mark.slow
    def test_an_offline_run_is_read_back(self, tmp_path):
        use(wandb_logs(tmp_path).make(), tmp_path)
        run = only_run(tmp_path)
        assert run.exits == [0]
        assert run.about["job_type"] == "cnn"
        assert run.about["run_group"] == "sweep-7"
        assert run.about["display_name"] == "cnn digits"
        assert run.about["tags"] == ["cnn", "digits", "smoke", "mine"]
        assert run.config["choices"] == CONFIG["choices"]
        assert run.history["val_f1"] == [0.25, 0.75]
        assert run.history["sheet"] == ["images/separated"]
        assert run.history["match"] == run.history["confusion_matrix_table"] == ["table-file"]
        (file,) = tmp_path.rglob("match_*.table.json")
        table = json.loads(file.read_text())
        assert table["columns"] == ["image", "who", "test_f1", "value"]
        assert [row[1:] for row in table["data"]] == [["you", 0.5, "32"], ["오로라", None, "relu"]]
        assert [path for path in run.tables["match"] if path.endswith(".png")]

    def test_what_was_read_and_made_is_kept(self, tmp_path):
        source, weights = tmp_path / "trials.parquet", tmp_path / "model.bin"
        with tracked(wandb_logs(tmp_path).make(), CONFIG):
            source.write_bytes(b"rows")
            lineage.read("table", "trials", source)
            for content in (b"early", b"late"):
                weights.write_bytes(content)
                lineage.made("model", "predictor", weights)
            lineage.read("model", "predictor", weights)  # its own: no input
        run = only_run(tmp_path)
        digests = {name: hashlib.sha256(name).hexdigest() for name in (b"rows", b"late")}
        assert run.config["inputs"] == [{"kind": "table", "name": "trials", "sha256": digests[b"rows"]}]
        assert [one["sha256"] for one in run.config["outputs"]] == [digests[b"late"]]
        assert run.artifacts["predictor"]["metadata"]["sha256"] == digests[b"late"]
        assert json.loads((tmp_path / "lineage.json").read_text())["outputs"] == run.config["outputs"]

    def test_what_another_process_has_gone_on_with_is_left_to_it(self, tmp_path):
        table = tmp_path / "trials.parquet"
        with tracked(wandb_logs(tmp_path).make(), CONFIG):
            table.write_bytes(b"mine")
            lineage.made("table", "trials", table)
            table.write_bytes(b"mine and theirs")
        assert not only_run(tmp_path).artifacts

    def test_each_run_is_its_own_and_finished_also_when_it_failed(self, tmp_path):
        use(wandb_logs(tmp_path, name="first").make(), tmp_path)
        with pytest.raises(RuntimeError, match="a bug"):
            use(wandb_logs(tmp_path, name="second").make(), tmp_path, fail=True)
        use(wandb_logs(tmp_path, name="third").make(), tmp_path)
        files = sorted(tmp_path.rglob("*.wandb"), key=lambda file: file.stat().st_mtime)
        runs = [read_run(file) for file in files]
        assert [run.exits for run in runs] == [[0], [1], [0]]
        assert [run.about["display_name"] for run in runs] == ["first", "second", "third"]

    @pytest.mark.parametrize("mode", ["auto", "online"])
    def test_out_of_reach_goes_offline_and_says_so(self, tmp_path, monkeypatch, capsys, mode):
        monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody listens there
        monkeypatch.setenv("WANDB_MODE", "online")
        started = time.monotonic()
        use(wandb_logs(tmp_path, mode).make(), tmp_path)
        assert time.monotonic() - started < 20  # a second where nobody else is at work
        assert "W&B is offline (no network); later: wandb sync" in capsys.readouterr().err
        (file,) = tmp_path.rglob("*.wandb")
        assert "offline-run" in file.parent.name
        assert read_run(file).exits == [0]

    def test_a_server_that_never_answers_is_no_network(self, tmp_path, monkeypatch, capsys):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
            monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
            monkeypatch.setattr(tracking, "ANSWER_S", 0.2)
            use(wandb_logs(tmp_path, "auto").make(), tmp_path)
        assert "W&B is offline (no network)" in capsys.readouterr().err
        assert only_run(tmp_path).exits == [0]

    def test_a_run_that_does_not_begin_in_time_is_offline(self, tmp_path, monkeypatch, capsys):
        """W&B is there, says the probe; then it does not answer."""
        monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setattr(tracking, "wandb_out_of_reach", lambda _: None)
        monkeypatch.setattr(tracking, "INIT_S", 1)
        use(wandb_logs(tmp_path, "online").make(), tmp_path)
        assert "W&B is offline (no answer" in capsys.readouterr().err
        runs = [read_run(file) for file in tmp_path.rglob("offline-run-*/*.wandb")]
        assert [run.exits for run in runs] == [[0]]

    @pytest.mark.slow
    def test_a_network_that_is_lost_later_costs_so_many_seconds_at_the_end(
        self, tmp_path, monkeypatch, capsys
    ):
        """What was not uploaded lies on disk."""
        import wandb

        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setattr(tracking, "INIT_S", 60)  # on a busy machine
        monkeypatch.setattr(tracking, "FINISH_S", 1)
        with silent_wandb() as address:
            wandb.teardown()  # it keeps the address that it has read first
            monkeypatch.setenv("WANDB_BASE_URL", address)
            logger = wandb_logs(tmp_path, "online").make()
            started = time.monotonic()
            use(logger, tmp_path)
            took = time.monotonic() - started
        wandb.teardown()
        (file,) = tmp_path.rglob("*.wandb")
        assert file.parent.name.startswith("run-"), "it was offline from the beginning"
        assert 1 <= took < 60  # for ever without the limit
        assert "W&B does not keep" in capsys.readouterr().err
        assert read_run(file).history["val_f1"] == [0.25, 0.75]

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
        assert tracking.wandb_mode(wandb, wandb_logs(Path("run"), "auto")) == mode

    def test_a_disabled_run_leaves_nothing(self, tmp_path, monkeypatch):
        monkeypatch.setenv("WANDB_MODE", "disabled")
        use(wandb_logs(tmp_path, "auto").make(), tmp_path)
        assert not list(tmp_path.rglob("*.wandb"))

    @pytest.mark.parametrize("address", ["localhost:8080", "http://[::1", "http://host:99999", "nonsense"])
    def test_a_wrong_address_is_out_of_reach(self, tmp_path, monkeypatch, capsys, address):
        monkeypatch.setenv("WANDB_BASE_URL", address)
        monkeypatch.setenv("WANDB_MODE", "online")
        monkeypatch.setattr(tracking, "WRONG_ADDRESS", [])
        use(wandb_logs(tmp_path, "auto").make(), tmp_path)
        assert f"W&B is offline (WANDB_BASE_URL={address} is not an address like" in capsys.readouterr().err
        assert only_run(tmp_path).exits == [0]

    def test_a_wrong_address_never_becomes_that_of_wandb_itself(self, monkeypatch, capsys):
        import wandb

        monkeypatch.setattr(tracking, "wandb_out_of_reach", lambda _: None)  # it could be reached
        monkeypatch.setattr(tracking, "WRONG_ADDRESS", [])
        monkeypatch.setenv("WANDB_BASE_URL", "localhost:8080")
        logs = wandb_logs(Path("run"), "online")
        assert [tracking.wandb_mode(wandb, logs) for _ in range(3)] == ["offline"] * 3
        assert capsys.readouterr().err.count("WANDB_BASE_URL=localhost:8080 is not an address") == 3
        monkeypatch.setenv("WANDB_BASE_URL", "http://localhost:8080")
        assert tracking.wandb_mode(wandb, logs) == "online"
