"""One CNN + one set of hyperparameters + one subset -> one score, driven lean or by Lightning's Trainer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ohlora.datasets.loading import Batches, SubsetDataModule
from ohlora.datasets.subset import Subset
from ohlora.hardware import Hardware
from ohlora.processes import own_draws, trainer_arguments
from ohlora.provenance import current_commit
from ohlora.records.record import TrialKey, TrialRecord, epochs_seen
from ohlora.space import Params
from ohlora.training_progress import progress_callbacks
from ohlora.trials.cnn import CnnClassifier, score
from ohlora.trials.protocol import Protocol

OnStep = Callable[[int, int], None]  # (steps taken, steps at most); it may raise to end the training


Weights = Callable[[], dict[str, Tensor]]


class Check(NamedTuple):
    """One validation on the way."""

    step: int
    train_loss: float
    val_loss: float
    val_f1: float  # macro-F1, 0 to 1


def nothing(step: int, steps: int) -> None:
    """Nobody is told."""


@dataclass
class EarlyStopping:
    """Keeps the best weights by validation loss and says when to stop."""

    patience: int
    best_loss: float = math.inf
    val_f1: float = 0.0
    weights: dict[str, Tensor] | None = None
    since_best: int = 0
    diverged: bool = False
    curve: list[dict[str, float]] = field(default_factory=list)

    def see(self, weights: Weights, check: Check) -> bool:
        """Take in one validation; True when training should stop. `weights` gives them for keeping."""
        self.curve.append(check._asdict())
        if not math.isfinite(check.val_loss):
            self.diverged = True
            self.val_f1 = check.val_f1 if self.weights is None else self.val_f1
            return True
        if check.val_loss < self.best_loss:
            self.best_loss, self.val_f1, self.since_best = check.val_loss, check.val_f1, 0
            self.weights = {name: tensor.detach().clone() for name, tensor in weights().items()}
        else:
            self.since_best += 1
        return self.since_best >= self.patience


@dataclass
class LastWeights(EarlyStopping):
    """Trains to the end and keeps what is there then; stops early only where the loss is no number.

    The best validation loss of many is luck where few images validate: on folders of 60 to 300 images the
    last weights are worth more (docs/advise.md).
    """

    patience: int = 0

    def see(self, weights: Weights, check: Check) -> bool:
        self.curve.append(check._asdict())
        self.best_loss, self.val_f1 = check.val_loss, check.val_f1
        self.diverged = not math.isfinite(check.val_loss)
        return self.diverged


@dataclass(frozen=True)
class Training:
    """A network with its best weights by validation loss; the test split has not been opened for it."""

    module: CnnClassifier
    data: SubsetDataModule
    stopping: EarlyStopping
    steps: int  # optimiser steps taken
    device: torch.device
    precision: str

    @property
    def val_f1(self) -> float:
        """Validation macro-F1 of the best weights, 0 to 1."""
        return self.stopping.val_f1


@dataclass(frozen=True)
class TrialOutcome:
    """A trained network with its record and what was seen on the way."""

    record: TrialRecord
    module: CnnClassifier
    curve: list[dict[str, float]]  # step, train_loss, val_loss, val_f1 at each validation
    test_logits: Tensor  # [n, classes]; n is 0 where the test split was not opened
    test_labels: Tensor  # [n]


def train(
    params: Params,
    subset: Subset,
    protocol: Protocol,
    seed: int,
    hardware: Hardware,
    trainer_settings: dict[str, Any] | None = None,
    on_step: OnStep = nothing,
    stopping: EarlyStopping | None = None,
) -> Training:
    """Train one CNN on `subset`; its test images are not touched.

    Without `trainer_settings` the lean loop drives; with them Lightning's Trainer does, built from
    them. Both call the module's own `training_step` and `configure_optimizers`, and give the same
    weights for the same seed. The lean loop tells `on_step` how far it is. `stopping` says when to stop
    and which weights to keep; None: as the protocol has it.
    """
    device, precision = hardware.resolve()
    batch_size = int(params["batch_size"])
    data = SubsetDataModule(subset, batch_size, seed)
    steps = protocol.budget.steps(len(subset.train), batch_size)
    stopping = stopping or EarlyStopping(protocol.budget.patience)
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        images = data.split("train").images
        module = CnnClassifier.build(params, protocol.network, images, len(subset.class_names), steps)
        check_every = protocol.budget.check_every(steps)
        if trainer_settings is None:
            taken = drive_lean(module, data, stopping, steps, check_every, device, precision, on_step)
        else:
            taken = drive_trainer(
                module, data, stopping, steps, check_every, device, precision, trainer_settings
            )
    if stopping.weights is not None:
        module.load_state_dict(stopping.weights)
    return Training(module, data, stopping, taken, device, precision)


def score_test(training: Training) -> tuple[Tensor, Tensor, float]:
    """Open the test split: logits and labels of its images, and the macro-F1, 0 to 1."""
    module = training.module.to(training.device)
    logits, labels = predict(module, training.data.test_dataloader(), training.device, training.precision)
    return logits, labels, score(logits, labels)[1]


def train_and_score(
    params: Params,
    subset: Subset,
    subset_fingerprint: str,
    space_fingerprint: str,
    protocol: Protocol,
    seed: int,
    hardware: Hardware,
    trainer_settings: dict[str, Any] | None = None,
    tested: bool = True,
) -> TrialOutcome:
    """`train`, then `score_test` unless it is not to be `tested`, and the record of both."""
    started = time.perf_counter()
    training = train(params, subset, protocol, seed, hardware, trainer_settings)
    if tested:
        test_logits, test_labels, test_f1 = score_test(training)
    else:
        (test_logits, test_labels), test_f1 = untested(len(subset.class_names)), None
    record = make_record(
        TrialKey(subset.recipe, subset_fingerprint, protocol.fingerprint, params, seed),
        subset,
        training.stopping,
        steps=training.steps,
        test_f1=test_f1,
        elapsed_s=time.perf_counter() - started,
        driver="lean" if trainer_settings is None else "trainer",
        device=training.device,
        precision=training.precision,
        space=space_fingerprint,
    )
    return TrialOutcome(record, training.module, training.stopping.curve, test_logits, test_labels)


def untested(n_classes: int) -> tuple[Tensor, Tensor]:
    """Logits and labels of no test images."""
    return torch.empty(0, n_classes), torch.empty(0, dtype=torch.int64)


def make_record(
    key: TrialKey,
    subset: Subset,
    stopping: EarlyStopping,
    *,
    steps: int,
    test_f1: float | None,
    elapsed_s: float,
    driver: str,
    device: torch.device,
    precision: str,
    space: str,
) -> TrialRecord:
    """What a finished trial leaves, whoever drove it."""
    n_train, n_classes = len(subset.train), len(subset.class_names)
    return TrialRecord(
        key=key,
        status="diverged" if stopping.diverged else "complete",
        val_f1=stopping.val_f1,
        test_f1=test_f1,
        val_loss=stopping.best_loss if stopping.weights is not None else math.log(n_classes),
        steps=steps,
        epochs=epochs_seen(steps, n_train, int(key.params["batch_size"])),
        n_train=n_train,
        n_classes=n_classes,
        elapsed_s=elapsed_s,
        driver=driver,
        device=device_name(device),
        precision=precision,
        space=space,
        commit=current_commit(),
    )


def device_name(device: torch.device) -> str:
    """What a record says of where it was trained: cpu, mps, or the card's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


@torch.no_grad()
def predict(
    module: CnnClassifier, batches: Batches, device: torch.device, precision: str
) -> tuple[Tensor, Tensor]:
    """Logits and labels of every image, on the CPU."""
    module.eval()
    with autocast(device, precision):
        parts = [(module(images.to(device)).cpu(), labels) for images, labels in batches]
    logits, labels = (torch.cat(part) for part in zip(*parts, strict=True))
    return logits, labels


def drive_lean(
    module: CnnClassifier,
    data: SubsetDataModule,
    stopping: EarlyStopping,
    steps: int,
    check_every: int,
    device: torch.device,
    precision: str,
    on_step: OnStep = nothing,
) -> int:
    """Train without a Trainer's bookkeeping; return the steps taken."""
    module.to(device)
    module.train()
    plan = module.configure_optimizers()
    optimizer, scheduler = plan["optimizer"], plan["lr_scheduler"]["scheduler"]
    batches = data.train_dataloader()
    step = 0
    while True:
        for images, labels in batches:
            with autocast(device, precision):
                loss = module.training_step((images.to(device), labels.to(device)), step)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            step += 1
            on_step(step, steps)
            if step % check_every == 0:
                val_loss, val_f1 = score(*predict(module, data.val_dataloader(), device, precision))
                if stopping.see(module.state_dict, Check(step, loss.item(), val_loss, val_f1)):
                    return step
                module.train()
            if step == steps:
                return step


class EarlyStoppingCallback(Callback):
    """Lets `EarlyStopping` see Lightning's validations."""

    def __init__(self, stopping: EarlyStopping) -> None:
        self.stopping = stopping

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking:
            return
        seen = {name: float(value) for name, value in trainer.callback_metrics.items()}
        train_loss = seen.get("train_loss", math.nan)
        check = Check(trainer.global_step, train_loss, seen["val_loss"], seen["val_f1"])
        stop = self.stopping.see(pl_module.state_dict, check)
        # One process's last digit must not make it stop alone.
        trainer.should_stop = trainer.should_stop or trainer.strategy.reduce_boolean_decision(stop, all=False)


def drive_trainer(
    module: CnnClassifier,
    data: SubsetDataModule,
    stopping: EarlyStopping,
    steps: int,
    check_every: int,
    device: torch.device,
    precision: str,
    settings: dict[str, Any],
) -> int:
    """Train under Lightning's Trainer, with the callbacks, logger and strategy in `settings`."""
    accelerator = {"accelerator": device.type if device.type != "cuda" else "gpu"}
    trainer = Trainer(
        **{
            **accelerator,
            "devices": 1,
            "max_steps": steps,
            "max_epochs": math.ceil(steps / len(data.train_dataloader())),
            "val_check_interval": check_every,
            "check_val_every_n_epoch": None,
            "num_sanity_val_steps": 0,
            "precision": "bf16-mixed" if precision == "bf16" else "32-true",
            "use_distributed_sampler": False,
            "log_every_n_steps": 1,
            **trainer_arguments(settings, device),
            "callbacks": [
                *settings.get("callbacks", []),
                EarlyStoppingCallback(stopping),
                *progress_callbacks(settings),
            ],
        }
    )
    own_draws()
    trainer.fit(module, datamodule=data)
    return trainer.global_step
