"""`OhLoRASampler`: an ordinary Optuna study that starts where others end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import norm, rankdata

from ohlora.errors import OhloraError
from ohlora.predictor.predictor import Predictor
from ohlora.predictor.search import Belief, search
from ohlora.predictor.study_space import StudySpace, contains, distribution, understood
from ohlora.space import Params, Real, Space

OWN_CHOICE = "ohlora:own_choice"  # marks the trial that tries the choice made before any trial
LEAST_SPREAD = 0.05  # macro-F1, of scores whose scale is not known

Scored = list[tuple[Params, float]]


class SeveralScores(OhloraError, ValueError):
    """A study of several objectives; Optuna's own samplers raise ValueError."""


def suggest(trial: Any, space: Space) -> Params:
    """Ask an Optuna trial for every free hyperparameter of `space`.

    A number that was enqueued outside its range is kept, as Optuna keeps it.
    """
    drawn: Params = {}
    for name, axis in space.free.items():
        if isinstance(axis, Real):
            drawn[name] = trial.suggest_float(name, axis.low, axis.high, log=axis.log)
            continue
        try:
            drawn[name] = trial.suggest_categorical(name, list(axis.options))
        except ValueError as error:  # enqueued, and no option
            raise OhloraError(f"{name}: {error}; allowed: {axis}") from None
    return {name: drawn[name] if name in drawn else space.fixed[name] for name in space.within}


class OhLoRASampler(BaseSampler):
    """Optuna sampler: the first trial of its own is what the predictor thinks best, later ones learn.

    `features` describe the subset (`ohlora.features.describe`). The objective is best a validation
    macro-F1 to maximise, from 0 to 1 or in percent; any other score, and one to minimise, counts by its
    order alone. A study may tune some of the hyperparameters, in other ranges, as integers or by steps:
    those it does not tune are taken to stand where the predictor would have them. Parameters that the
    predictor does not know are drawn by TPE. Pruned, failed, infinite and running trials are learned from.
    """

    def __init__(
        self, predictor: Predictor, space: Space, features: Mapping[str, float], seed: int = 0
    ) -> None:
        predictor.check_space(space)
        self._predictor, self._space, self._seed = predictor, space, seed
        self._vector = predictor.vector(features)
        self._unknown = TPESampler(seed=seed)
        self._choice: Params | None = None
        self._plans: dict[tuple[str, int], Params] = {}  # (study, trial) -> what the trial is to draw

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        refuse_several_scores(study)
        return {}  # what a trial asks for, and in which range, is known when it asks

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        refuse_several_scores(study)
        known = {name: drawn for name, drawn in search_space.items() if self._knows(name, drawn)}
        plan = self._plan(study, trial, known) if known else {}
        return {
            name: as_drawn(drawn, plan[name])
            if name in known
            else self._unknown.sample_independent(study, trial, name, drawn)
            for name, drawn in search_space.items()
        }

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        refuse_several_scores(study)
        if not self._knows(param_name, param_distribution):
            return self._unknown.sample_independent(study, trial, param_name, param_distribution)
        place = (study.study_name, trial.number)
        plan = self._plans.get(place)
        if plan is None or not holds(plan, trial.params, param_name, param_distribution):
            plan = self._plans[place] = self._plan(study, trial, {param_name: param_distribution})
        return as_drawn(param_distribution, plan[param_name])

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._plans.pop((study.study_name, trial.number), None)

    def reseed_rng(self) -> None:
        self._unknown.reseed_rng()

    def _knows(self, name: str, drawn: BaseDistribution) -> bool:
        return name in self._space.within and understood(self._space.within[name], drawn)

    def _own_choice(self) -> Params:
        """What the predictor thinks best before any trial."""
        if self._choice is None:
            self._choice = search(self._predictor, self._space, self._vector, self._seed).params
        return self._choice

    def _plan(self, study: Study, trial: FrozenTrial, asked: Mapping[str, BaseDistribution]) -> Params:
        """Values for `asked` and for all that earlier trials drew, given what this trial has already."""
        own = self._own_choice()
        others = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        enqueued = trial.system_attrs.get("fixed_params", {})
        decided = {
            n: v
            for n, v in {**enqueued, **trial.params}.items()
            if n not in asked and self._knows(n, CategoricalDistribution([v]))
        }
        tuned = {n: d for t in others for n, d in t.distributions.items() if self._knows(n, d)}
        if not tuned:
            tuned = {name: distribution(axis) for name, axis in self._space.free.items()}
        tuned = {n: d for n, d in {**tuned, **asked}.items() if n not in decided}
        space = StudySpace(self._space.within, tuned, {**own, **decided})
        if not enqueued and not any(OWN_CHOICE in t.system_attrs for t in others):
            study._storage.set_trial_system_attr(trial._trial_id, OWN_CHOICE, True)
            fits = all(contains(d, own[n]) for n, d in tuned.items())
            if fits and all(own[name] == value for name, value in decided.items()):
                return own
            history: Scored = []
        else:
            history = self._history(study, others, space)
        found = search(
            self._predictor, space, self._vector, self._seed + trial.number, history, explore=bool(history)
        )
        return found.params

    def _history(self, study: Study, trials: Sequence[FrozenTrial], space: StudySpace) -> Scored:
        """Each trial's params with its score as a macro-F1; those without one as they are expected to do."""
        own, sign = self._own_choice(), 1 if study.direction == StudyDirection.MAXIMIZE else -1
        scored: Scored = []
        unscored: list[Params] = []
        for trial in trials:
            known = {n: v for n, v in trial.params.items() if self._knows(n, trial.distributions[n])}
            if not known:
                continue
            if trial.state in (TrialState.RUNNING, TrialState.WAITING):
                unscored.append({**own, **known})
            else:
                scored.append(({**own, **known}, sign * score(trial, worst=-sign * np.inf)))
        scores = np.array([one for _, one in scored])
        if not np.isfinite(scores).any():  # nothing to compare with: only somewhere not to go again
            unscored += [params for params, _ in scored]
            history: Scored = []
        else:
            expected = self._expected(space, [params for params, _ in scored])
            units = as_f1(scores, sign > 0, expected, self._spread(space))
            history = [(params, float(one)) for (params, _), one in zip(scored, units, strict=True)]
        if unscored:
            belief = Belief(self._predictor, space, self._vector, history)
            means = belief(np.array([space.encode(params) for params in unscored]))[0]
            history += [(params, float(mean)) for params, mean in zip(unscored, means, strict=True)]
        return history

    def _expected(self, space: StudySpace, some: Sequence[Params]) -> np.ndarray:
        rows = np.array([space.encode(params) for params in some]).clip(0, 1)
        return self._predictor.members(self._vector, rows).mean(0).numpy()

    def _spread(self, space: StudySpace) -> float:
        """How far apart scores lie over what the study tunes, in the predictor's eyes (macro-F1)."""
        positions = np.random.default_rng(self._seed).random((256, len(space.free)))
        rows = space.encode_positions(positions).clip(0, 1)
        return max(float(self._predictor.members(self._vector, rows).mean(0).std()), LEAST_SPREAD)


def refuse_several_scores(study: Study) -> None:
    if len(study.directions) > 1:
        raise SeveralScores(f"OhLoRASampler has one score to better, not {len(study.directions)}")


def holds(plan: Params, drawn: Mapping[str, Any], name: str, asked: BaseDistribution) -> bool:
    """Whether a plan still stands: what was drawn so far is of it, and what is asked for can be drawn."""
    followed = all(plan[other] == value for other, value in drawn.items() if other in plan)
    return followed and name in plan and contains(asked, plan[name])


def as_drawn(drawn: BaseDistribution, value: Any) -> Any:
    if isinstance(drawn, FloatDistribution):
        return float(value)
    return int(value) if isinstance(drawn, IntDistribution) else value


def score(trial: FrozenTrial, worst: float) -> float:
    """What a trial that has ended was worth; a pruned one by its last report, a failed one `worst`."""
    if trial.state == TrialState.COMPLETE:
        return worst if trial.value is None else trial.value
    if trial.state == TrialState.PRUNED and trial.intermediate_values:
        last = trial.intermediate_values[max(trial.intermediate_values)]
        return worst if np.isnan(last) else last
    return worst


def as_f1(scores: np.ndarray, maximised: bool, expected: np.ndarray, spread: float) -> np.ndarray:
    """Scores, higher is better, as macro-F1: 0 to 1 as they are, percent by 100, any others by rank.

    By rank (arXiv:1909.13595) neither a scale nor a single loss of 1e6 can mislead: they spread around
    what was `expected` of them as a normal distribution does. -inf is the lowest seen.
    """
    finite = scores[np.isfinite(scores)]
    if maximised and not np.isposinf(scores).any() and finite.min() >= 0:
        floored = np.where(np.isfinite(scores), scores, finite.min())
        if finite.max() <= 1:
            return floored
        if 10 < finite.max() <= 100:
            return floored / 100
    quantiles = (rankdata(scores) - 0.5) / len(scores)
    return expected.mean() + spread * norm.ppf(quantiles)
