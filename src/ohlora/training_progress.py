"""Progress of a fit under Lightning's Trainer: optimiser steps, the time left, the last validation."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ProgressBar

from ohlora.processes import is_main
from ohlora.progress import Advance, progress


def progress_callbacks(arguments: Mapping[str, Any], what: str = "optimiser steps") -> list[Callback]:
    """The callback that shows a fit's progress; none where `arguments`, the Trainer's, want no bar."""
    return [TrainingProgress(what)] if arguments.get("enable_progress_bar", True) else []


class TrainingProgress(ProgressBar):
    """In place of Lightning's bar, which fills a file with half-drawn lines and knows no time left."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self._open = ExitStack()
        self._advance: Advance | None = None
        self._done = 0

    def disable(self) -> None:
        """Lightning asks the other processes of a fit to be quiet; they are, see `on_train_start`."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if is_main():
            total = trainer.max_steps if trainer.max_steps > 0 else trainer.estimated_stepping_batches
            self._advance = self._open.enter_context(progress(float(total), self.what))
            self._done = 0  # a resumed fit begins further on: the first batch tells of all before it

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._advance is not None:
            note = ", ".join(f"{k} {float(v):.3g}" for k, v in trainer.progress_bar_metrics.items())
            self._advance(trainer.global_step - self._done, note=note)
            self._done = trainer.global_step

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        self._advance = None
        self._open.close()
