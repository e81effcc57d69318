"""Arguments and callbacks of Hugging Face's trainers, in one place: names change from release to release."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from lightning.pytorch.loggers import Logger
from transformers import TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from ohlora.hardware import Hardware
from ohlora.narrator.schedule import Schedule
from ohlora.progress import Advance, progress
from ohlora.tracking import remember_settings

CHECKPOINTS = "checkpoints"  # in the folder of a run
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
datasets.disable_progress_bars()
# TRL 1.16 and PEFT 0.21 still ask transformers the old way; nothing a user could do about it.
warnings.filterwarnings(
    "ignore", message=".*is_gradient_checkpointing. is deprecated", category=FutureWarning
)


def training_arguments(
    schedule: Schedule, rows: int, hardware: Hardware, folder: Path, seed: int, processes: int = 1
) -> dict[str, Any]:
    """Keyword arguments of TrainingArguments, and of TRL's SFTConfig, which adds to it."""
    device, precision = hardware.resolve()
    steps = schedule.steps(rows, processes)
    every = max(1, steps // schedule.checks)
    return {
        "output_dir": str(folder / CHECKPOINTS),
        "max_steps": steps,
        "per_device_train_batch_size": schedule.batch_size,
        "per_device_eval_batch_size": schedule.batch_size,
        "gradient_accumulation_steps": schedule.accumulate,
        "learning_rate": schedule.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(schedule.warmup * steps),
        "weight_decay": schedule.weight_decay,
        "eval_strategy": "steps",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,
        "load_best_model_at_end": schedule.patience is not None,
        "metric_for_best_model": "eval_loss",
        "logging_steps": max(1, min(every, steps // 50)),
        "bf16": precision == "bf16",
        "use_cpu": device.type == "cpu",
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": device.type == "cuda",
        "report_to": "none",  # our own logger speaks to W&B, see LogMetrics
        "seed": seed,
        "data_seed": seed,
    }


def recomputing(arguments: type[TrainingArguments], on: bool) -> dict[str, Any]:
    """Gradient checkpointing under the name that the installed transformers knows."""
    names = {field.name for field in fields(arguments)}
    newer, older = "activation_checkpointing", "gradient_checkpointing"  # 5.21 renamed it
    return {newer if newer in names else older: on}


class LogMetrics(TrainerCallback):
    """Passes what a Hugging Face trainer logs to the run's logger."""

    def __init__(self, logger: Logger) -> None:
        self.logger = logger

    def on_log(
        self,
        args: TrainingArguments,
        state: transformers.TrainerState,
        control: transformers.TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if state.is_world_process_zero and logs:
            numbers = {key: float(value) for key, value in logs.items() if isinstance(value, int | float)}
            self.logger.log_metrics(numbers, step=state.global_step)


class ShowProgress(TrainerCallback):
    """Steps done and the time left; the trainer's own bar is off, as it says nothing into a file."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.stack = ExitStack()
        self.advance: Advance | None = None
        self.done = 0

    def on_train_begin(
        self, args: TrainingArguments, state: transformers.TrainerState, control: Any, **_: Any
    ) -> None:
        if state.is_world_process_zero:
            self.advance = self.stack.enter_context(progress(state.max_steps, self.what))

    def on_step_end(
        self, args: TrainingArguments, state: transformers.TrainerState, control: Any, **_: Any
    ) -> None:
        if self.advance:
            self.advance(state.global_step - self.done)  # a resumed run begins further on
            self.done = state.global_step

    def on_log(
        self,
        args: TrainingArguments,
        state: transformers.TrainerState,
        control: Any,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if self.advance and logs and "loss" in logs:
            self.advance(0, note=f"loss {float(logs['loss']):.3f}")

    def on_train_end(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        self.stack.close()


def cost(state: transformers.TrainerState, checkpoint: str | None, elapsed_s: float) -> dict[str, Any]:
    """Steps of a whole run, and its seconds: where it was resumed, those before cost what the others did.

    The seconds are None for a run that had no step left.
    """
    before = int(checkpoint.rpartition("-")[2]) if checkpoint else 0
    share = (state.global_step - before) / state.global_step
    return {"steps": state.global_step, "elapsed_s": round(elapsed_s / share, 1) if share else None}


def losses(state: transformers.TrainerState) -> dict[str, list[tuple[float, float]]]:
    """The (step, loss) pairs of training and of evaluation, nats a token."""
    return {
        name: [(row["step"], row[name]) for row in state.log_history if name in row]
        for name in ("loss", "eval_loss")
    }


def last_checkpoint(folder: Path, settings: Mapping[str, Any], resume: bool) -> str | None:
    """The checkpoint a killed run goes on from, None for a new run, whose settings are written down.

    Raises OhloraError where the folder to resume is of another run.
    """
    remember_settings(folder, settings, resume)
    if not resume:
        return None
    kept = folder / CHECKPOINTS
    return get_last_checkpoint(str(kept)) if kept.is_dir() else None


def one_folder(folder: Path, device: torch.device) -> Path:
    """The first process's folder in all of those that `accelerate launch` or `torchrun` started.

    Each read its own config, and a folder named for the second it was made in would be another in each.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        PartialState(cpu=device.type == "cpu")
        folders = [str(folder)]
        broadcast_object_list(folders)
        return Path(folders[0])
    return folder


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let torch draw from `seed`, and leave its global generator as it was."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
