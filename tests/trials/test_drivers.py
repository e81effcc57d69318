"""Two drivers, one module: the same seed gives the same record."""

from __future__ import annotations

import dataclasses
import math
import random
import re

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from ohlora import progress
from ohlora.datasets.subset import draw_valid_seeds
from ohlora.hardware import Hardware
from ohlora.trials import drivers
from ohlora.trials.cnn import CnnClassifier
from ohlora.trials.drivers import Check, EarlyStopping, score_test, train_and_score
from ohlora.trials.protocol import Budget, Protocol

QUIET = {
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
    "logger": False,
}


@pytest.fixture(scope="module")
def short(smoke):
    """40 steps, 8 validations."""
    return Protocol(smoke.network, Budget(epochs=1, min_steps=40, checks=8, patience=3))


@pytest.fixture(scope="module")
def train(digits_subset, cpu, good_params, short):
    """`train(seed=1, learning_rate=...)`: one trial on the digits subset."""

    def run(protocol=short, seed=0, subset=digits_subset, settings=None, **changes):
        params = {**good_params, **changes}
        return train_and_score(params, subset, "f", "s", protocol, seed, cpu, settings)

    return run


def result(outcome) -> dict:
    """All of a record but what tells of the occasion."""
    row = outcome.record.row()
    return {k: v for k, v in row.items() if k not in ("elapsed_s", "finished_at", "driver")}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"augmentation": "shift_flip", "dropout_fc": 0.5, "optimizer": "adamw", "scheduler": "exp_90"},
        {"batch_size": 16, "learning_rate": 6e-3, "activation": "leaky_relu"},
    ],
    ids=["plain", "random inside", "small batches"],
)
def test_trainer_and_lean_loop_give_the_same_record(train, changes, tmp_path):
    lean = train(**changes)
    watched = train(settings={**QUIET, "default_root_dir": str(tmp_path)}, **changes)
    assert (lean.record.driver, watched.record.driver) == ("lean", "trainer")
    assert result(lean) == result(watched)
    for one, other in zip(lean.curve, watched.curve, strict=True):
        assert one == pytest.approx(other, rel=1e-6)
    for name, weights in lean.module.state_dict().items():
        assert torch.equal(weights, watched.module.state_dict()[name]), name


def test_a_watched_trial_says_how_far_it_is(train, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.02)
    train(settings={**QUIET, "enable_progress_bar": True, "default_root_dir": str(tmp_path)})
    told = capsys.readouterr()
    assert re.search(r"^optimiser steps: \d+ of 40, .*val_f1 0\.\d+.* left$", told.out, re.MULTILINE)
    assert "Epoch" not in told.out + told.err, "Lightning's own bar is not there"


def test_the_same_seed_repeats_and_another_does_not(train):
    one, again, other = train(seed=4), train(seed=4), train(seed=5)
    assert result(one) == result(again)
    assert torch.equal(one.test_logits, again.test_logits)
    assert not torch.equal(one.test_logits, other.test_logits)


@pytest.mark.slow
def test_digits_are_learned(train, short):
    long = dataclasses.replace(short, budget=Budget(epochs=20, min_steps=200, checks=10, patience=5))
    record = train(protocol=long).record
    assert record.status == "complete"
    assert record.val_f1 > 0.9
    assert record.test_f1 > 0.85


def test_the_global_random_state_is_left_alone(train, tmp_path):
    states = []
    for settings in (None, {**QUIET, "default_root_dir": str(tmp_path)}):
        torch.manual_seed(11)
        np.random.seed(11)
        random.seed(11)
        train(settings=settings)
        states.append((torch.rand(1).item(), np.random.random(), random.random()))
    torch.manual_seed(11)
    np.random.seed(11)
    random.seed(11)
    untouched = (torch.rand(1).item(), np.random.random(), random.random())
    assert states == [untouched, untouched]


def test_it_does_not_matter_what_was_drawn_before(train):
    torch.manual_seed(1)
    one = train()
    torch.manual_seed(2)
    assert result(one) == result(train())


class TestEarlyStopping:
    """Validation losses go in, the moment to stop comes out."""

    @pytest.fixture
    def module(self):
        return torch.nn.Linear(1, 1)

    def test_stops_after_patience_and_keeps_the_best_weights(self, module):
        stopping = EarlyStopping(patience=2)
        answers = []
        for step, loss in enumerate([3.0, 2.0, 2.5, 1.0, 1.5, 1.2]):
            torch.nn.init.constant_(module.weight, step)
            answers.append(stopping.see(module.state_dict, Check(step, 0.0, loss, val_f1=step / 10)))
        assert answers == [False, False, False, False, False, True]
        assert (stopping.best_loss, stopping.val_f1) == (1.0, 0.3)
        assert stopping.weights["weight"].item() == 3
        assert not stopping.diverged

    @pytest.mark.parametrize("loss", [math.nan, math.inf])
    def test_a_loss_without_end_is_a_divergence_and_keeps_what_was_good(self, module, loss):
        stopping = EarlyStopping(patience=9)
        assert not stopping.see(module.state_dict, Check(1, 0.0, 2.0, val_f1=0.6))
        assert stopping.see(module.state_dict, Check(2, 0.0, loss, val_f1=0.1))
        assert stopping.diverged
        assert (stopping.best_loss, stopping.val_f1) == (2.0, 0.6)

    def test_diverged_from_the_start_earns_the_score_it_has(self, module):
        stopping = EarlyStopping(patience=9)
        assert stopping.see(module.state_dict, Check(1, 0.0, math.nan, val_f1=0.1))
        assert (stopping.weights, stopping.val_f1) == (None, 0.1)


class TestStopping:
    def test_early_stopping_stops_both_drivers_at_the_same_step(self, train, short, tmp_path):
        """With all there is to learn learned, the loss wanders and patience runs out."""
        eager = dataclasses.replace(short, budget=Budget(epochs=1, min_steps=600, checks=100, patience=1))
        lean = train(protocol=eager, learning_rate=6e-3)
        watched = train(
            protocol=eager, learning_rate=6e-3, settings={**QUIET, "default_root_dir": str(tmp_path)}
        )
        assert lean.record.steps < 600
        assert lean.record.steps == watched.record.steps
        assert lean.curve[-1]["val_loss"] > lean.record.val_loss == lean.curve[-2]["val_loss"]

    def test_the_best_weights_are_scored_not_the_last(self, train, short):
        outcome = train(protocol=dataclasses.replace(short, budget=Budget(1, 60, 20, 20)), learning_rate=6e-3)
        best = min(outcome.curve, key=lambda point: point["val_loss"])
        assert (outcome.record.val_loss, outcome.record.val_f1) == (best["val_loss"], best["val_f1"])

    @pytest.mark.parametrize("driver", ["lean", "trainer"])
    def test_a_diverging_trial_becomes_a_record(self, train, driver, tmp_path):
        settings = {**QUIET, "default_root_dir": str(tmp_path)} if driver == "trainer" else None
        outcome = train(settings=settings, learning_rate=1e30)
        assert outcome.record.status == "diverged"
        assert 0 <= outcome.record.val_f1 < 0.6
        assert math.isfinite(outcome.record.val_loss)
        assert outcome.record.steps < 40


@pytest.mark.parametrize(("channels", "size"), [(1, (28, 28)), (3, (32, 32)), (3, (9, 20)), (2, (5, 5))])
def test_any_image_size_and_channel_count_can_be_swept(channels, size, stripes, varied, train, cache_dir):
    data = stripes(channels, size, n=600)
    _, subset = next(draw_valid_seeds(varied, data, 0, cache_dir))
    record = train(subset=subset).record
    assert record.status == "complete"
    assert record.val_f1 > 0.6


def test_checkpoints_load_without_unpickling(train, tmp_path):
    checkpoint = ModelCheckpoint(dirpath=tmp_path, filename="best", save_last=True)
    settings = {
        **QUIET,
        "enable_checkpointing": True,
        "callbacks": [checkpoint],
        "default_root_dir": str(tmp_path),
    }
    outcome = train(settings=settings)
    for name in ("best", "last"):
        content = torch.load(tmp_path / f"{name}.ckpt", weights_only=True)
        assert content["hyper_parameters"]["params"] == outcome.record.key.params
    again = CnnClassifier.load_from_checkpoint(tmp_path / "best.ckpt", weights_only=True)
    assert torch.equal(again.whitening.weight, outcome.module.whitening.weight)


def test_bf16_trains_as_well(digits_subset, good_params, short):
    record = train_and_score(
        good_params, digits_subset, "f", "s", short, 0, Hardware("cpu", "bf16", 1)
    ).record
    assert record.precision == "bf16"
    assert record.status == "complete"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_gpu_gives_a_like_score(train, good_params, digits_subset, short):
    on_cpu = train().record
    on_gpu = train_and_score(
        good_params, digits_subset, "f", "s", short, 0, Hardware("cuda", "32", None)
    ).record
    assert abs(on_cpu.val_f1 - on_gpu.val_f1) < 0.1


@pytest.mark.parametrize("driver", ["lean", "trainer"])
def test_training_never_touches_the_test_images(sealed_subset, good_params, short, cpu, driver, tmp_path):
    settings = {**QUIET, "default_root_dir": str(tmp_path)} if driver == "trainer" else None
    training = drivers.train(good_params, sealed_subset, short, 0, cpu, settings)
    assert 0 <= training.val_f1 <= 1
    with pytest.raises(AssertionError, match="touched"):
        score_test(training)


def test_apart_or_at_once_the_score_is_the_same(train, digits_subset, good_params, short, cpu):
    training = drivers.train(good_params, digits_subset, short, 0, cpu)
    logits, _, test_f1 = score_test(training)
    whole = train()
    assert (training.val_f1, test_f1) == (whole.record.val_f1, whole.record.test_f1)
    assert torch.equal(logits, whole.test_logits)


def test_whoever_watches_is_told_every_step_and_may_end_it(digits_subset, good_params, short, cpu):
    seen = []

    def stopping(step, steps):
        seen.append((step, steps))
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drivers.train(good_params, digits_subset, short, 0, cpu, on_step=stopping)
    assert seen == [(step, 40) for step in range(1, 6)]
