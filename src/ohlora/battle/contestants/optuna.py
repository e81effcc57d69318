"""Optuna."""

from __future__ import annotations

import warnings
from typing import ClassVar, Literal

from ohlora.battle import phrases
from ohlora.battle.contestants.base import Attempts, Kind, MatchContext, Rules, Trials
from ohlora.config import config
from ohlora.space import Space

# Spelled out: Optuna 5.0 changed what TPE does by default, and a rival is to be the same under 4.9.
SAMPLERS = {
    "tpe": (
        "TPESampler",
        {
            "n_startup_trials": 10,
            "n_ei_candidates": 24,
            "multivariate": True,
            "group": False,
            "constant_liar": False,  # of trials side by side; here they follow each other
        },
    ),
    "gp": ("GPSampler", {"n_startup_trials": 10, "deterministic_objective": False}),
    "random": ("RandomSampler", {}),
}


@config
class OptunaSearch:
    """An ordinary Optuna study over the same space, told the validation macro-F1 of each attempt."""

    sampler: Literal["tpe", "gp", "random"]
    trials: Trials
    kind: ClassVar[Kind] = "optuna"
    rules: ClassVar[Rules] = "fair"

    def title(self, context: MatchContext, language: str) -> str:
        return phrases.plain("optuna", language, sampler=self.sampler.upper(), trials=self.trials)

    def check(self, space: Space) -> None: ...

    def attempts(self, context: MatchContext) -> Attempts:
        import optuna  # a second of imports: only once a match is on

        from ohlora.predictor.study_space import distribution

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        axes = {name: distribution(axis) for name, axis in context.space.free.items()}
        name, keywords = SAMPLERS[self.sampler]
        with warnings.catch_warnings():  # multivariate is "experimental" to 4.9
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = getattr(optuna.samplers, name)(seed=context.seed, **keywords)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for _ in range(self.trials):
            trial = study.ask(axes)
            study.tell(trial, (yield context.space.check(trial.params)))
