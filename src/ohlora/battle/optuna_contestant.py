"""Optuna as a contestant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import optuna

from ohlora.battle.contestants import Attempt, Kind, Table, require_trials
from ohlora.errors import OhloraError, nearest
from ohlora.predictor.sampler import distribution
from ohlora.space import Params, Space

SAMPLERS = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}


class OptunaContestant:
    """An ordinary Optuna study over the same space, told the validation macro-F1 of each attempt."""

    kind: Kind = "optuna"

    def __init__(self, space: Space, sampler: str, trials: int, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.name, self.trials = f"Optuna {sampler.upper()} ({trials} trials)", trials
        self._space = space
        self._axes = {name: distribution(axis) for name, axis in space.free.items()}
        self._study = optuna.create_study(direction="maximize", sampler=SAMPLERS[sampler](seed))
        self._asked: list[optuna.Trial] = []
        self._told = 0

    def propose(self, history: Sequence[Attempt]) -> Params:
        for trial, attempt in zip(self._asked[self._told :], history[self._told :], strict=True):
            self._study.tell(trial, attempt.val_f1)
        self._told = len(history)
        trial = self._study.ask(self._axes)
        self._asked.append(trial)
        return self._space.check(trial.params)


@dataclass(frozen=True)
class OptunaOpponent:
    """conf/opponent/optuna.yaml"""

    sampler: str  # tpe | gp | random
    trials: int
    rules: Literal["house", "fair"] = "fair"

    def check(self, space: Space) -> None:
        require_trials(self.trials)
        if self.sampler not in SAMPLERS:
            hint = nearest(self.sampler, SAMPLERS)
            raise OhloraError(f"opponent.sampler={self.sampler} is not one of {' | '.join(SAMPLERS)}{hint}")

    def sit_down(self, table: Table) -> OptunaContestant:
        return OptunaContestant(table.space, self.sampler, self.trials, table.seed)
