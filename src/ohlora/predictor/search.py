"""The search: the best hyperparameters under the predictor, in milliseconds, without training anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ohlora.precision import one_thread
from ohlora.predictor.predictor import Predictor
from ohlora.predictor.study_model import NOISE, Points, Scores, StudyModel, climb
from ohlora.space import Params, Space

NO_DIFFERENCE = 0.002  # macro-F1: a tenth of what chance alone does to a trial's score
# Macro-F1 that params must promise over the fixed answer of a dataset that is known. The highest of thousands
# of predictions is high by chance too: of smaller promises little comes (benchmarks/favourites.py).
WORTH_LEAVING = 0.01
# What one of her trials on a subset of a known dataset must promise over her choice without them. Trials are
# to help and not to harm: at half of it one subset in twenty loses 0.01 (benchmarks/few_shot.py).
WORTH_CHANGING = 0.03


@dataclass(frozen=True)
class Suggestion:
    """Params with what they are expected to score."""

    params: Params
    predicted_f1: float  # 0 to 1
    # 68 of 100 trials score within `predicted_sd` of it, 95 within `predicted_95`, more than twice as much.
    # With trials of her own no less than without, so then both are bounds.
    predicted_sd: float
    predicted_95: float


class Belief:
    """What the predictor expects on one subset, given earlier trials there, as `StudyModel` weighs them."""

    def __init__(
        self,
        predictor: Predictor,
        space: Space,
        vector: Tensor,
        history: Sequence[tuple[Params, float]],
        noise: float = NOISE[0],
    ) -> None:
        """`history` holds (params, validation macro-F1); `noise` is what one is thought to be off by."""
        self.expected = predictor.on(vector)
        self.model: StudyModel | None = None
        if history:
            seen = self.points(np.array([space.encode(params) for params, _ in history]))
            scores = Scores(np.array([score for _, score in history]), known=True, noise=noise)
            names = [column.partition("=")[0] for column in space.columns]
            everywhere = np.random.default_rng(0).random((256, len(space.free)))
            spread = float(self.points(space.encode_positions(everywhere)).predicted.std())
            self.model = StudyModel(seen, scores, names, spread)

    def points(self, encoded: np.ndarray) -> Points:
        """Outside the ranges it was fitted in, what the predictor says at their ends."""
        members = self.expected.members(encoded.clip(0, 1))
        return Points(encoded, members.mean(0).double().numpy())

    def mean(self, encoded: np.ndarray) -> np.ndarray:
        """Expected macro-F1 [n] of encoded params [n, columns]."""
        points = self.points(encoded)
        return points.predicted if self.model is None else self.model(points)[0]

    def sd(self, encoded: np.ndarray) -> np.ndarray:
        """Standard deviation [n] of that mean given the trials, noise left out; without any trial 0."""
        return np.zeros(len(encoded)) if self.model is None else self.model(self.points(encoded))[1]

    def improvement(self, encoded: np.ndarray) -> np.ndarray:
        """Expected improvement on the best mean among the trials; without any, the mean itself."""
        points = self.points(encoded)
        return points.predicted if self.model is None else self.model.improvement(points, self.model.trust)


@one_thread()
def search(
    predictor: Predictor,
    space: Space,
    vector: Tensor,
    seed: int,
    history: Sequence[tuple[Params, float]] = (),
    explore: bool = False,
    margin: float = WORTH_LEAVING,
) -> Suggestion:
    """Return the best params for the subset that `vector` describes, in 25 to 45 ms of a CPU core.

    `history` holds (params, validation macro-F1) of earlier trials on the subset. With `explore` the
    params most likely to better the best of them (expected improvement), without it what she stands by, see
    `best_trained`. Without trials, what promises no more than `margin` (macro-F1) over a known dataset's
    fixed answer is that, and on other datasets only hyperparameters that make a difference leave the fixed
    answer of all.
    Thousands of random params are weighed in one batch, then the neighbourhood of the best ones.
    """
    belief = Belief(predictor, space, vector, history)
    if history and not explore:
        first = search(predictor, space, vector, seed, margin=margin).params
        return suggestion(
            belief, space, best_trained(first, [params for params, _ in history], space, belief)
        )

    def worth(positions: np.ndarray) -> np.ndarray:
        return belief.improvement(space.encode_positions(positions))

    starts = np.array([space.positions(params) for params, _ in history]).reshape(
        len(history), len(space.free)
    )
    params = space.at(climb(worth, starts, np.random.default_rng(seed + len(history))))
    if not history and (fixed := belief.expected.fixed_answer()):
        params = trusted(params, fixed, space, belief, margin)
    return suggestion(belief, space, params)


@one_thread()
def expected(predictor: Predictor, space: Space, vector: Tensor, params: Params) -> Suggestion:
    """What any params are expected to score on the subset that `vector` describes."""
    return suggestion(Belief(predictor, space, vector, ()), space, params)


def suggestion(belief: Belief, space: Space, params: Params) -> Suggestion:
    row = space_row(space, params)
    mean, sd = float(belief.mean(row)[0]), float(belief.sd(row)[0])
    of_68, of_95 = belief.expected.half_widths(mean)
    return Suggestion(params, float(np.clip(mean, 0, 1)), max(of_68, sd), max(of_95, 1.96 * sd))


def best_trained(first: Params, trained: Sequence[Params], space: Space, belief: Belief) -> Params:
    """Of the params that were trained those of the highest mean, or `first`, the choice made without trials.

    Nothing that nobody has trained, however high its mean. Where the dataset is known the mean must lie
    more than WORTH_CHANGING above that of `first`.
    """
    kept, *means = belief.mean(np.array([space.encode(params) for params in (first, *trained)]))
    best = int(np.argmax(means))
    least = WORTH_CHANGING if belief.expected.familiar else 0.0
    return trained[best] if means[best] - kept > least else first


def trusted(params: Params, safe: Params, space: Space, belief: Belief, margin: float) -> Params:
    """`params` as far as they can be trusted: as `plainer` has them, or `safe` in their place.

    Where the dataset is known they must promise `margin` more. Values that `space` does not have stay.
    """
    there = within(space, safe)
    fallback = {**params, **there}
    promised, kept = belief.mean(np.concatenate([space_row(space, params), space_row(space, fallback)]))
    if belief.expected.familiar and promised - kept <= margin:
        return fallback
    return plainer(params, there, space, belief)


def plainer(params: Params, safe: Params, space: Space, belief: Belief) -> Params:
    """`params` with all that makes no difference put back to the value in `safe`.

    Backward elimination: the hyperparameter that costs least goes first, as long as all that went cost no
    more than NO_DIFFERENCE. A person who reads the choice then sees what this subset asks for.
    """
    least = belief.mean(space_row(space, params))[0] - NO_DIFFERENCE
    while True:
        simpler = [{**params, name: value} for name, value in safe.items() if params[name] != value]
        if not simpler:
            return params
        means = belief.mean(np.concatenate([space_row(space, one) for one in simpler]))
        if means.max() < least:
            return params
        params = simpler[int(means.argmax())]


def within(space: Space, params: Params) -> Params:
    """Those of `params` that are free in `space` and in its ranges."""
    free = space.free
    return {name: value for name, value in params.items() if name in free and free[name].fault(value) is None}


def space_row(space: Space, params: Params) -> np.ndarray:
    return np.array([space.encode(params)])
