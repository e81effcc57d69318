"""Who plays in a league, as settings: how each comes by its trials, and what it chooses after so many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le, MinLen
from pydantic import AfterValidator, Strict

from ohlora.battle.contestants.base import Attempts
from ohlora.battle.contestants.optuna import SAMPLERS, SamplerName, optuna_version, study
from ohlora.config import config
from ohlora.space import Params

if TYPE_CHECKING:
    from ohlora.battle.league.knowledge import Brought, LeagueContext

EntryKind = Literal["ohlora", "optuna", "static", "portfolio"]
Tried = Sequence[tuple[Params, float]]  # params and validation macro-F1 of the trials so far
OPTUNA_SEEDS = "optuna"  # sets a study's seed apart from its subset's


def _ascending(numbers: tuple[int, ...]) -> tuple[int, ...]:
    if list(numbers) != sorted(set(numbers)):
        raise ValueError("not in ascending order, each once")
    return numbers


Number = Annotated[int, Ge(0), Le(1000)]
Numbers = Annotated[tuple[Number, ...], Strict(False), MinLen(1), AfterValidator(_ascending)]
AtLeastOne = Annotated[
    tuple[Annotated[int, Ge(1), Le(1000)], ...], Strict(False), MinLen(1), AfterValidator(_ascending)
]


@dataclass(frozen=True)
class Choice:
    """What a contestant stands by after its trials; what it expects of it where it expects anything."""

    params: Params
    predicted_f1: float | None = None  # 0 to 1
    predicted_sd: float | None = None  # as in `search.Suggestion`
    predicted_95: float | None = None


@config
class HerEntry:
    """Oh-LoRA: after n trials of her own she takes what she thinks best, not what was luckiest."""

    trials: Numbers  # after how many of its own each contestant is scored
    kind: ClassVar[EntryKind] = "ohlora"
    adaptive: ClassVar[bool] = True

    def identity(self, brought: Brought) -> dict[str, Any]:
        """What her play hangs on besides the subset."""
        return {"weights": brought.weights, "code": brought.code, "fitted_on": brought.fitted_on}

    def attempts(self, context: LeagueContext, count: int) -> Attempts:
        from ohlora.battle.contestants.ohlora import OhLora

        return OhLora(count).attempts(context)

    def choose(self, context: LeagueContext, tried: Tried) -> Choice:
        from ohlora.battle.contestants.ohlora import OhLora

        found = OhLora().suggest(context, tried)
        return Choice(found.params, found.predicted_f1, found.predicted_sd, found.predicted_95)


@config
class StudyEntry:
    """An Optuna study; with `start` its first trial is the fixed answer for the dataset."""

    sampler: SamplerName
    start: bool
    trials: AtLeastOne
    kind: ClassVar[EntryKind] = "optuna"

    @property
    def adaptive(self) -> bool:
        """Whether a trial hangs on the scores of those before it."""
        return self.sampler != "random"

    def identity(self, brought: Brought) -> dict[str, Any]:
        return {"optuna": optuna_version(), **SAMPLERS[self.sampler][1], "start": self.first(brought)}

    def attempts(self, context: LeagueContext, count: int) -> Attempts:
        # One seed for all samplers: what they draw at random, each one's first ten trials, is trained once.
        seed = context.own_seed(OPTUNA_SEEDS)
        return study(self.sampler, context.space, seed, count, self.first(context.brought))

    def first(self, brought: Brought) -> Params | None:
        return brought.fixed(per_dataset=True) if self.start else None

    def choose(self, context: LeagueContext, tried: Tried) -> Choice:
        return best_of(tried)


@config
class FixedEntry:
    """The one set of params that is best on average over the table, or over its part of this dataset."""

    per_dataset: bool
    trials: ClassVar[Numbers] = (0,)
    kind: ClassVar[EntryKind] = "static"
    adaptive: ClassVar[bool] = False

    def identity(self, brought: Brought) -> dict[str, Any]:
        return {"params": brought.fixed(self.per_dataset)}

    def attempts(self, context: LeagueContext, count: int) -> Attempts:
        yield from ()

    def choose(self, context: LeagueContext, tried: Tried) -> Choice:
        return Choice(context.brought.fixed(self.per_dataset))


@config
class PortfolioEntry:
    """Fixed params one after the other, chosen greedily: each adds most to the best of those before it."""

    per_dataset: bool
    trials: AtLeastOne
    kind: ClassVar[EntryKind] = "portfolio"
    adaptive: ClassVar[bool] = False

    def identity(self, brought: Brought) -> dict[str, Any]:
        return {"params": brought.portfolio(self.trials[-1], self.per_dataset)}

    def attempts(self, context: LeagueContext, count: int) -> Attempts:
        for number in range(count):
            yield context.brought.portfolio(count, self.per_dataset)[number]

    def choose(self, context: LeagueContext, tried: Tried) -> Choice:
        return best_of(tried)


Entry = HerEntry | StudyEntry | FixedEntry | PortfolioEntry


def best_of(tried: Tried) -> Choice:
    """The trial with the highest score, the earlier of two equal ones."""
    return Choice(max(tried, key=lambda one: one[1])[0])
