"""Lightning's callbacks as conf/callbacks asks for them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint

from ohlora.callbacks import BestCheckpoint, LearningRates, TimedCheckpoint

CHECKPOINTS, LAST = "checkpoints", "last"  # in the folder of a run that can be resumed


def best_checkpoint(wanted: BestCheckpoint) -> ModelCheckpoint:
    return ModelCheckpoint(
        dirpath=wanted.dirpath,
        filename=wanted.filename,
        monitor=wanted.monitor,
        save_last=wanted.save_last,
        auto_insert_metric_name=False,  # no "=" in file names: Hydra's command line cannot take it
        enable_version_counter=False,
    )


def learning_rates(wanted: LearningRates) -> LearningRateMonitor:
    return LearningRateMonitor(logging_interval=wanted.logging_interval)


def timed_checkpoint(wanted: TimedCheckpoint) -> ModelCheckpoint:
    return _LastMinutes(
        filename=LAST,
        train_time_interval=timedelta(minutes=wanted.minutes),
        auto_insert_metric_name=False,
        enable_version_counter=False,
    )


class _LastMinutes(ModelCheckpoint):
    """Writes into the run's folder, which is known when training starts."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.dirpath = str(Path(trainer.default_root_dir) / CHECKPOINTS)
        super().setup(trainer, pl_module, stage)
