"""Optuna."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ohlora.battle.contestants.base import Attempts, Kind, MatchContext, Rules
from ohlora.battle.phrases import say
from ohlora.errors import OhloraError, nearest, whole_fault
from ohlora.space import Space

SAMPLERS = {"tpe": "TPESampler", "gp": "GPSampler", "random": "RandomSampler"}


@dataclass(frozen=True)
class OptunaSearch:
    """An ordinary Optuna study over the same space, told the validation macro-F1 of each attempt."""

    sampler: str  # tpe | gp | random
    trials: int
    kind: ClassVar[Kind] = "optuna"
    rules: ClassVar[Rules] = "fair"

    def title(self, context: MatchContext, language: str) -> str:
        return say("optuna", language, sampler=self.sampler.upper(), trials=self.trials)

    def check(self, space: Space) -> None:
        faults = []
        if fault := whole_fault("challenger.trials", self.trials, 1, 1000):
            faults.append(fault)
        if self.sampler not in SAMPLERS:
            hint = nearest(self.sampler, SAMPLERS)
            faults.append(f"challenger.sampler={self.sampler} is not one of {' | '.join(SAMPLERS)}{hint}")
        if faults:
            raise OhloraError("; ".join(faults))

    def attempts(self, context: MatchContext) -> Attempts:
        import optuna  # a second of imports: only once a match is on

        from ohlora.predictor.sampler import distribution

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        axes = {name: distribution(axis) for name, axis in context.space.free.items()}
        sampler = getattr(optuna.samplers, SAMPLERS[self.sampler])(seed=context.seed)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for _ in range(self.trials):
            trial = study.ask(axes)
            study.tell(trial, (yield context.space.check(trial.params)))
