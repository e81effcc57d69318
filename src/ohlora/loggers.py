"""Where a run's numbers go, as conf/logger chooses; `make` gives Lightning's Logger."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from ohlora.config import Many, Name, compared, config, deferred, having
from ohlora.errors import need_packages

# One of the classes below or the Lightning Logger it makes, which is not imported to be named.
LoggerChoice = Annotated[Any, having("make", "log_metrics")]


@config
class CsvLogs:
    """Files `csv/metrics.csv` and `csv/hparams.yaml` in `save_dir`."""

    save_dir: Name
    make = deferred("ohlora.tracking", "csv_logger")


@config
class TensorboardLogs:
    """Event files in `save_dir/tensorboard`."""

    save_dir: Name
    make = deferred("ohlora.tracking", "tensorboard_logger")

    @compared
    def _can_be_written(self) -> None:
        need_packages("tensorboard", "tensorboard")


@config
class WandbLogs:
    """A W&B run.

    `auto` is what WANDB_MODE or `wandb offline` says, else online where W&B can be reached.
    """

    save_dir: Name
    project: Name
    group: Name | None  # the sweep that the job belongs to
    job_type: Name
    dataset: Name | None  # a tag, and with the job type the run's name
    size: Name | None  # a tag
    name: Name | None  # None: job type and dataset
    tags: Many[Name]  # more of them
    mode: Literal["auto", "online", "offline", "disabled"]
    make = deferred("ohlora.tracking", "wandb_logger")

    @compared
    def _can_be_written(self) -> None:
        need_packages("wandb", "wandb")


Logs = CsvLogs | TensorboardLogs | WandbLogs


def logs_of(logs: Logs, folder: str, dataset: str) -> Logs:
    """The same logs, of one of several runs of a process: in a folder of its own, about its own dataset."""
    own = {"save_dir": folder, "dataset": dataset}
    return replace(logs, **{name: value for name, value in own.items() if hasattr(logs, name)})
