"""What the trials of an Optuna study say: what each is worth, which are accidents, who has her own choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from ohlora.space import Params

OWN_CHOICE = "ohlora:own_choice"  # marks the trial that tries the choice made before any trial
MOST = 120  # trials the model looks at: half of them the best, half the latest of the others
TRIES = 2  # of the predictor's choice, where no trial of the study has ended well yet


@dataclass(frozen=True)
class Tried:
    """A trial as the model learns from it."""

    params: Params  # by hyperparameter, what was tried
    drawn: dict[str, Any]  # by hyperparameter, what the study drew
    score: float  # higher is better; -inf of a failed or infeasible trial, NaN of one under way
    violation: float = 0.0  # of the study's constraints, their sum


def own_choice_taken(trial: FrozenTrial, everyone: Sequence[FrozenTrial]) -> bool:
    """Whether a trial other than `trial` has the predictor's own choice, or will have it.

    One that failed leaves it to the next, TRIES times where nothing has ended well yet, then once more. Who
    began before and has drawn nothing yet will have it, unless a later trial has ended since: then its
    process is gone.
    """
    marked = [one for one in everyone if OWN_CHOICE in one.system_attrs and one.number != trial.number]
    failed = [one for one in marked if one.state == TrialState.FAIL]
    if len(failed) < len(marked):
        return True
    well = first_to_end_well(everyone)
    tries = len(failed) if well is None else sum(one.number > well for one in failed)
    if tries >= (TRIES if well is None else 1):
        return True
    ended = max((one.number for one in everyone if one.state.is_finished()), default=-1)
    return any(
        one.state == TrialState.RUNNING
        and ended < one.number < trial.number
        and not one.params
        and "fixed_params" not in one.system_attrs
        for one in everyone
    )


def first_to_end_well(trials: Sequence[FrozenTrial]) -> int | None:
    well = (TrialState.COMPLETE, TrialState.PRUNED)
    return min((one.number for one in trials if one.state in well), default=None)


def accidents(trials: Sequence[FrozenTrial]) -> set[int]:
    """The numbers of failed trials that say nothing of their params.

    Those before any trial that ended well: the code did not run yet. After it, one alone: somebody pressed
    Ctrl-C; but the predictor's own choice has been tried before and tells at once.
    """
    failed = [one for one in trials if one.state == TrialState.FAIL]
    well = first_to_end_well(trials)
    if well is None:
        return {one.number for one in failed}
    later = [one for one in failed if one.number > well]
    alone = len(later) == 1 and OWN_CHOICE not in later[0].system_attrs
    return {one.number for one in failed if one.number < well or alone}


def comparable(history: Sequence[Tried], maximised: bool) -> tuple[Sequence[Tried], bool]:
    """Trials whose scores can be compared, and whether these may be a macro-F1; none if none can be.

    Until one trial keeps to all constraints, scores are how far each violates them, the less the better.
    """
    ended = [one for one in history if not np.isnan(one.score)]
    if np.isfinite([one.score for one in ended]).any():
        return ended, maximised
    return [replace(one, score=-one.violation) for one in ended if one.violation > 0], False


def best_and_latest(scored: Sequence[Tried]) -> Sequence[Tried]:
    """The trials that the model looks at, in the order they came in: MOST of them, at most."""
    if len(scored) <= MOST:
        return scored
    ranked = sorted(range(len(scored)), key=lambda i: -scored[i].score)
    best = ranked[: MOST // 2]
    latest = sorted(ranked[MOST // 2 :])[-MOST // 2 :]
    return [scored[i] for i in sorted([*best, *latest])]


def score_of(trial: FrozenTrial, sign: int) -> float:
    """What a trial that has ended was worth, higher is better; `sign` is -1 where the study minimises.

    A pruned one is worth its last report; -inf where it failed, or violates a constraint.
    """
    score = None
    if trial.state == TrialState.COMPLETE:
        score = trial.value
    elif trial.state == TrialState.PRUNED and trial.intermediate_values:
        score = trial.intermediate_values[max(trial.intermediate_values)]
    if score is None or np.isnan(score) or violation_of(trial) > 0:
        return -np.inf
    return sign * score


def violation_of(trial: FrozenTrial) -> float:
    """The sum of the constraints that a trial violates; 0 where it keeps to all, and in Optuna before 5.0."""
    return sum(max(value, 0.0) for value in getattr(trial, "constraints", {}).values())
