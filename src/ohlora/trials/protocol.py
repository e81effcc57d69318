"""How every trial of a game is trained: settings alone, so that reading a config imports no torch."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from typing import Annotated

from annotated_types import Ge
from pydantic import AfterValidator, Strict

from ohlora.config import Count, Positive, config

# Raise it when the network or its training gives other scores for the same settings: it is part of
# every record's protocol, and rows of different protocols do not mix.
TRAINING_VERSION = 1


def _odd(side: int) -> int:
    if side % 2 == 0:
        raise ValueError("even, and a patch has a pixel in its middle")
    return side


@config
class CnnSettings:
    """What every network of a game shares; hyperparameters come on top."""

    whitening_patch: Annotated[int, Ge(1), AfterValidator(_odd)]  # pixels, odd
    whitening_filters: Count  # principal patches kept; each is used with both signs
    widths: Annotated[tuple[Count, Count], Strict(False)]  # channels of the two trained convolutions
    head_grid: Count  # the head sees a head_grid x head_grid map


@config
class Budget:
    """How long a trial may train: passes over the images, but never too few steps to learn anything."""

    epochs: Positive
    min_steps: Count
    checks: Count  # validations spread evenly over the budget
    patience: Count  # validations without a better loss before stopping early

    def steps(self, n_train: int, batch_size: int) -> int:
        """Optimiser steps at most."""
        return max(round(self.epochs * math.ceil(n_train / batch_size)), self.min_steps)

    def check_every(self, steps: int) -> int:
        """Steps between validations."""
        return max(1, steps // self.checks)


@config
class Protocol:
    """How every trial of a game is trained, whatever its hyperparameters."""

    network: CnnSettings
    budget: Budget

    @property
    def fingerprint(self) -> str:
        """Eight hex digits that change with any setting or with the training code's version."""
        settings = asdict(self)
        epochs = self.budget.epochs
        # Tables carry the fingerprint of `15`, as the config writes it, not of 15.0.
        settings["budget"]["epochs"] = int(epochs) if epochs == int(epochs) else epochs
        text = json.dumps([TRAINING_VERSION, settings], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]
