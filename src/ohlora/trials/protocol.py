"""How every trial of a game is trained: settings alone, so that reading a config imports no torch."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass

from ohlora.errors import OhloraError

# Raise it when the network or its training gives other scores for the same settings: it is part of
# every record's protocol, and rows of different protocols do not mix.
TRAINING_VERSION = 1


@dataclass(frozen=True)
class CnnSettings:
    """What every network of a game shares; hyperparameters come on top."""

    whitening_patch: int  # pixels, odd
    whitening_filters: int  # principal patches kept; each is used with both signs
    widths: tuple[int, int]  # channels of the two trained convolutions
    head_grid: int  # the head sees a head_grid x head_grid map

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))


@dataclass(frozen=True)
class Budget:
    """How long a trial may train: passes over the images, but never too few steps to learn anything."""

    epochs: float
    min_steps: int
    checks: int  # validations spread evenly over the budget
    patience: int  # validations without a better loss before stopping early

    def __post_init__(self) -> None:
        faults = [
            f"budget.{name}={value!r} is not a {'' if name == 'epochs' else 'whole '}number above 0"
            for name, value in asdict(self).items()
            if isinstance(value, bool)
            or not isinstance(value, int | float if name == "epochs" else int)
            or not 0 < value < math.inf
        ]
        if faults:
            raise OhloraError("; ".join(faults))

    def steps(self, n_train: int, batch_size: int) -> int:
        """Optimiser steps at most."""
        return max(round(self.epochs * math.ceil(n_train / batch_size)), self.min_steps)

    def check_every(self, steps: int) -> int:
        """Steps between validations."""
        return max(1, steps // self.checks)


@dataclass(frozen=True)
class Protocol:
    """How every trial of a game is trained, whatever its hyperparameters."""

    network: CnnSettings
    budget: Budget

    @property
    def fingerprint(self) -> str:
        """Eight hex digits that change with any setting or with the training code's version."""
        text = json.dumps([TRAINING_VERSION, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]
