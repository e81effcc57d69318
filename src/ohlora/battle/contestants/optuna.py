"""Optuna."""

from __future__ import annotations

import inspect
import warnings
from typing import Any, ClassVar, Literal

from ohlora.battle import phrases
from ohlora.battle.contestants.base import Attempts, Kind, MatchContext, Rules, Trials
from ohlora.config import config
from ohlora.space import Params, Space

# Spelled out: Optuna 5.0 changed what TPE does by default, and a rival is to be the same under 4.9.
TPE = {
    "n_startup_trials": 10,
    "n_ei_candidates": 24,
    "multivariate": True,
    "group": False,
    "constant_liar": False,  # of trials side by side; here they follow each other
}
SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "tpe": ("TPESampler", TPE),
    "tpe_univariate": ("TPESampler", {**TPE, "multivariate": False}),
    "gp": ("GPSampler", {"n_startup_trials": 10, "deterministic_objective": False}),
    "random": ("RandomSampler", {}),
}
# What Optuna 4.9 and 5.0 take for keywords left at None. Told, not given: with TPE that is deprecated.
DEFAULTS: dict[str, dict[str, Any]] = {
    "TPESampler": {
        "consider_prior": True,
        "prior_weight": 1.0,
        "consider_magic_clip": True,
        "consider_endpoints": False,
        "gamma": "default_gamma",  # the best tenth of the trials, at most 25
        "weights": "default_weights",  # 1 of the latest 25 trials, of older ones the less the older
        "warn_independent_sampling": False,
    },
    "GPSampler": {"independent_sampler": "RandomSampler"},
    "RandomSampler": {},
}
SamplerName = Literal["tpe", "gp", "random", "tpe_univariate"]


@config
class OptunaSearch:
    """An ordinary Optuna study over the same space, told the validation macro-F1 of each attempt."""

    sampler: SamplerName
    trials: Trials
    kind: ClassVar[Kind] = "optuna"
    rules: ClassVar[Rules] = "fair"

    def title(self, context: MatchContext, language: str) -> str:
        name = self.sampler.upper().replace("_", " ")
        return phrases.plain("optuna", language, sampler=name, trials=self.trials)

    def check(self, space: Space) -> None: ...

    def attempts(self, context: MatchContext) -> Attempts:
        return study(self.sampler, context.space, context.seed, self.trials)


def study(name: SamplerName, space: Space, seed: int, trials: int, start: Params | None = None) -> Attempts:
    """An Optuna study's trials, one after the other; `start` is enqueued as the first."""
    import optuna  # a second of imports: only once a match is on

    from ohlora.predictor.study_space import distribution

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    axes = {name: distribution(axis) for name, axis in space.free.items()}
    kind, keywords = SAMPLERS[name]
    with warnings.catch_warnings():  # multivariate is "experimental" to 4.9
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = getattr(optuna.samplers, kind)(seed=seed, **keywords)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    if start is not None:
        study.enqueue_trial({name: start[name] for name in space.free})
    for _ in range(trials):
        trial = study.ask(axes)
        study.tell(trial, (yield space.check(trial.params)))


def sampler_keywords(name: SamplerName) -> dict[str, Any]:
    """Every keyword of a sampler as it is used: those given above, and Optuna's own defaults.

    Of functions and other samplers the name.
    """
    import optuna

    kind, given = SAMPLERS[name]
    signature = inspect.signature(getattr(optuna.samplers, kind).__init__)
    left = {key: one.default for key, one in signature.parameters.items() if key not in ("self", "seed")}
    taken = {key: DEFAULTS[kind].get(key) if value is None else value for key, value in left.items()}
    return {"sampler": kind, **taken, **given}


def optuna_version() -> str:
    import optuna

    return optuna.__version__
