"""What held-out subsets say of predictions: how far to trust a subset's own, and how far off they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le
from pydantic import Strict
from torch import Tensor

from ohlora.config import Count, Positive, config
from ohlora.predictor.table import PredictorTable
from ohlora.space import Finite

SIZE = "counts.log_images"
NEIGHBOURS = (8, 32, 128)  # tried out
NEAR_BEST = 0.4  # of a subset's trials by what its neighbours say: there the order decides
TOP = 0.2  # of a subset's trials by the prediction that is corrected: there it is asked for
ERROR_NEIGHBOURS = 32  # nearest known subsets whose errors say how far off a prediction is
SHRINKAGE = 20.0  # rows' worth of doubt in each coefficient
USUAL = 0.35  # novelty of four of five known subsets, held out: up to there it widens no spread
MIN_SD = 0.005
HELD = (0.68, 0.95)  # shares of scores that the two stated intervals are to hold
LEAST = 1e-3  # of a reach: errors may all be 0

Numbers = np.ndarray | float
BiasCoefficients = Annotated[tuple[Finite, Finite, Finite, Finite], Strict(False)]
SpreadCoefficients = Annotated[tuple[Finite, Finite, Finite, Finite, Finite, Finite], Strict(False)]
Reach = Annotated[tuple[Positive, Positive], Strict(False)]


@config
class Calibration:
    """How predictions of single trials' macro-F1 are corrected, from predictions of subsets held out.

    The prediction is `own_share` of the subset's own plus the rest of what is predicted for the mean of the
    nearest known subsets: a subset's own wishes count as much as such wishes came true elsewhere. To that is
    added `bias`, and its standard deviation is exp(`log_sd`): coefficients of 1, the subset's size, the
    predicted level, how far off predictions on the nearest known subsets were, and for the spread how near
    the level is to 1 and how new the subset is (`bias_basis`, `spread_basis`).

    Errors have heavier tails than a normal distribution: `reach` standard deviations to each side hold 68 and
    95 of 100 scores, by the quantiles of held-out errors (normalized conformal prediction, Lei et al. 2018).
    """

    own_share: Annotated[float, Ge(0), Le(1)]
    neighbours: Count
    bias: BiasCoefficients
    log_sd: SpreadCoefficients
    reach: Reach = (1.0, 1.96)  # where a card does not tell: a normal distribution's


def neutral(noise: float) -> Calibration:
    """Predictions as they are, `noise` off whatever the subset."""
    return Calibration(1.0, 1, (0.0, 0.0, 0.0, 0.0), (math.log(max(noise, MIN_SD)), 0.0, 0.0, 0.0, 0.0, 0.0))


@dataclass(frozen=True)
class Errors:
    """Earned less predicted macro-F1 of the top trials of subsets, held out when it was predicted."""

    mean: np.ndarray  # [subsets]
    rms: np.ndarray  # [subsets]: root mean square

    def of(self, nearest: np.ndarray) -> Errors:
        """The means over `nearest` [..., count] subsets: errors of [...]."""
        return Errors(self.mean[nearest].mean(axis=-1), self.rms[nearest].mean(axis=-1))


@dataclass(frozen=True)
class Known:
    """The subsets a predictor was fitted on, as standardised features [subsets, features]."""

    vectors: Tensor

    def nearest(self, vector: Tensor, count: int) -> Tensor:
        """Which subsets are nearest to `vector` [1, features], the nearest first."""
        return torch.cdist(vector, self.vectors)[0].argsort()[:count]

    def near(self, vector: Tensor, count: int) -> Tensor:
        """Mean features [1, features] of the nearest subsets."""
        return self.vectors[self.nearest(vector, count)].mean(dim=0, keepdim=True)

    def nearest_others(self, apart: np.ndarray, count: int) -> np.ndarray:
        """Of each subset the `count` nearest [subsets, count] that bear another name in `apart` [subsets]."""
        away = torch.cdist(self.vectors, self.vectors).numpy()
        others = apart[:, None] != apart[None]
        count = min(count, int(others.sum(axis=1).min()))
        return np.where(others, away, np.inf).argsort(axis=1, kind="stable")[:, :count]

    def novelty(self, vector: Tensor) -> float:
        """Log of the distance to the nearest known subset over what is usual among them; 0 to 3."""
        apart = float(torch.cdist(vector, self.vectors).min())
        return min(max(math.log((apart + 1e-6) / self._usual), 0.0), 3.0)

    @cached_property
    def _usual(self) -> float:
        if len(self.vectors) < 2:
            return 1.0
        apart = torch.cdist(self.vectors, self.vectors).fill_diagonal_(torch.inf)
        return float(apart.min(dim=1).values.median()) + 1e-6


def bias_basis(size: Numbers, level: Numbers, nearby: Errors) -> np.ndarray:
    """Rows [n, 4] of what a bias depends on.

    They are 1, standardised log images, predicted macro-F1 above 0.7 in tenths, and the mean error of the
    nearest known subsets in hundredths.
    """
    return rows_of(size, level, nearby.mean / 0.01)


def spread_basis(size: Numbers, level: Numbers, nearby: Errors, novelty: Numbers) -> np.ndarray:
    """Rows [n, 6] of what a spread depends on.

    They are 1, size and level as in `bias_basis`, the log of the root mean square error of the nearest known
    subsets over 0.05, the log of what the level leaves to go up to 1.02 (scores of 1 spread too), and novelty
    beyond what is usual.
    """
    errors = np.log((nearby.rms + MIN_SD) / 0.05)
    return rows_of(size, level, errors, np.log(1.02 - np.minimum(level, 1)), np.maximum(novelty - USUAL, 0))


def rows_of(size: Numbers, level: Numbers, *more: Numbers) -> np.ndarray:
    return np.stack(np.broadcast_arrays(1.0, size, (np.asarray(level) - 0.7) / 0.1, *more), axis=-1)


@dataclass(frozen=True)
class HeldOut:
    """Predictions of trials on subsets that the fit has not seen; arrays over rows of a table."""

    own: np.ndarray  # macro-F1 by the subset's features
    near: np.ndarray  # [rows, len(NEIGHBOURS)]: by its neighbours'
    novelty: np.ndarray
    size: np.ndarray  # standardised log images


VIEWS = 3 + len(NEIGHBOURS)


def as_views(held_out: HeldOut) -> np.ndarray:
    """[rows, VIEWS], the inverse of `of_views`."""
    return np.column_stack([held_out.own, held_out.novelty, held_out.size, held_out.near])


def of_views(views: np.ndarray) -> HeldOut:
    return HeldOut(views[:, 0], views[:, 3:], views[:, 1], views[:, 2])


def predicted_views(
    predict: Callable[[Tensor, np.ndarray], np.ndarray], known: Known, vectors: Tensor, table: PredictorTable
) -> HeldOut:
    """What a fit says of subsets it has not seen.

    `predict(vector [1, features], encoded params [n, columns])` gives macro-F1 [n]; `vectors` are the rows'
    standardised features.
    """
    column = table.feature_names.index(SIZE) if SIZE in table.feature_names else None
    found = np.zeros((len(table.target), VIEWS))
    for g in range(table.n_groups):
        rows = np.flatnonzero(table.group == g)
        vector = vectors[rows[:1]]
        found[rows, 0] = predict(vector, table.params[rows])
        found[rows, 1] = known.novelty(vector)
        found[rows, 2] = 0.0 if column is None else float(vector[0, column])
        for k, count in enumerate(NEIGHBOURS):
            found[rows, 3 + k] = predict(known.near(vector, count), table.params[rows])
    return of_views(found)


def calibrate(
    table: PredictorTable, subsets: Known, known: HeldOut, unseen: HeldOut | None
) -> tuple[Calibration, Errors]:
    """Fit the corrections on held-out predictions of every row of `table`; also the errors on its `subsets`.

    `known` are of subsets held out, `unseen` of whole sources held out (None: there is one only): these
    say how much novelty widens the spread. Bias and spread are those of a subset's top trials by the
    prediction itself, for it is there that predictions are asked for.
    """
    share, count = fitted_share(table, known)
    errors = errors_by_subset(table, known, share, count)

    def top(held_out: HeldOut, apart: np.ndarray) -> TopTrials:
        """The top trials by the prediction; `apart` as `nearest_others`."""
        level = corrected_level(held_out, share, count)
        rows = best_rows(table, level, TOP)
        nearby = errors.of(subsets.nearest_others(apart, ERROR_NEIGHBOURS)[table.group[rows]])
        said = held_out.size[rows], level[rows], nearby
        for_spread = spread_basis(*said, held_out.novelty[rows])
        return TopTrials(
            table.datasets[rows], bias_basis(*said), for_spread, table.target[rows] - level[rows]
        )

    near = top(known, np.arange(table.n_groups))
    bias = shrunk_least_squares(near.for_bias, near.residual)
    left = near.residual - near.for_bias @ bias
    log_sd = np.append(log_spread(near.for_spread[:, :-1], left), 0.0)
    if unseen is not None:
        first = np.unique(table.group, return_index=True)[1]
        far = top(unseen, table.datasets[first])
        log_sd[-1] = widening(near, far, bias, log_sd)
    reach = held_within(left / np.exp(near.for_spread @ log_sd).clip(MIN_SD))
    found = Calibration(
        round(share, 3),
        count,
        tuple(bias.round(5).tolist()),
        tuple(log_sd.round(5).tolist()),
        reach,
    )
    return found, errors


@dataclass(frozen=True)
class TopTrials:
    """A subset's top trials by the prediction: what bias and spread depend on there; arrays over rows."""

    datasets: np.ndarray
    for_bias: np.ndarray  # `bias_basis`
    for_spread: np.ndarray  # `spread_basis`
    residual: np.ndarray  # earned less predicted macro-F1


def widening(near: TopTrials, far: TopTrials, bias: np.ndarray, log_sd: np.ndarray) -> float:
    """The coefficient of novelty, where `near` are of subsets held out and `far` of whole sources held out.

    Each source counts as much as any other, however many trials it has. Few of them say how far off one is,
    not which way the next will be: the bias stays.
    """
    in_sds = [(one.residual - one.for_bias @ bias) / np.exp(one.for_spread @ log_sd) for one in (near, far)]
    _, source, trials = np.unique(far.datasets, return_inverse=True, return_counts=True)
    evenly = len(source) / len(trials) / trials[source]
    novelty = np.concatenate([near.for_spread[:, -1:], far.for_spread[:, -1:]])
    weights = np.concatenate([np.ones(len(near.residual)), evenly])
    return max(0.0, float(log_spread(novelty, np.concatenate(in_sds), weights)[0]))


def fitted_share(table: PredictorTable, known: HeldOut) -> tuple[float, int]:
    """The share of the own prediction, and of how many neighbours the rest is.

    The least-squares one for differences between trials of a subset that are near the best by its neighbours.
    """
    best_error, share, count = math.inf, 1.0, NEIGHBOURS[0]
    for k, neighbours in enumerate(NEIGHBOURS):
        rows = best_rows(table, known.near[:, k], NEAR_BEST)
        group = table.group[rows]
        near, own, target = (
            within(values[rows], group) for values in (known.near[:, k], known.own, table.target)
        )
        for candidate in np.linspace(0, 1, 21):
            error = float(np.square(target - candidate * own - (1 - candidate) * near).sum()) / max(
                len(rows), 1
            )
            if error < best_error:
                best_error, share, count = error, float(candidate), neighbours
    return share, count


def corrected_level(held_out: HeldOut, share: float, neighbours: int) -> np.ndarray:
    """What is predicted of every row before bias: the own share and the rest of its neighbours'."""
    return share * held_out.own + (1 - share) * held_out.near[:, NEIGHBOURS.index(neighbours)]


def errors_by_subset(table: PredictorTable, known: HeldOut, share: float, neighbours: int) -> Errors:
    """Errors of each subset's top trials by the prediction, not by the score.

    Whoever takes the best prediction expects too much.
    """
    level = corrected_level(known, share, neighbours)
    rows = best_rows(table, level, TOP)
    group, residual = table.group[rows], table.target[rows] - level[rows]
    trials = np.bincount(group, minlength=table.n_groups)
    mean, square = (np.bincount(group, values) / trials for values in (residual, residual**2))
    return Errors(mean, np.sqrt(square))


def order_near_the_best(table: PredictorTable, held_out: HeldOut, found: Calibration) -> dict[str, float]:
    """How well differences between near-best trials of a subset are predicted, of subsets held out.

    Correlation of the differences to the subset's mean, by the subset's own features, by its neighbours'
    and by both as calibrated; trials are near the best by what the neighbours say, chance is in the target.
    """
    near = held_out.near[:, NEIGHBOURS.index(found.neighbours)]
    rows = best_rows(table, near, NEAR_BEST)
    group = table.group[rows]
    target = within(table.target[rows], group)
    kinds = {"own": held_out.own, "neighbours": near}
    kinds["calibrated"] = found.own_share * held_out.own + (1 - found.own_share) * near
    return {
        name: round(correlation(target, within(values[rows], group)), 4) for name, values in kinds.items()
    }


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's; 0 where one of them is constant."""
    return float(np.corrcoef(a, b)[0, 1]) if min(np.ptp(a), np.ptp(b)) > 1e-9 else 0.0


def best_rows(table: PredictorTable, order: np.ndarray, share: float) -> np.ndarray:
    """Rows among the best `share` of their subset by `order`, which is not what is judged."""
    keep = [
        rows[order[rows] >= np.quantile(order[rows], 1 - share)]
        for rows in (np.flatnonzero(table.group == g) for g in range(table.n_groups))
    ]
    return np.concatenate(keep)


def within(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Values less the mean of their subset."""
    number = np.unique(group, return_inverse=True)[1]
    return values - (np.bincount(number, values) / np.bincount(number))[number]


def shrunk_least_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Ridge regression; the constant is free."""
    penalty = SHRINKAGE * np.diag([0.0, *[1.0] * (x.shape[1] - 1)])
    return np.linalg.solve(x.T @ x + penalty, x.T @ y)


def held_within(in_sds: np.ndarray) -> tuple[float, float]:
    """How many standard deviations hold 68 and 95 of 100 errors, of errors [n] in such deviations."""
    one, two = np.quantile(np.abs(in_sds), HELD).clip(LEAST).round(4).tolist()
    return one, two


def log_spread(x: np.ndarray, residual: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Coefficients of the log standard deviation: maximum likelihood of a normal with x-dependent spread."""
    inputs, squares = torch.from_numpy(x), torch.from_numpy(residual**2)
    counted = torch.ones(len(x)) if weights is None else torch.from_numpy(weights)
    same = np.full(len(x), math.log(float(residual.std()) + MIN_SD))
    w = torch.from_numpy(np.linalg.lstsq(x, same)[0]).requires_grad_()  # as near to one spread as x allows
    optimizer = torch.optim.LBFGS([w], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        log_sd = (inputs @ w).clamp_min(math.log(MIN_SD))
        each = log_sd + 0.5 * squares * torch.exp(-2 * log_sd)
        value = (counted * each).sum() + SHRINKAGE * w[1:].square().sum()
        value.backward()
        return value

    optimizer.step(loss)  # type: ignore[arg-type]
    return w.detach().numpy()
