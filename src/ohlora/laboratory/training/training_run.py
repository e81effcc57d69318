"""How every network of faces is trained: by steps under Lightning's Trainer, resumable."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers.logger import DummyLogger
from rich.console import Console
from torch import Tensor

from ohlora.assets import load_model, save_model
from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.laboratory.networks.learner import Learner
from ohlora.laboratory.sources.dataset import FaceDataModule
from ohlora.laboratory.sources.settings import MISSING
from ohlora.laboratory.sources.source import FacePart, FaceSource
from ohlora.laboratory.training.jobs import FaceJob, FaceTask, TrainingRun
from ohlora.processes import own_draws, process_count, trainer_arguments
from ohlora.tracking import log_table, remember_settings
from ohlora.training_callbacks import CHECKPOINTS, LAST
from ohlora.training_progress import progress_callbacks


def check_run(run: TrainingRun) -> None:
    """Refuse a device or a number of processes that is not here."""
    process_count(run.trainer.devices, run.hardware.resolve()[0])
    if run.resume and not Path(run.resume).expanduser().is_dir():
        raise OhloraError(f"resume={run.resume} is not a folder, so no run to go on with")


@contextmanager
def seeded(run: TrainingRun, seed: int) -> Iterator[None]:
    """Let torch draw from `seed`, and leave its global generators as they were."""
    device = run.hardware.resolve()[0]
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def inside(run: TrainingRun, name: str) -> TrainingRun:
    """A folder within, for one of several small networks of a run, each trained in one go."""
    folder = run.folder / name
    return replace(
        run,
        output_dir=str(folder),
        resume=str(folder) if run.resume and folder.is_dir() else None,
        logger=DummyLogger(),
        callbacks={},
        trainer=replace(run.trainer, enable_checkpointing=False),
    )


def train_module(
    run: TrainingRun,
    module: LightningModule,
    data: FaceDataModule,
    checks: int,
    settings: Mapping[str, Any],
    callbacks: Sequence[Callback] = (),
) -> dict[str, Any]:
    """Train to the last step of `data` and leave the module on its device; say how it went.

    A resumed run goes on from its last checkpoint; OhloraError where it had other `settings`.
    """
    device, precision = run.hardware.resolve()
    remember_settings(run.folder, settings, resume=run.resume is not None)
    checkpoint = run.folder / CHECKPOINTS / f"{LAST}.ckpt"
    arguments = run.trainer.arguments()
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
            "default_root_dir": str(run.folder),
            **trainer_arguments(arguments, device),
            "logger": run.logger,
            "callbacks": [*run.callbacks.values(), *callbacks, *progress_callbacks(arguments)],
        }
    )
    started = time.perf_counter()
    own_draws()
    found = run.resume is not None and checkpoint.is_file()
    trainer.fit(module, datamodule=data, ckpt_path=str(checkpoint) if found else None)
    module.to(device)
    return {
        "steps": trainer.global_step,
        "elapsed_s": round(time.perf_counter() - started, 1),
        "device": str(device),
        "precision": precision,
    }


def faults(job: FaceTask, source: FaceSource) -> list[str]:
    """Every setting that cannot work with these faces."""
    return []


def prepare(job: FaceTask) -> FaceSource:
    """The faces; OhloraError with every fault there is, before anything starts."""
    source: Any = job.dataset
    lacking = [name for name in job.needs if source.provenance[name] == MISSING]
    if lacking:
        raise OhloraError(
            f"these faces come without {' and '.join(lacking)}, which this model learns from"
            " (python -m ohlora photo-sheet tells what a folder has)"
        )
    if found := job.faults(source):
        raise OhloraError("; ".join(found))
    job.training_run.check()
    job.training_run.hardware.use_threads()
    return source


def start(job: FaceTask) -> None:
    """Make ready where no faces of a dataset are needed."""
    job.training_run.check()
    job.training_run.hardware.use_threads()


def keep(
    job: FaceTask, name: str, tensors: Mapping[str, Tensor], card: Mapping[str, Any], lines: Sequence[str]
) -> None:
    """Save weights and card, read them once more, report and print."""
    path = save_model(Path(job.save_to), name, tensors, {"domain": job.dataset.domain, **card})
    _, card = load_model(path.parent, name, card["kind"])
    write_json(job.training_run.folder / f"{name}.report.json", card)
    flat = {key: float(value) for key, value in card["scores"].items() if isinstance(value, int | float)}
    job.training_run.logger.log_metrics({f"test/{key}": value for key, value in flat.items()})
    rows = [{"network": name, "score": key, "value": value} for key, value in flat.items()]
    log_table(job.training_run.logger, "scores", pd.DataFrame(rows))
    Console(highlight=False).print("\n  ".join(lines) + f"\nweights: {path}", soft_wrap=True, markup=False)


def fit(
    job: FaceJob,
    learner: Learner,
    train: FacePart,
    val: FacePart,
    settings: Mapping[str, Any],
    twins: bool = False,
    callbacks: Sequence[Callback] = (),
) -> dict[str, Any]:
    """Teach as the lesson says; how it went, for the card."""
    data = FaceDataModule(train, val, job.lesson.batch_size, learner.seed, job.lesson.steps, twins=twins)
    return job.training_run.train(learner, data, job.lesson.checks, settings, callbacks)
