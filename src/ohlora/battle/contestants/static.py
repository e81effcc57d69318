"""One fixed answer: the params that are best on average over the target table."""

from __future__ import annotations

from typing import ClassVar

from ohlora.battle import phrases
from ohlora.battle.contestants.base import Attempts, Kind, MatchContext, Rules
from ohlora.config import config
from ohlora.space import Space


@config
class BestOnAverage:
    """Always plays the params that are best on average, over the whole table or over this dataset's part."""

    per_dataset: bool
    trials: ClassVar[int] = 1
    kind: ClassVar[Kind] = "static"
    rules: ClassVar[Rules] = "fair"

    def dataset(self, context: MatchContext) -> str | None:
        """The dataset whose part of the table counts; None: the whole table."""
        return context.predictor.known_as(context.subset.recipe.dataset) if self.per_dataset else None

    def title(self, context: MatchContext, language: str) -> str:
        dataset = self.dataset(context)
        return phrases.plain("static_dataset" if dataset else "static", language, dataset=dataset)

    def check(self, space: Space) -> None: ...

    def attempts(self, context: MatchContext) -> Attempts:
        from ohlora.predictor.fixed import fixed_answer  # torch: only once a match is on

        yield fixed_answer(context.predictor, context.space, self.dataset(context))
