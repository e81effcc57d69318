"""`OhLoRASampler`: an ordinary Optuna study that starts where others end."""

from __future__ import annotations

import math
import secrets
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from threading import RLock
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ohlora.errors import OhloraError, nearest
from ohlora.precision import one_thread
from ohlora.predictor.predictor import Predictor
from ohlora.predictor.sampler_settings import setting_faults
from ohlora.predictor.search import search
from ohlora.predictor.study_model import Points, Scores, StudyModel, climb
from ohlora.predictor.study_space import (
    Dimension,
    StudySpace,
    Translation,
    contains,
    distribution,
    is_number,
    is_numeric,
)
from ohlora.predictor.study_trials import (
    OWN_CHOICE,
    Tried,
    accidents,
    best_and_latest,
    comparable,
    own_choice_taken,
    score_of,
    violation_of,
)
from ohlora.space import Params, Real, Space

# Until this many trials every other one is drawn at random, after that every fourth follows the trials alone:
# near her choice trials agree with her whether or not she is right, so only trials elsewhere tell.
TESTING = 8
MOST_TRUST = 0.95
FEW = 8  # random ones of which the most promising is tried
UNKNOWN = 1.0  # macro-F1 by which a word that the predictor does not know is put behind the known ones
DOUBT = 0.5  # with less trust in the predictor than this every one of the first trials is drawn at random


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
    """Optuna sampler: Bayesian optimisation whose prior mean is the predictor.

    The first trial of its own is what the predictor thinks best; how far to follow it from there is fitted
    to the study (`study_model`). `features` describe the subset (`ohlora.features.describe`). What is drawn
    at random comes of `seed` (an int from 0; None: another at each start) and the trial's number.

    The objective may be on any scale, to maximise or to minimise; from 0 to 1 (or 10 to 100) and to maximise
    it is taken for a macro-F1, as long as its scores do not lie closer together than such scores can.

    A study may tune some of the hyperparameters, in other ranges, as integers or by steps: those it does not
    tune are taken to stand where the predictor would have them. `names` tells which hyperparameter a
    parameter of another name is (`{"lr": "learning_rate"}`), `translations` what its values are to the
    hyperparameter, as a mapping or a function (`{"log_lr": lambda value: 10**value}`). Parameters that the
    predictor does not know are drawn by TPE.

    A pruned trial counts by its last report. One that violates a constraint counts as the worst seen, and so
    does one that failed, unless that looks like an accident (`accidents`): then it says nothing, and the
    predictor's choice is tried again. Trials under way count as done with the scores expected of them (the
    kriging believer). What is cut or unknown is logged once by each sampler.

    Raises OhloraError naming every fault of `seed`, `names`, `translations` and `features`.
    """

    def __init__(
        self,
        predictor: Predictor,
        space: Space,
        features: Mapping[str, float],
        seed: int | None = 0,
        *,
        names: Mapping[str, str] | None = None,
        translations: Mapping[str, Translation] | None = None,
    ) -> None:
        predictor.check_space(space)
        names, translations = {} if names is None else names, {} if translations is None else translations
        if faults := setting_faults(space, features, seed, names, translations):
            raise OhloraError("; ".join(faults))
        self._predictor, self._space = predictor, space
        self._seed = secrets.randbits(32) if seed is None else seed
        self._expected = predictor.on(predictor.vector(features))
        self._names, self._translations = dict(names), dict(translations)
        self._choice: Params | None = None
        self._plans: dict[tuple[str, int], dict[str, Any]] = {}  # (study, trial) -> what it is to draw
        self._dimensions: dict[tuple[str, str], Dimension | None] = {}  # (parameter, what is drawn)
        self._ended: dict[tuple[str, int, Any], tuple[Params, dict[str, Any]]] = {}  # (study, trial, its end)
        self._told: set[str] = set()
        self._lock = RLock()

    def __getstate__(self) -> dict[str, Any]:
        own = ("_lock", "_dimensions", "_ended")
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=RLock(), _dimensions={}, _ended={})

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        refuse_several_scores(study)
        return {}  # what a trial asks for, and in which range, is known when it asks

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        refuse_several_scores(study)
        known = {name: drawn for name, drawn in search_space.items() if self._knows(name, drawn)}
        with self._lock:
            plan = self._plan(study, trial, known) if known else {}
        return {
            name: as_drawn(drawn, plan[name]) if name in known else self._by_tpe(study, trial, name, drawn)
            for name, drawn in search_space.items()
        }

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        refuse_several_scores(study)
        if not self._knows(param_name, param_distribution):
            return self._by_tpe(study, trial, param_name, param_distribution)
        place = (study.study_name, trial.number)
        with self._lock:
            plan = self._plans.get(place)
            if plan is None or not holds(plan, trial.params, param_name, param_distribution):
                plan = self._plans[place] = self._plan(study, trial, {param_name: param_distribution})
        return as_drawn(param_distribution, plan[param_name])

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._plans.pop((study.study_name, trial.number), None)

    def reseed_rng(self) -> None:
        """Nothing to do: random numbers come of the trial's number, which no other process has."""

    def _by_tpe(self, study: Study, trial: FrozenTrial, name: str, drawn: BaseDistribution) -> Any:
        self._tell(name, f"{name} is drawn by TPE: {self._why_unknown(name, drawn)}")
        # Seeded anew, or a study that goes on from storage would repeat its first draws. Spelled out: 4.9 and
        # 5.0 differ in what is the default.
        seed = zlib.crc32(f"{self._seed} {trial.number} {name}".encode())
        tpe = TPESampler(
            n_startup_trials=10,
            n_ei_candidates=24,
            multivariate=False,
            group=False,
            constant_liar=False,
            seed=seed,
        )
        return tpe.sample_independent(study, trial, name, drawn)

    def _why_unknown(self, name: str, drawn: BaseDistribution) -> str:
        """Why the predictor does not know a parameter of the study, and what would tell it."""
        hyperparameter = self._hyperparameter(name)
        if hyperparameter is not None:
            told = f"no value of {hyperparameter} ({self._space.within[hyperparameter]})"
            return f"{shown(drawn)} is {told}; translations= tells which it is"
        for other, target in self._names.items():
            if target == name:
                return f"the predictor's {name} is {other} here"
        near, allowed = nearest(name, self._space.within), ", ".join(self._space.within)
        return f"the predictor does not know it{near}; names= tells which it is of {allowed}"

    def _hyperparameter(self, name: str) -> str | None:
        """Which hyperparameter a parameter of the study is."""
        if name in self._names:
            return self._names[name]
        return name if name in self._space.within and name not in self._names.values() else None

    def _dimension(self, name: str, drawn: BaseDistribution) -> Dimension | None:
        """A parameter of the study as a hyperparameter; None where it is none."""
        key = name, repr(drawn)  # a list among the options has no hash
        if key not in self._dimensions:
            self._dimensions[key] = self._new_dimension(name, drawn)
        return self._dimensions[key]

    def _new_dimension(self, name: str, drawn: BaseDistribution) -> Dimension | None:
        if (hyperparameter := self._hyperparameter(name)) is None:
            return None
        one = Dimension(self._space.within[hyperparameter], drawn, self._translations.get(name))
        return one if one.understood() else None

    def _knows(self, name: str, drawn: BaseDistribution) -> bool:
        return self._dimension(name, drawn) is not None

    def _tell(self, topic: str, what: str) -> None:
        """Say it if nothing was said of this topic yet."""
        if topic not in self._told:
            self._told.add(topic)
            optuna.logging.get_logger("optuna.ohlora").warning(what)

    def _own_choice(self) -> Params:
        """What the predictor thinks best before any trial."""
        if self._choice is None:
            self._choice = search(self._predictor, self._space, self._expected.vector, self._seed).params
        return self._choice

    @one_thread()
    def _plan(
        self, study: Study, trial: FrozenTrial, asked: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values for `asked` and for all that earlier trials drew, given what this trial has already."""
        others = [one for one in study.get_trials(deepcopy=False) if one.number != trial.number]
        asks = self._asks(others, asked)
        tuned = self._by_hyperparameter(asks)
        for name, one in tuned.items():
            if beyond := one.beyond():
                named = self._parameter(name)
                self._tell(f"{named} beyond", f"{named}: {beyond}, where the predictor was not fitted")
        enqueued = trial.system_attrs.get("fixed_params", {})
        already = {n: v for n, v in {**enqueued, **trial.params}.items() if n not in asked and n in asks}
        decided = self._meanings(already, trial.distributions)
        history = self._history(study, others)
        everyone = study._storage.get_all_trials(study._study_id, deepcopy=False)  # a bracket's has its own
        space = StudySpace(
            self._space.within,
            tuned,
            {**self._own_choice(), **decided},
            tuple(decided),
            [one.params for one in history],
        )
        rng = np.random.default_rng([self._seed, trial.number])
        if not enqueued and not own_choice_taken(trial, everyone):
            study._storage.set_trial_system_attr(trial._trial_id, OWN_CHOICE, True)
            chosen = self._own_choice_in(space, rng)
        else:
            chosen = space.values(self._next(history, space, study.direction, rng))
        return {name: chosen[h] for name in asks if (h := self._hyperparameter(name)) in chosen}

    def _by_hyperparameter(self, drawn: Mapping[str, BaseDistribution]) -> dict[str, Dimension]:
        found = {self._hyperparameter(name): self._dimension(name, one) for name, one in drawn.items()}
        return {name: one for name, one in found.items() if name is not None and one is not None}

    def _meanings(self, values: Mapping[str, Any], drawn: Mapping[str, BaseDistribution]) -> Params:
        """By hyperparameter what values of the study mean, as far as the predictor knows them."""
        known = self._by_hyperparameter(
            {name: drawn.get(name, CategoricalDistribution([value])) for name, value in values.items()}
        )
        by_hyperparameter = {self._hyperparameter(name): value for name, value in values.items()}
        meant = {name: one.meaning([by_hyperparameter[name]])[0] for name, one in known.items()}
        return {n: one for n, one in meant.items() if not is_number(one) or math.isfinite(one)}

    def _asks(
        self, others: Sequence[FrozenTrial], asked: Mapping[str, BaseDistribution]
    ) -> dict[str, BaseDistribution]:
        """The parameters of the study that the predictor knows, with their latest ranges."""
        earlier = {name: drawn for one in others for name, drawn in one.distributions.items()}
        known = {name: drawn for name, drawn in earlier.items() if self._knows(name, drawn)}
        if not known:  # nothing tried yet: as if all of the space were asked for
            names = {hyperparameter: name for name, hyperparameter in self._names.items()}
            free = {names.get(name, name): axis for name, axis in self._space.free.items()}
            known = {n: distribution(axis) for n, axis in free.items() if n not in self._translations}
        return {**known, **asked}

    def _next(
        self, history: Sequence[Tried], space: StudySpace, direction: StudyDirection, rng: np.random.Generator
    ) -> np.ndarray:
        """The positions to try, given what was tried."""
        few = rng.random((FEW, len(space.free)))
        scored, maximised = comparable(history, direction == StudyDirection.MAXIMIZE)
        if not scored:
            if not history and space.held != self._own_choice():  # the rest of a trial enqueued in part
                return self._best_at(space, few, rng)
            return few[np.argmax(self._by_predictor(space, few))]
        ranked = sorted(scored, key=lambda one: -one.score)
        scored = best_and_latest(scored)
        pending = [one.params for one in history if np.isnan(one.score)]
        model = StudyModel(
            self._points(*space.rows([one.params for one in scored])),
            Scores.of(np.array([one.score for one in scored]), maximised),
            space.columns,
            self._spread(space),
            self._points(*space.rows(pending)) if pending else None,
        )
        if len(history) < TESTING and (len(history) % 2 == 1 or model.trust < DOUBT):
            return few[np.argmax(model.improvement(self._points(*space.rows_at(few)), trust=0.0))]
        trust = 0.0 if len(history) % 4 == 1 else min(model.trust, MOST_TRUST)
        return climb(
            lambda positions: model.improvement(self._points(*space.rows_at(positions)), trust),
            np.array([space.positions(one.drawn) for one in ranked[:16]]),
            rng,
        )

    def _own_choice_in(self, space: StudySpace, rng: np.random.Generator) -> dict[str, Any]:
        """The predictor's own choice as the study draws it, or the best that the study's ranges leave."""
        own = self._own_choice()
        found = {name: one.nearest(own[name]) for name, one in space.free.items()}
        cut = [name for name, (_, same) in found.items() if not same]
        if cut:
            told = ", ".join(f"{self._parameter(name)}={own[name]}" for name in cut)
            told = f"the predictor's choice {told} cannot be drawn; the best that can be is taken"
            self._tell(told, told)
        positions = np.array([position for position, _ in found.values()])
        if cut or not space.stands_at(own):
            return space.values(self._best_at(space, positions[None], rng))
        exact = {n: own[n] for n, one in space.free.items() if not one.translation and one.contains(own[n])}
        return {**space.values(positions), **exact}

    def _best_at(self, space: StudySpace, starts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The positions that the predictor thinks best."""
        return climb(lambda at: self._by_predictor(space, at), starts, rng)

    def _by_predictor(self, space: StudySpace, positions: np.ndarray) -> np.ndarray:
        """What it expects at positions [n, free], words that it does not know behind those it does."""
        encoded, placed = space.rows_at(positions)
        unknown = sum(~encoded[:, columns].any(axis=1) for columns in self._words)
        return self._points(encoded, placed).predicted - UNKNOWN * unknown

    def _history(self, study: Study, trials: Sequence[FrozenTrial]) -> list[Tried]:
        """Trials that tell something about hyperparameters; what one did not draw stood at the own choice."""
        own, sign = self._own_choice(), 1 if study.direction == StudyDirection.MAXIMIZE else -1
        history, left_out = [], accidents(trials)
        for trial in trials:
            if trial.number in left_out:
                continue
            values, score = trial.params, np.nan
            if trial.state in (TrialState.RUNNING, TrialState.WAITING):
                planned = self._plans.get((study.study_name, trial.number), {})
                values = {**planned, **trial.system_attrs.get("fixed_params", {}), **values}
            else:
                score = score_of(trial, sign)
            meanings, drawn = self._meant(study, trial, values)
            if meanings:
                history.append(Tried({**own, **meanings}, drawn, score, violation_of(trial)))
        return history

    def _meant(
        self, study: Study, trial: FrozenTrial, values: Mapping[str, Any]
    ) -> tuple[Params, dict[str, Any]]:
        """By hyperparameter what a trial's values mean and what they are; kept once it has ended."""
        key = study.study_name, trial.number, trial.datetime_complete
        if key in self._ended:
            return self._ended[key]
        meanings = self._meanings(values, trial.distributions)
        drawn = {h: v for n, v in values.items() if (h := self._hyperparameter(n)) in meanings}
        if trial.datetime_complete is not None:
            self._ended[key] = meanings, drawn
        return meanings, drawn

    def _points(self, encoded: np.ndarray, placed: np.ndarray) -> Points:
        """What the predictor expects: outside the ranges it was fitted in, what it does at their ends.

        Of a word it was not fitted on, the mean over those that it was.
        """
        rows, origin = known_words(encoded.clip(0, 1), self._words)
        f1 = self._expected.members(rows).mean(0).double().numpy()
        return Points(placed, np.bincount(origin, f1) / np.bincount(origin))

    def _parameter(self, hyperparameter: str) -> str:
        """What the study calls a hyperparameter."""
        return next((name for name, one in self._names.items() if one == hyperparameter), hyperparameter)

    @cached_property
    def _words(self) -> list[slice]:
        """The columns of each hyperparameter whose values are words, in the predictor's rows."""
        ends = np.cumsum([axis.width for axis in self._space.within.values()]).tolist()
        axes = zip(self._space.within.values(), ends, strict=True)
        return [slice(end - axis.width, end) for axis, end in axes if not is_numeric(axis)]

    def _spread(self, space: StudySpace) -> float:
        """How far apart scores lie over what the study tunes, in the predictor's eyes (macro-F1)."""
        positions = np.random.default_rng(self._seed).random((256, len(space.free)))
        return float(self._points(*space.rows_at(positions)).predicted.std())


def known_words(encoded: np.ndarray, words: Sequence[slice]) -> tuple[np.ndarray, np.ndarray]:
    """Rows with every option in place of an unknown word, and of which row of `encoded` each is.

    `words` are the columns of each hyperparameter whose values are words.
    """
    rows, origin = encoded, np.arange(len(encoded))
    for columns in words:
        unknown = ~rows[:, columns].any(axis=1)
        if unknown.any():
            options = np.eye(columns.stop - columns.start)
            filled = np.repeat(rows[unknown], len(options), axis=0)
            filled[:, columns] = np.tile(options, (int(unknown.sum()), 1))
            rows = np.concatenate([rows[~unknown], filled])
            origin = np.concatenate([origin[~unknown], np.repeat(origin[unknown], len(options))])
    return rows, origin


def shown(drawn: BaseDistribution) -> str:
    """What a study draws, for a message."""
    if isinstance(drawn, CategoricalDistribution):
        return " | ".join(map(repr, drawn.choices))
    assert isinstance(drawn, FloatDistribution | IntDistribution)
    return f"{drawn.low:g} to {drawn.high:g}"


def refuse_several_scores(study: Study) -> None:
    if len(study.directions) > 1:
        raise SeveralScores(f"OhLoRASampler has one score to better, not {len(study.directions)}")


def holds(plan: Mapping[str, Any], drawn: Mapping[str, Any], name: str, asked: BaseDistribution) -> bool:
    """Whether a plan still stands: what was drawn so far is of it, and what is asked for can be drawn."""
    followed = all(plan[other] == value for other, value in drawn.items() if other in plan)
    return followed and name in plan and contains(asked, plan[name])


def as_drawn(drawn: BaseDistribution, value: Any) -> Any:
    if isinstance(drawn, FloatDistribution):
        return float(value)
    return int(value) if isinstance(drawn, IntDistribution) else value
