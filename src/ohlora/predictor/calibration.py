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

from ohlora.config import Count, config
from ohlora.predictor.table import PredictorTable
from ohlora.space import Finite

SIZE = "counts.log_images"
NEIGHBOURS = (8, 32, 128)  # tried out
NEAR_BEST = 0.4  # of a subset's trials by what its neighbours say: there the order decides
SHRINKAGE = 20.0  # rows' worth of doubt in each coefficient
MIN_SD = 0.005

Coefficients = Annotated[tuple[Finite, Finite, Finite, Finite], Strict(False)]


@config
class Calibration:
    """How predictions of single trials' macro-F1 are corrected, from predictions of subsets held out.

    The prediction is `own_share` of the subset's own plus the rest of what is predicted for the mean of the
    nearest known subsets: a subset's own wishes count as much as such wishes came true elsewhere. To that is
    added `bias`, and its standard deviation is exp(`log_sd`): both are coefficients of 1, the subset's size,
    the predicted level and its novelty (`basis`); novelty's in `bias` is 0 where `calibrate` has fitted it.
    """

    own_share: Annotated[float, Ge(0), Le(1)]
    neighbours: Count
    bias: Coefficients
    log_sd: Coefficients


def neutral(noise: float) -> Calibration:
    """Predictions as they are, `noise` off whatever the subset."""
    return Calibration(1.0, 1, (0.0, 0.0, 0.0, 0.0), (math.log(max(noise, MIN_SD)), 0.0, 0.0, 0.0))


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


def basis(size: np.ndarray, level: np.ndarray, novelty: np.ndarray) -> np.ndarray:
    """Rows [n, 4]: 1, standardised log images, predicted macro-F1 above 0.7 in tenths, novelty."""
    return np.stack([np.ones_like(level), size, (level - 0.7) / 0.1, novelty], axis=1)


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


def calibrate(table: PredictorTable, known: HeldOut, unseen: HeldOut | None) -> Calibration:
    """Fit the corrections on held-out predictions of every row of `table`.

    `known` are of subsets held out, `unseen` of whole sources held out (None: there is one only): these
    say how much novelty widens the spread. The share is the least-squares one for differences between trials
    of a subset that are near the best by its neighbours; bias and spread are those of trials near the best by
    the prediction itself, for it is there that predictions are asked for.
    """
    best_error, share, count = math.inf, 1.0, NEIGHBOURS[0]
    for k, neighbours in enumerate(NEIGHBOURS):
        rows = near_best(table, known.near[:, k])
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
    x, residual = near_best_errors(table, known, share, count)
    # Few sources say how far off one is, not which way the next will be.
    bias = shrunk_least_squares(x[:, :-1], residual)
    log_sd = log_spread(x[:, :-1], residual - x[:, :-1] @ bias)
    wider = 0.0
    if unseen is not None:
        far = near_best_errors(table, unseen, share, count)
        x, residual = np.concatenate([x, far[0]]), np.concatenate([residual, far[1]])
        in_sds = (residual - x[:, :-1] @ bias) / np.exp(x[:, :-1] @ log_sd)
        wider = max(0.0, float(log_spread(x[:, -1:], in_sds)[0]))
    return Calibration(
        round(share, 3), count, rounded(np.append(bias, 0.0)), rounded(np.append(log_sd, wider))
    )


def near_best_errors(
    table: PredictorTable, held_out: HeldOut, share: float, neighbours: int
) -> tuple[np.ndarray, np.ndarray]:
    """`basis` [rows, 4] and error [rows] of the trials near the best by the prediction that is corrected.

    By that, not by the score: whoever takes the best prediction expects too much.
    """
    level = share * held_out.own + (1 - share) * held_out.near[:, NEIGHBOURS.index(neighbours)]
    rows = near_best(table, level)
    return basis(held_out.size[rows], level[rows], held_out.novelty[rows]), table.target[rows] - level[rows]


def order_near_the_best(table: PredictorTable, held_out: HeldOut, found: Calibration) -> dict[str, float]:
    """How well differences between near-best trials of a subset are predicted, of subsets held out.

    Correlation of the differences to the subset's mean, by the subset's own features, by its neighbours'
    and by both as calibrated; trials are near the best by what the neighbours say, chance is in the target.
    """
    near = held_out.near[:, NEIGHBOURS.index(found.neighbours)]
    rows = near_best(table, near)
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


def near_best(table: PredictorTable, order: np.ndarray) -> np.ndarray:
    """Rows among the best `NEAR_BEST` of their subset by `order`, which is not what is judged."""
    keep = [
        rows[order[rows] >= np.quantile(order[rows], 1 - NEAR_BEST)]
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


def log_spread(x: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Coefficients of the log standard deviation: maximum likelihood of a normal with x-dependent spread."""
    inputs, squares = torch.from_numpy(x), torch.from_numpy(residual**2)
    same = np.full(len(x), math.log(float(residual.std()) + MIN_SD))
    w = torch.from_numpy(np.linalg.lstsq(x, same)[0]).requires_grad_()  # as near to one spread as x allows
    optimizer = torch.optim.LBFGS([w], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        log_sd = (inputs @ w).clamp_min(math.log(MIN_SD))
        value = (log_sd + 0.5 * squares * torch.exp(-2 * log_sd)).sum() + SHRINKAGE * w[1:].square().sum()
        value.backward()
        return value

    optimizer.step(loss)  # type: ignore[arg-type]
    return w.detach().numpy()


def rounded(values: np.ndarray) -> tuple[float, float, float, float]:
    a, b, c, d = (round(float(value), 5) for value in values)
    return a, b, c, d
