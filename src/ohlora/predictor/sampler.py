"""`OhLoRASampler`: an ordinary Optuna study that starts where others end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ohlora.errors import OhloraError
from ohlora.predictor.predictor import Predictor
from ohlora.predictor.search import search
from ohlora.space import Axis, Params, Real, Space


def distribution(axis: Axis) -> BaseDistribution:
    """The axis as Optuna draws from it."""
    if isinstance(axis, Real):
        return FloatDistribution(axis.low, axis.high, log=axis.log)
    return CategoricalDistribution(list(axis.options))


def suggest(trial: Any, space: Space) -> Params:
    """Ask an Optuna trial for every free hyperparameter of `space`."""
    drawn: Params = {}
    for name, axis in space.free.items():
        if isinstance(axis, Real):
            drawn[name] = trial.suggest_float(name, axis.low, axis.high, log=axis.log)
        else:
            drawn[name] = trial.suggest_categorical(name, list(axis.options))
    return space.check(drawn)


class OhLoRASampler(BaseSampler):
    """Optuna sampler: the first trial is Oh-LoRA's own choice, later ones learn from the study.

    `features` describe the subset (`ohlora.features.describe`). The objective must be a score to
    maximise, ideally a validation macro-F1 from 0 to 1. Parameters of the study that `space` does not
    know are drawn at random.
    """

    def __init__(
        self, predictor: Predictor, space: Space, features: Mapping[str, float], seed: int = 0
    ) -> None:
        predictor.check_space(space)
        self._predictor, self._space, self._seed = predictor, space, seed
        self._vector = predictor.vector(features)
        self._fallback = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {name: distribution(axis) for name, axis in self._space.free.items()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if study.direction != StudyDirection.MAXIMIZE:
            raise OhloraError("OhLoRASampler maximises: optuna.create_study(direction='maximize', ...)")
        history = []
        for past in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            if all(name in past.params for name in self._space.free) and past.value is not None:
                params = self._space.check({name: past.params[name] for name in self._space.free})
                history.append((params, past.value))
        found = search(
            self._predictor,
            self._space,
            self._vector,
            self._seed + trial.number,
            history,
            explore=bool(history),
        )
        return {name: found.params[name] for name in self._space.free}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._fallback.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        self._fallback.reseed_rng()
