"""What watches a fit under Lightning's Trainer, as conf/callbacks chooses; `make` gives the Callback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Gt, Le

from ohlora.config import Name, config, deferred, having

# One of the classes below or the Lightning Callback it makes, by a name of its own.
Callbacks = Mapping[Name, Annotated[Any, having("make", "state_dict")]]


@config
class BestCheckpoint:
    """The weights at the best validation so far and at the last one, in `dirpath`."""

    dirpath: Name
    filename: Name
    monitor: Name  # what is best where it is lowest
    save_last: bool
    make = deferred("ohlora.training_callbacks", "best_checkpoint")


@config
class TimedCheckpoint:
    """The state of the last few minutes, for runs that can be resumed."""

    minutes: Annotated[float, Gt(0), Le(60 * 24 * 366)]
    make = deferred("ohlora.training_callbacks", "timed_checkpoint")


@config
class LearningRates:
    """The learning rate of each step or epoch, for the logger."""

    logging_interval: Literal["step", "epoch"]
    make = deferred("ohlora.training_callbacks", "learning_rates")
