"""Random search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ohlora.battle.contestants.base import Attempts, Kind, MatchContext, Rules
from ohlora.battle.phrases import say
from ohlora.errors import OhloraError, whole_fault
from ohlora.space import Space


@dataclass(frozen=True)
class RandomSearch:
    """Draws evenly from the space."""

    trials: int
    kind: ClassVar[Kind] = "random"
    rules: ClassVar[Rules] = "fair"

    def title(self, context: MatchContext, language: str) -> str:
        return say("random", language, trials=self.trials)

    def check(self, space: Space) -> None:
        if fault := whole_fault("challenger.trials", self.trials, 1, 1000):
            raise OhloraError(fault)

    def attempts(self, context: MatchContext) -> Attempts:
        for number in range(self.trials):
            yield context.space.sample(np.random.default_rng([context.seed, number]))
