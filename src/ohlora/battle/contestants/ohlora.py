"""Oh-LoRA: her predictor names hyperparameters from the subset's features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ohlora.battle import phrases
from ohlora.battle.contestants.base import Attempts, Kind, MatchContext, Rules
from ohlora.predictor.search import Suggestion, search
from ohlora.space import Params, Space


@dataclass(frozen=True)
class OhLora:
    """The first attempt at a glance; given trials, the later ones learn from their validation scores."""

    trials: int = 1
    kind: ClassVar[Kind] = "ohlora"
    rules: ClassVar[Rules] = "house"

    def title(self, context: MatchContext, language: str) -> str:
        return phrases.plain("ohlora", language)

    def check(self, space: Space) -> None: ...

    def suggest(
        self, context: MatchContext, past: Sequence[tuple[Params, float]] = (), explore: bool = False
    ) -> Suggestion:
        """Params with the score she expects of them."""
        vector = context.predictor.vector(context.features)
        return search(context.predictor, context.space, vector, context.seed, past, explore)

    def attempts(self, context: MatchContext) -> Attempts:
        past: list[tuple[Params, float]] = []
        for _ in range(self.trials):
            params = self.suggest(context, past, explore=bool(past)).params
            past.append((params, (yield params)))
