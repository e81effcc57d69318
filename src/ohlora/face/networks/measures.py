"""How good an answer is: pure functions of what was asked for and what came."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def pearson(a: Tensor, b: Tensor) -> float:
    """Correlation of two columns, 0 where one of them does not vary."""
    a, b = a.double() - a.double().mean(), b.double() - b.double().mean()
    return float((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt().clamp_min(1e-12))


def slope(asked: Tensor, got: Tensor) -> float:
    """How far `got` moves with a step of one in `asked`, by least squares."""
    a, b = asked.double() - asked.double().mean(), got.double() - got.double().mean()
    return float((a * b).sum() / a.square().sum().clamp_min(1e-12))


def auroc(truth: Tensor, score: Tensor) -> float:
    """The chance that a true row scores above a false one, ties counting half; 0.5 with one kind only."""
    truth, score = truth.bool(), score.double()
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        return 0.5
    _, place, size = torch.unique(score, return_inverse=True, return_counts=True)
    last = size.cumsum(0).double()
    ranks = (last - (size.double() - 1) / 2)[place]
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def calibration_error(truth: Tensor, probability: Tensor, bins: int = 15) -> float:
    """Expected calibration error (Guo et al., 2017): how far a stated probability lies from what happens."""
    place = (probability.double() * bins).long().clamp(0, bins - 1)
    gap = torch.zeros(bins, dtype=torch.float64)
    gap.index_add_(0, place, probability.double() - truth.double())
    return float(gap.abs().sum() / len(truth))


def recall_at_precision(truth: Tensor, score: Tensor, precision: float) -> float:
    """The largest share of true rows that a threshold finds while `precision` of what it finds is true."""
    order = score.double().argsort(descending=True, stable=True)
    hits = truth.bool()[order].double().cumsum(0)
    found = hits / torch.arange(1, len(order) + 1)
    kept = hits[found >= precision]
    return float(kept.max() / truth.sum().clamp_min(1)) if len(kept) else 0.0


def interval(
    measure: Callable[[Tensor], float], rows: int, draws: int = 200, seed: int = 0
) -> tuple[float, float]:
    """The middle 95 % of `measure` over bootstrap samples of row numbers."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.tensor(
        [measure(torch.randint(rows, (rows,), generator=generator)) for _ in range(draws)],
        dtype=torch.float64,
    )
    low, high = values.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high
