"""Random search."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ohlora.battle import phrases
from ohlora.battle.contestants.base import Attempts, Kind, MatchContext, Rules, Trials
from ohlora.config import config
from ohlora.space import Space


@config
class RandomSearch:
    """Draws evenly from the space."""

    trials: Trials
    kind: ClassVar[Kind] = "random"
    rules: ClassVar[Rules] = "fair"

    def title(self, context: MatchContext, language: str) -> str:
        return phrases.plain("random", language, trials=self.trials)

    def check(self, space: Space) -> None: ...

    def attempts(self, context: MatchContext) -> Attempts:
        for number in range(self.trials):
            yield context.space.sample(np.random.default_rng([context.seed, number]))
