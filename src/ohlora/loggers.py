"""Where a run's numbers go, as conf/logger chooses; `make` gives Lightning's Logger."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ohlora.config import Many, Name, config, deferred, having

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
