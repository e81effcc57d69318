"""Everyone who can look at their own past attempts and play the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ohlora.datasets import Subset
from ohlora.predictor import Predictor, Suggestion, best_on_average, search
from ohlora.space import Params, Space

Kind = Literal["ohlora", "human", "optuna", "random", "static"]


@dataclass(frozen=True)
class Attempt:
    """Params somebody played, and the validation macro-F1 they earned, 0 to 1."""

    params: Params
    val_f1: float


class Contestant(Protocol):
    """Anyone who can look at their own past attempts and play the next one."""

    name: str
    kind: Kind
    trials: int  # attempts to make on this subset

    def propose(self, history: Sequence[Attempt]) -> Params:
        """The next attempt, inside the space."""
        ...


@dataclass(frozen=True)
class Table:
    """What lies on the table for everyone when a match begins."""

    subset: Subset
    space: Space
    predictor: Predictor
    features: dict[str, float]
    seed: int


class ContestantConf(Protocol):
    """A contestant as conf/ names it; it sits down once there is a table."""

    @property
    def rules(self) -> Literal["house", "fair"]: ...

    def check(self, space: Space) -> None:
        """Raise OhloraError for anything this contestant could not play, before any training."""
        ...

    def sit_down(self, table: Table) -> Contestant: ...


class OhLora:
    """The first attempt at a glance; given trials, the later ones learn from their validation scores."""

    name = "Oh-LoRA"
    kind: Kind = "ohlora"

    def __init__(self, table: Table, trials: int = 1) -> None:
        table.predictor.check_space(table.space)
        self.trials = trials
        self._table = table
        self._vector = table.predictor.vector(table.features)

    def suggest(self, history: Sequence[Attempt] = (), explore: bool = False) -> Suggestion:
        """Params with the score she expects of them."""
        past = [(attempt.params, attempt.val_f1) for attempt in history]
        t = self._table
        return search(t.predictor, t.space, self._vector, t.seed + len(past), past, explore)

    def propose(self, history: Sequence[Attempt]) -> Params:
        return self.suggest(history, explore=bool(history)).params


class RandomContestant:
    """Draws evenly from the space."""

    kind: Kind = "random"

    def __init__(self, table: Table, trials: int) -> None:
        self.name, self.trials = f"random search ({trials} trials)", trials
        self._space, self._seed = table.space, table.seed

    def propose(self, history: Sequence[Attempt]) -> Params:
        return self._space.sample(np.random.default_rng([self._seed, len(history)]))


class StaticContestant:
    """Always plays the params that are best on average over the training table."""

    kind: Kind = "static"
    trials = 1

    def __init__(self, table: Table, per_dataset: bool) -> None:
        dataset = table.subset.recipe.dataset if per_dataset else None
        if dataset not in table.predictor.known_datasets:
            dataset = None
        self.name = f"best on average{f' for {dataset}' if dataset else ''}"
        self._params = best_on_average(table.predictor, table.space, seed=0, dataset=dataset)

    def propose(self, history: Sequence[Attempt]) -> Params:
        return dict(self._params)


@dataclass(frozen=True)
class RandomOpponent:
    """conf/opponent/random.yaml"""

    trials: int
    rules: Literal["house", "fair"] = "fair"

    def check(self, space: Space) -> None:
        require_trials(self.trials)

    def sit_down(self, table: Table) -> RandomContestant:
        return RandomContestant(table, self.trials)


@dataclass(frozen=True)
class StaticOpponent:
    """conf/opponent/static.yaml"""

    per_dataset: bool
    rules: Literal["house", "fair"] = "fair"

    def check(self, space: Space) -> None: ...

    def sit_down(self, table: Table) -> StaticContestant:
        return StaticContestant(table, self.per_dataset)


def require_trials(trials: int) -> None:
    from ohlora.errors import OhloraError

    if not 1 <= trials <= 1000:
        raise OhloraError(f"opponent.trials={trials} is outside 1 to 1000")
