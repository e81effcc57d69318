"""An opponent of one's own: random search that narrows around the best attempt so far."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ohlora.battle.contestants.base import Attempts, Kind, MatchContext, Rules, Trials
from ohlora.config import config
from ohlora.space import Space


@config
class NarrowingSearch:
    """Each attempt is drawn in a box around the best one so far, `shrink` times as wide as the last box."""

    trials: Trials
    shrink: float
    kind: ClassVar[Kind] = "random"  # what Oh-LoRA takes it for when she speaks of it
    rules: ClassVar[Rules] = "fair"

    def title(self, context: MatchContext, language: str) -> str:
        return f"narrowing search ({self.trials})"

    def check(self, space: Space) -> None:
        """Raise OhloraError where it cannot play in this space: it can in all."""

    def attempts(self, context: MatchContext) -> Attempts:
        rng = np.random.default_rng(context.seed)
        space = context.space
        centre, best, width = np.full(len(space.free), 0.5), -1.0, 1.0
        for _ in range(self.trials):
            at = np.clip(centre + width * (rng.random(len(space.free)) - 0.5), 0, 1)
            val_f1 = yield space.at(at)  # the referee trains, and sends the validation macro-F1
            if val_f1 > best:
                centre, best = at, val_f1
            width *= self.shrink
