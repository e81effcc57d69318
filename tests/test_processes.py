"""`trainer=ddp_cpu`: two processes train the model one process would, and one of them speaks."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from ohlora.conf_files import ASSETS
from ohlora.errors import OhloraError
from ohlora.processes import SharedStatistics, process_count, share, summed, trainer_arguments
from ohlora.records.journal import Journal

CPU = torch.device("cpu")


def test_alone_nothing_is_weighed_or_summed():
    assert share(7) == 1
    tensor = torch.ones(3)
    assert summed(tensor) is tensor


class TestDevices:
    @pytest.mark.parametrize(("devices", "count"), [(1, 1), (3, 3), ("auto", 1), (-1, 1)])
    def test_counts(self, devices, count):
        assert process_count(devices, CPU) == count

    @pytest.mark.parametrize(
        ("devices", "device", "fault"),
        [
            ((0, 1), "cpu", "trainer.devices=[0, 1], names cards, but the device is cpu"),
            (2, "mps", "trainer.devices=2, but several processes need cuda or cpu, not mps"),
        ],
    )
    def test_what_is_not_here_is_refused(self, devices, device, fault):
        with pytest.raises(OhloraError) as caught:
            process_count(devices, torch.device(device))
        assert str(caught.value) == fault

    def test_nothing_needs_nccl(self):
        arguments = trainer_arguments({"devices": 2, "strategy": "ddp"}, CPU)
        assert arguments["strategy"].process_group_backend == "gloo"
        alone = {"devices": 1, "strategy": "auto"}
        assert trainer_arguments(alone, CPU) == alone

    def test_the_card_that_the_device_names_is_the_one_trained_on(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        for device, devices, cards in (("cuda:1", 1, [1]), ("cuda", 1, 1), ("cuda:1", [0], [0])):
            assert trainer_arguments({"devices": devices}, torch.device(device)) == {"devices": cards}

    @pytest.mark.parametrize("name", ["auto", "cpu", "gpu", "ddp", "ddp_cpu"])
    def test_every_trainer_has_the_same_settings(self, name, composed):
        cfg = composed("train", f"trainer={name}")
        assert set(cfg.trainer) == set(composed("train").trainer)
        assert cfg.trainer.devices == (2 if name.startswith("ddp") else 1)
        assert cfg.hardware.device == {"auto": "auto", "gpu": "cuda", "ddp": "cuda"}.get(name, "cpu")


def test_layers_are_given_back_as_they_were():
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.BatchNorm2d(4, affine=False)
    )
    keys, layers = list(net.state_dict()), list(net)
    exchange = SharedStatistics()
    exchange.apply(net)
    assert list(net.state_dict()) == keys
    assert net[1] is not layers[1]
    net[1](torch.randn(8, 4, 2, 2))  # alone it is ordinary batch normalisation
    exchange.revert(net)
    assert list(net) == layers
    assert net[1].num_batches_tracked == 1


GRADIENTS = """
import sys
import torch
from lightning.pytorch import Trainer
from torch import nn
from ohlora.processes import SharedStatistics, rank, share, start_processes, summed, world_size
from ohlora.features.autoencoder import correlations

def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 5),
                         nn.BatchNorm1d(5, affine=False)).double()

def loss(net, x):
    codes = net(x)
    return share(len(x)) * (codes[:, 0].exp().mean() + correlations(codes, over_all=True))

images = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
alone = build()
loss(alone, images).backward()
start_processes(2)
assert world_size() == 2
shared = SharedStatistics().apply(build())
loss(shared, images[rank()::2]).backward()  # four images and three
for one, other in zip(alone.parameters(), shared.parameters()):
    # what DDP makes of the gradients
    torch.testing.assert_close(summed(other.grad) / 2, one.grad, rtol=1e-9, atol=1e-12)
for one, other in zip(alone.buffers(), shared.buffers()):
    torch.testing.assert_close(other, one, rtol=1e-9, atol=1e-12)
half = build()
(half(images[::2])[:, 0].exp().mean() + correlations(half(images[::2]))).backward()
assert not torch.allclose(half[0].weight.grad, alone[0].weight.grad, rtol=0.05)
print(f"rank {rank()} agrees")
"""


@pytest.mark.slow
def test_gradients_are_those_of_the_whole_batch(python, tmp_path):
    (tmp_path / "gradients.py").write_text(GRADIENTS)
    variables = {name: value for name, value in os.environ.items() if name != "LOCAL_RANK"}
    done = subprocess.run(
        [python, "gradients.py"],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "rank 0 agrees" in done.stdout


EXACT = ("hardware.precision=32", "trainer.enable_progress_bar=false")
# No random draws, which differ from process to process; an odd number of images; batches of an odd size.
CNN = (
    "dataset=digits",
    "size=smoke",
    "trials=1",
    "budget.min_steps=41",
    "budget.checks=4",
    "params.batch_size=32",
    "params.learning_rate=1e-3",
    "params.augmentation=none",
    "params.dropout_conv_early=0",
    "params.dropout_conv_late=0",
    "params.dropout_fc=0",
    *EXACT,
)
STILL = tuple(f"views.{name}=0" for name in ("zoom", "stretch", "turn", "shift", "light"))
AUTOENCODER = (
    "model=autoencoder",
    "dataset=digits",
    "size=smoke",
    "lesson.batch_size=101",
    "lesson.learning_rate=1e-3",
    *STILL,
    *EXACT,
)
PREDICTOR = ("model=hp_predictor", "predictor_epochs=1", "model.folds=2", "tables=[small.parquet]")


@pytest.fixture
def small_table(tmp_path):
    """The first subsets of three datasets of the shipped table, beside where the command runs."""
    table = pd.read_parquet(ASSETS / "target_table.parquet")
    table = table[table.dataset.isin(["mnist", "fashion", "digits"])]
    table = table[table.groupby("dataset").seed.rank(method="dense") <= 4]
    table.to_parquet(tmp_path / "small.parquet")


def both(door, folder: Path, *words: str) -> tuple[Path, Path]:
    """The same command alone and by two processes, each in its folder."""
    for name, more in (("one", []), ("two", ["trainer=ddp_cpu"])):
        done = door(
            "train.py", *words, *more, f"hydra.run.dir={name}", f"paths.table={name}/table", cwd=folder
        )
        assert done.returncode == 0, done.stderr
        (folder / name / "said").write_text(done.stdout)
    one, two = folder / "one", folder / "two"
    files = [
        sorted(p.relative_to(run).as_posix() for p in run.rglob("*") if "journal" not in p.parts)
        for run in (one, two)
    ]
    assert files[0] == files[1], "one output folder, with nothing of the second process in it"
    assert len(lines_said(two)) == len(lines_said(one))
    return one, two


def lines_said(run: Path) -> list[str]:
    """What a run printed, without the lines that a slow one adds to say how far it is."""
    return [line for line in (run / "said").read_text().splitlines() if not line.endswith(" left")]


@pytest.mark.slow
def test_a_watched_trial_by_two_processes(door, tmp_path):
    one, two = both(door, tmp_path, *CNN)
    a, b = (json.loads((run / "trial.json").read_text()) for run in (one, two))
    assert (b["steps"], b["epochs"], b["trial"]) == (a["steps"], a["epochs"], a["trial"])
    for point, other in zip(a["curve"], b["curve"], strict=True):
        # With half of the data it is off by 5% and more; Adam lets rounding grow to 0.1%.
        assert other == pytest.approx(point, rel=0.005)
    assert b["test_f1"] == pytest.approx(a["test_f1"], abs=0.01)
    assert len(Journal(two / "table").records()) == 1
    assert len(list((two / "table" / "journal").iterdir())) == 1
    logged = [pd.read_csv(run / "csv" / "metrics.csv").train_loss.dropna() for run in (one, two)]
    assert len(logged[0]) == len(logged[1]) == 41
    assert logged[1].tolist() == pytest.approx(logged[0].tolist(), rel=0.005)


@pytest.mark.slow
def test_an_autoencoder_by_two_processes(door, tmp_path):
    one, two = both(door, tmp_path, *AUTOENCODER)
    encoders = [load_file(run / "encoder.safetensors") for run in (one, two)]
    for name, weights in encoders[0].items():
        torch.testing.assert_close(encoders[1][name], weights, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_predictor_by_two_processes_is_the_very_same(door, small_table, tmp_path):
    one, two = both(door, tmp_path, *PREDICTOR)
    assert (two / "report.json").read_text() == (one / "report.json").read_text()
    predictors = [load_file(run / "hp_predictor.safetensors") for run in (one, two)]
    for name, weights in predictors[0].items():
        assert torch.equal(predictors[1][name], weights), name


@pytest.mark.slow
def test_a_multirun_over_devices_gives_the_values_of_the_single_runs(door, tmp_path):
    words = [*CNN, "hardware.device=cpu"]
    done = door("train.py", "-m", *words, "trainer.devices=1,2", "hydra.sweep.dir=sweep", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for number, devices in enumerate((1, 2)):
        alone = door(
            "train.py", *words, f"trainer.devices={devices}", f"hydra.run.dir=alone{devices}", cwd=tmp_path
        )
        assert alone.returncode == 0, alone.stderr
        curves = [
            json.loads((tmp_path / folder / "trial.json").read_text())["curve"]
            for folder in (f"sweep/{number}", f"alone{devices}")
        ]
        assert curves[0] == curves[1]
        answer = json.loads((tmp_path / "sweep" / str(number) / "finished.json").read_text())["answer"]
        assert answer == max(curves[1], key=lambda point: -point["val_loss"])["val_f1"]
    jobs = sorted(path.name for path in (tmp_path / "sweep").iterdir() if path.is_dir())
    assert jobs == ["0", "1"]


@pytest.mark.slow
def test_two_processes_without_a_trainer_under_a_multirun(door, small_table, tmp_path):
    table = f"tables=[{tmp_path / 'small.parquet'}]"  # a job's own process has a folder of its own
    done = door(
        "train.py", "-m", *PREDICTOR[:3], table, "trainer=ddp_cpu", "hydra.sweep.dir=sweep", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "sweep").iterdir() if path.is_dir()] == ["0"]
    assert json.loads((tmp_path / "sweep" / "0" / "finished.json").read_text())["answer"] > 0


class TestRefusals:
    def test_one_process_for_many_jobs_cannot_use_many_devices(self, door, tmp_path):
        words = ("-m", "hydra/launcher=basic", "dataset=digits", "trainer.devices=2")
        done = door("train.py", *words, cwd=tmp_path)
        assert done.returncode == 2
        last = done.stderr.splitlines()[-1]
        assert "trainer.devices=2 in a multirun inside one process" in last
        assert "leave out hydra/launcher" in last

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("trials=24", "trainer=ddp_cpu"), "many trials go side by side"),
            (("trials=1", "hardware.device=cpu", "trainer.devices=0"), "devices=0 is not"),
            (("model=autoencoder", "trainer=ddp_cpu", "trainer.devices=[0,1]"), "names cards"),
        ],
    )
    def test_devices_that_make_no_sense(self, words, told, door, tmp_path):
        done = door("train.py", "dataset=digits", *words, cwd=tmp_path)
        assert done.returncode == 2
        assert told in done.stderr
        assert "Traceback" not in done.stderr
