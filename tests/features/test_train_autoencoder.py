"""`train.py model=autoencoder` as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from tests.offline_runs import shows
from tests.reported import reported

from ohlora.build import build
from ohlora.datasets.images import ImageData
from ohlora.datasets.pictures import to_picture
from ohlora.errors import OhloraError
from ohlora.features.autoencoder import load_encoder
from ohlora.features.autoencoder_job import Lesson, TrainAutoencoder
from ohlora.features.train_autoencoder import written


@pytest.fixture
def job(composed: Callable[..., DictConfig], tmp_path: Path) -> Callable[..., TrainAutoencoder]:
    def made(*overrides: str, run: str = ".") -> TrainAutoencoder:
        always = [
            "model=autoencoder",
            "dataset=digits",
            "size=smoke",
            "callbacks=none",
            "hardware.precision=32",
        ]
        quiet = ["trainer.enable_progress_bar=false", "trainer.enable_checkpointing=false"]
        cfg = composed("train", *always, *quiet, *overrides)
        cfg.paths.run_dir = str(tmp_path / run)
        return build(cfg.job)

    return made


def lesson(**changes: Any) -> Lesson:
    settings = {"epochs": 2, "min_steps": 10, "checks": 2, "batch_size": 256, "learning_rate": 1e-3}
    return Lesson(**{**settings, "weight_decay": 0.0, "agreement": 1.0, "decorrelation": 0.0, **changes})


@pytest.mark.parametrize("n", [2, 3, 60, 255, 256, 257, 513, 1008, 55000])
def test_no_batch_is_left_with_a_single_image(n: int) -> None:
    batch_size, steps = lesson().plan(n)
    assert batch_size <= 256
    assert n % batch_size != 1 or batch_size == 1
    assert steps >= 10


@pytest.mark.slow
def test_the_whole_dataset_is_the_default_and_subsets_stay_possible(
    composed: Callable[..., DictConfig],
) -> None:
    assert composed("train", "model=autoencoder").subset.family.name == "none"
    assert composed("train", "model=autoencoder", "subset=varied").subset.family.name == "varied"
    assert composed("train", "model=cnn").subset.family.name == "varied"


def test_every_fault_is_named_before_anything_starts(job: Callable[..., TrainAutoencoder]) -> None:
    with pytest.raises(OhloraError) as caught:
        job(
            "lesson.batch_size=1",
            "network.code=0",
            "lesson.agreement=-1",
            "network.widths=[8,0]",
            "views.shift=2",
        )
    for fault in (
        "lesson.batch_size=1 is not a whole number from 2 up",
        "lesson.agreement=-1 is not a number from 0 up",
        "network.code=0 is not a whole number from 1 to 4096",
        "network.widths=[8, 0] is not a list",
        "views.shift=2 is not a number from 0 to 1",
    ):
        assert fault in str(caught.value)


def test_a_card_has_the_numbers_as_they_were_typed(job: Callable[..., TrainAutoencoder]) -> None:
    assert '"epochs": 5,' in json.dumps(written(job("lesson.epochs=5").lesson))
    assert '"epochs": 0.02,' in json.dumps(written(job().lesson))


@pytest.mark.slow
def test_a_run_leaves_an_encoder_and_its_report(
    job: Callable[..., TrainAutoencoder], tmp_path: Path, digits: ImageData
) -> None:
    before = torch.random.get_rng_state()
    accuracy = job().run()
    assert torch.equal(torch.random.get_rng_state(), before)  # nobody else's randomness is touched
    assert 0.5 < accuracy <= 1
    encoder = load_encoder(tmp_path / "encoder")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["dataset"] == "digits"
    assert report["training"]["steps"] == 12
    assert report["scores"]["codes"]["different_over_same"] > 1.12
    assert 5 < report["scores"]["reconstructions"]["psnr"] < 40
    for picture in ("reconstructions.png", "codes.png", "nearest_pairs.png"):
        assert (tmp_path / picture).stat().st_size > 1000
    codes = encoder.encode(digits.test.images)
    job(run="again").run()
    assert torch.equal(load_encoder(tmp_path / "again" / "encoder").encode(digits.test.images), codes)


def test_a_small_varied_subset_works_too(job: Callable[..., TrainAutoencoder], tmp_path: Path) -> None:
    job("subset=varied", "subset.seed=3", "lesson.agreement=0", "lesson.decorrelation=0").run()
    assert load_encoder(tmp_path / "encoder").card["subset"]["family"] == "varied"


def test_one_test_image_a_class_is_enough(
    job: Callable[..., TrainAutoencoder], tmp_path: Path, digits: ImageData
) -> None:
    for label in range(3):
        (tmp_path / "photos" / str(label)).mkdir(parents=True)
        for i, image in enumerate(digits.train.images[digits.train.labels == label][:6]):
            to_picture(image).save(tmp_path / "photos" / str(label) / f"{i}.png")
    job("dataset=folder", f"dataset.root={tmp_path / 'photos'}", "dataset.image_size=8").run()
    assert load_encoder(tmp_path / "encoder").card["scores"]["codes"]["different_over_same"] is None
    assert len(reported(tmp_path, "Encoders").figures) == 3


@pytest.mark.slow
@pytest.mark.parametrize("logger", ["wandb", "tensorboard"])
def test_the_journey_through_the_door(door: Callable[..., Any], tmp_path: Path, logger: str) -> None:
    words = ["model=autoencoder", "dataset=digits", "size=smoke", f"logger={logger}", "hydra.run.dir=run"]
    done = door("train.py", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "different / same label distance" in done.stdout
    run = tmp_path / "run"
    card = load_encoder(run / "encoder").card
    assert card["command"] == f"python train.py model=autoencoder dataset=digits size=smoke logger={logger}"
    assert (run / "checkpoints" / "last.ckpt").is_file()
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["hyper_parameters"]["image_shape"] == (1, 8, 8)
    assert (run / logger).is_dir()
    shown = reported(run, "Encoders")
    assert len(shown.figures) == 3
    if logger == "tensorboard":  # whose numbers are drawn
        assert {"loss", "psnr"} <= {chart.title for chart in shown.charts}
    if logger == "wandb":
        logged = shows(run, "Autoencoders")
        assert [path for path in logged.tables["rebuilt"] if path.endswith(".png")]
        assert logged.artifacts["encoder"]["metadata"]["sha256"] == card["weights"]["sha256"]
