"""How every network of faces is trained: by steps under Lightning's Trainer, resumable."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from rich.console import Console
from torch import Tensor

from ohlora.assets import load_model, save_model
from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.hardware import Hardware
from ohlora.laboratory.networks.learner import Learner
from ohlora.laboratory.sources.dataset import FaceCounts, FaceDataModule
from ohlora.laboratory.sources.source import MISSING, FacePart, FaceSource, face_source
from ohlora.processes import own_draws, process_count, trainer_arguments
from ohlora.tracking import remember_settings
from ohlora.trainer import TrainerSettings
from ohlora.training_progress import progress_callbacks

CHECKPOINTS, LAST = "checkpoints", "last"  # in a run's folder


@dataclass(frozen=True)
class Lesson:
    """How much a network sees, and how fast it learns from it."""

    images: int  # seen in training altogether
    batch_size: int
    checks: int  # validations, evenly spread
    learning_rate: float  # peak
    weight_decay: float

    @property
    def steps(self) -> int:
        return max(1, round(self.images / self.batch_size))

    def of_learner(self) -> dict[str, Any]:
        """What a Learner is told of it."""
        return {
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "total_steps": self.steps,
        }

    def faults(self) -> list[str]:
        """Every setting that cannot work."""
        return [
            f"lesson.{name}={getattr(self, name)} is below {low}"
            for name, low in (
                ("images", 1),
                ("batch_size", 2),
                ("checks", 1),
                ("learning_rate", 0),
                ("weight_decay", 0),
            )
            if getattr(self, name) < low
        ]


class TimedCheckpoint(ModelCheckpoint):
    """Keeps the state of the last few minutes, and only that, in the run's folder."""

    def __init__(self, minutes: float) -> None:
        super().__init__(
            filename=LAST,
            train_time_interval=timedelta(minutes=minutes),
            auto_insert_metric_name=False,
            enable_version_counter=False,
        )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.dirpath = str(Path(trainer.default_root_dir) / CHECKPOINTS)
        super().setup(trainer, pl_module, stage)


@dataclass(frozen=True)
class TrainingRun:
    """Where and under whose eyes a network is trained: what all jobs of this room have in common."""

    hardware: Hardware
    trainer: TrainerSettings
    callbacks: dict[str, Callback]
    logger: Logger | Literal[False]
    output_dir: str
    resume: str | None  # the folder of a killed run

    @property
    def folder(self) -> Path:
        return Path(self.resume or self.output_dir).expanduser()

    def inside(self, name: str) -> TrainingRun:
        """A folder within, for one of several small networks of a run, each trained in one go."""
        folder = self.folder / name
        resumed = str(folder) if self.resume and folder.is_dir() else None
        quiet = replace(self.trainer, enable_checkpointing=False)
        return replace(
            self, output_dir=str(folder), resume=resumed, logger=False, callbacks={}, trainer=quiet
        )

    def check(self) -> None:
        """Refuse a device or a number of processes that is not here."""
        process_count(self.trainer.devices, self.hardware.resolve()[0])
        if self.resume and not Path(self.resume).expanduser().is_dir():
            raise OhloraError(f"resume={self.resume} is not a folder, so no run to go on with")

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """Let torch draw from `seed`, and leave its global generators as they were."""
        device = self.hardware.resolve()[0]
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield

    def train(
        self,
        module: LightningModule,
        data: FaceDataModule,
        checks: int,
        settings: Mapping[str, Any],
        callbacks: Sequence[Callback] = (),
    ) -> dict[str, Any]:
        """Train to the last step of `data` and leave the module on its device; say how it went.

        A resumed run goes on from its last checkpoint; OhloraError where it had other `settings`.
        """
        device, precision = self.hardware.resolve()
        remember_settings(self.folder, settings, resume=self.resume is not None)
        checkpoint = self.folder / CHECKPOINTS / f"{LAST}.ckpt"
        arguments = self.trainer.arguments()
        trainer = Trainer(
            **{
                "accelerator": "gpu" if device.type == "cuda" else device.type,
                "devices": 1,
                "max_steps": data.steps,
                "val_check_interval": max(1, data.steps // checks),
                "check_val_every_n_epoch": None,
                "num_sanity_val_steps": 0,
                "precision": "bf16-mixed" if precision == "bf16" else "32-true",
                "use_distributed_sampler": False,
                "log_every_n_steps": max(1, min(50, data.steps // 20)),
                "default_root_dir": str(self.folder),
                **trainer_arguments(arguments, device),
                "logger": self.logger,
                "callbacks": [*self.callbacks.values(), *callbacks, *progress_callbacks(arguments)],
            }
        )
        started = time.perf_counter()
        own_draws()
        found = self.resume is not None and checkpoint.is_file()
        trainer.fit(module, datamodule=data, ckpt_path=str(checkpoint) if found else None)
        module.to(device)
        return {
            "steps": trainer.global_step,
            "elapsed_s": round(time.perf_counter() - started, 1),
            "device": str(device),
            "precision": precision,
        }


@dataclass(frozen=True)
class FaceTask:
    """What everything that is done with faces takes."""

    dataset: Any  # a FaceSource; others are refused by name
    counts: FaceCounts
    training_run: TrainingRun
    save_to: str  # a folder

    @property
    def logger(self) -> Logger:
        assert self.training_run.logger
        return self.training_run.logger

    @property
    def needs(self) -> Sequence[str]:
        """What must be known of each face."""
        return ()

    def faults(self, source: FaceSource) -> list[str]:
        """Every setting that cannot work with these faces."""
        return []

    def prepare(self) -> FaceSource:
        """The faces; OhloraError with every fault there is, before anything starts."""
        source = face_source(self.dataset)
        lacking = [name for name in self.needs if source.provenance[name] == MISSING]
        if lacking:
            raise OhloraError(
                f"these faces come without {' and '.join(lacking)}, which this model learns from"
                " (python -m ohlora photo-sheet tells what a folder has)"
            )
        if faults := self.faults(source):
            raise OhloraError("; ".join(faults))
        self.training_run.check()
        self.training_run.hardware.use_threads()
        return source

    def keep(
        self, name: str, tensors: Mapping[str, Tensor], card: Mapping[str, Any], lines: Sequence[str]
    ) -> None:
        """Save weights and card, read them once more, report and print."""
        path = save_model(Path(self.save_to), name, tensors, {**card, "domain": self.dataset.domain})
        _, card = load_model(path.parent, name, card["kind"])
        write_json(self.training_run.folder / f"{name}.report.json", card)
        flat = {key: value for key, value in card["scores"].items() if isinstance(value, int | float)}
        self.logger.log_metrics({f"test/{key}": float(value) for key, value in flat.items()})
        Console(highlight=False).print(
            "\n  ".join(lines) + f"\nweights: {path}", soft_wrap=True, markup=False
        )


@dataclass(frozen=True)
class FaceJob(FaceTask):
    """What training any network of faces takes."""

    lesson: Lesson

    def faults(self, source: FaceSource) -> list[str]:
        return self.lesson.faults()

    def fit(
        self,
        learner: Learner,
        train: FacePart,
        val: FacePart,
        settings: Mapping[str, Any],
        twins: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> dict[str, Any]:
        """Teach as the lesson says; how it went, for the card."""
        data = FaceDataModule(
            train, val, self.lesson.batch_size, learner.seed, self.lesson.steps, twins=twins
        )
        return self.training_run.train(learner, data, self.lesson.checks, settings, callbacks)


def number_fault(name: str, value: object, low: int) -> list[str]:
    """What is wrong with a setting that should be a whole number from `low` up: nothing, or one line."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= low:
        return []
    return [f"{name}={value} is not a whole number from {low} up"]
