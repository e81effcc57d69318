"""The trials of a plan, one after the other."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from ohlora.datasets.images import ImageData
from ohlora.datasets.pictures import save_images
from ohlora.datasets.subset import Subset, draw_valid_seeds
from ohlora.errors import OhloraError
from ohlora.records.record import TrialKey
from ohlora.seeds import CHOSEN_SEEDS, LEAGUE_SEEDS, REPEAT_SEEDS
from ohlora.space import Params
from ohlora.trials.jobs import TrialPlan
from ohlora.trials.stack_members import StackedTrial


def spread_params(plan: TrialPlan, data: ImageData) -> list[Params]:
    """Params of every trial, spread evenly over the space.

    The sequence depends on the axes of the whole game only: a hyperparameter that is fixed, or freed, or
    kept to a part of its axis, leaves what is drawn for the others as it is.
    """
    axes = {name: str(axis) for name, axis in plan.space.within.items()}
    name = json.dumps([data.name, plan.family.name, plan.seed, axes])
    return plan.space.points(plan.trials, seed=zlib.crc32(name.encode()))


def planned_subsets(plan: TrialPlan, data: ImageData, cache_dir: Path) -> Iterator[Subset]:
    """The plan's subsets; OhloraError where one would be a league's."""
    valid = draw_valid_seeds(plan.family, data, plan.seed, cache_dir)
    for _ in range(plan.subsets):
        seed, subset = next(valid)
        if seed >= LEAGUE_SEEDS:
            raise OhloraError(
                f"the {plan.subsets} subsets from subset.seed={plan.seed} on reach {seed}, as some seeds have"
                f" too few images; from {LEAGUE_SEEDS} up they are the league's: start lower"
            )
        yield subset


def check_seeds(plan: TrialPlan, data: ImageData, cache_dir: Path) -> None:
    """Raise OhloraError before any training where the plan's last subset would be a league's.

    Seeds with too few images are passed over, so the last one is known only when all are drawn; far
    below the league's that takes no drawing.
    """
    if plan.seed + 100 * plan.subsets >= LEAGUE_SEEDS:
        for _ in planned_subsets(plan, data, cache_dir):
            pass


def trial_key(plan: TrialPlan, subset: Subset, params: Params, seed: int) -> TrialKey:
    return TrialKey(subset.recipe, plan.family.fingerprint, plan.protocol.fingerprint, params, seed)


def planned_trials(
    plan: TrialPlan, data: ImageData, cache_dir: Path, save_subset: str | None
) -> Iterator[StackedTrial]:
    """Every trial, subset by subset; with `repeats`, each under several seeds in a row."""
    spread = spread_params(plan, data)
    for number, subset in enumerate(planned_subsets(plan, data, cache_dir)):
        first = number * plan.trials_per_subset
        if save_subset:
            save_images(subset, Path(save_subset) / f"{subset.recipe.dataset}-{subset.recipe.seed}")
        params = spread[first : first + plan.trials_per_subset]
        if plan.chooser is not None:
            params = plan.chooser.choose(data, subset, plan.space, len(params))
            first += CHOSEN_SEEDS
        for i, point in enumerate(params, first):
            for again in range(plan.repeats):
                key = trial_key(plan, subset, point, seed=i + again * REPEAT_SEEDS)
                yield StackedTrial(key, subset, plan.space.fingerprint)
