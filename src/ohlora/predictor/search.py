"""The search: the best hyperparameters under the predictor, in milliseconds, without training anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor

from ohlora.precision import one_thread
from ohlora.predictor.predictor import Predictor
from ohlora.space import Params, Space

CANDIDATES = 1024
REFINED = 512
# Spread (macro-F1) of what the ensemble does not know, beyond its members' own disagreement: a smooth
# wish of the subset's own, and a shift of the whole level (validation against test, an odd subset).
SMOOTH_SD = 0.03
LEVEL_SD = 0.05
TRIAL_SD = 0.02  # of one trial's validation score over seeds: the target table's noise floor
SMOOTH_LENGTH = 0.6  # in encoded units, where each hyperparameter spans 0 to 1
# How much more than that a subset may surprise: the factor under which its trials are most likely.
SURPRISES = (1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Suggestion:
    """Params with what they are expected to score."""

    params: Params
    predicted_f1: float  # 0 to 1
    predicted_sd: float  # one standard deviation of a single trial's score


class Belief:
    """What the predictor expects on one subset, given earlier trials there.

    A Gaussian process over params: its mean is the ensemble's, its covariance the members' own plus a
    smooth part and a level; observing a trial moves everything alike (Rasmussen & Williams 2006, eq.
    2.25 and 2.26).
    """

    def __init__(
        self,
        predictor: Predictor,
        space: Space,
        vector: Tensor,
        history: Sequence[tuple[Params, float]],
    ) -> None:
        self.predictor = predictor
        self.vector = vector
        self.seen = np.array([space.encode(params) for params, _ in history]).reshape(
            len(history), len(space.columns)
        )
        self._scale = 1.0
        if history:
            self._members = self._each_member(self.seen)
            scores = torch.tensor([score for _, score in history], dtype=torch.float64)
            residual = (scores - self._members.mean(0))[:, None]
            kernel = self._covariance(self._members, self.seen, self._members, self.seen)
            noise = TRIAL_SD**2 * torch.eye(len(history), dtype=torch.float64)
            best_evidence = -torch.inf
            for scale in SURPRISES:
                solver = torch.linalg.cholesky(scale**2 * kernel + noise)
                weights = torch.cholesky_solve(residual, solver)
                evidence = float(-0.5 * (residual * weights).sum() - solver.diagonal().log().sum())
                if evidence > best_evidence:
                    best_evidence, self._scale, self._solver, self._weights = evidence, scale, solver, weights

    def _covariance(self, a: Tensor, xa: np.ndarray, b: Tensor, xb: np.ndarray) -> Tensor:
        """Covariance before any surprise [rows of xa, rows of xb]; `a` and `b` are the members' scores."""
        own = (a - a.mean(0)).T @ (b - b.mean(0)) / max(len(a) - 1, 1)
        apart = torch.cdist(torch.as_tensor(xa).double(), torch.as_tensor(xb).double()) / SMOOTH_LENGTH
        return own + SMOOTH_SD**2 * torch.exp(-0.5 * apart**2) + LEVEL_SD**2

    def _each_member(self, encoded: np.ndarray) -> Tensor:
        """Macro-F1 by each member; outside the ranges it was fitted in, what it says at their ends."""
        return self.predictor.members(self.vector, encoded.clip(0, 1)).double()

    def __call__(self, encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (noise left out) of the macro-F1 of encoded params [n, columns]."""
        members = self._each_member(encoded)
        mean = members.mean(0)
        variance = self._scale**2 * (members.var(0) + SMOOTH_SD**2 + LEVEL_SD**2)
        if len(self.seen):
            cross = self._scale**2 * self._covariance(self._members, self.seen, members, encoded)
            mean = mean + (cross.T @ self._weights).squeeze(1)
            variance = variance - (cross * torch.cholesky_solve(cross, self._solver)).sum(0)
        return mean.numpy(), variance.clamp_min(1e-8).sqrt().numpy()


@one_thread()
def search(
    predictor: Predictor,
    space: Space,
    vector: Tensor,
    seed: int,
    history: Sequence[tuple[Params, float]] = (),
    explore: bool = False,
) -> Suggestion:
    """Return the best params for the subset that `vector` describes, under 50 ms on a CPU.

    `history` holds (params, validation macro-F1) of earlier trials on the subset. With `explore` the
    params most likely to better the best of them (expected improvement), else the highest mean.
    Thousands of random params are weighed in one batch, then the neighbourhood of the best ones.
    """
    belief = Belief(predictor, space, vector, history)
    rng = np.random.default_rng(seed)
    best_seen = max((belief(space_row(space, p))[0][0] for p, _ in history), default=0.0)

    def worth(positions: np.ndarray) -> np.ndarray:
        mean, sd = belief(space.encode_positions(positions))
        if not explore or not history:
            return mean
        z = (mean - best_seen) / sd
        return sd * (z * norm.cdf(z) + norm.pdf(z))

    positions = rng.random((CANDIDATES, len(space.free)))
    if history:
        positions[: len(history)] = [space.positions(params) for params, _ in history][:CANDIDATES]
    scores = worth(positions)
    for reach in (0.15, 0.05, 0.02):
        parents = positions[np.argsort(-scores)[:32]]
        children = np.repeat(parents, REFINED // 32, axis=0)
        moved = rng.random(children.shape) < 0.5
        children = np.clip(children + moved * rng.normal(0, reach, children.shape), 0, 1)
        jumped = rng.random(children.shape) < 0.05  # words have no neighbours: draw some anew
        children = np.where(jumped, rng.random(children.shape), children)
        positions = np.concatenate([parents, children])
        scores = worth(positions)
    winner = positions[int(np.argmax(scores))]
    mean, sd = belief(space.encode_positions(winner[None]))
    return Suggestion(
        space.at(winner), float(np.clip(mean[0], 0, 1)), float(max(predictor.noise, sd[0] if history else 0))
    )


def space_row(space: Space, params: Params) -> np.ndarray:
    return np.array([space.encode(params)])


@one_thread()
def best_on_average(predictor: Predictor, space: Space, seed: int, dataset: str | None = None) -> Params:
    """The one set of params with the highest mean prediction over the table's subsets (of `dataset`).

    This is the fixed answer that looks at no data: the baseline every look at the data must beat.
    """
    rows = [i for i, name in enumerate(predictor.known_datasets) if dataset in (None, name)]
    rng = np.random.default_rng(seed)
    positions = rng.random((CANDIDATES, len(space.free)))
    for reach in (0.15, 0.05, 0.0):
        encoded = space.encode_positions(positions)
        total = sum(predictor.members(predictor.known[i : i + 1], encoded).mean(0) for i in rows)
        assert isinstance(total, Tensor)
        best = positions[torch.argsort(-total)[:32].numpy()]
        children = np.repeat(best, REFINED // 32, axis=0)
        positions = np.concatenate([best, np.clip(children + rng.normal(0, reach, children.shape), 0, 1)])
        if reach == 0.0:
            return space.at(best[0])
    raise AssertionError("the last reach is 0")
