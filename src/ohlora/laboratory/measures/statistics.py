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


def with_interval(name: str, measure: Callable[[Tensor], float], rows: int) -> dict[str, float]:
    """`measure` of all rows as `name`, and the ends of its `interval` as `name_low` and `name_high`."""
    low, high = interval(measure, rows)
    return {name: measure(torch.arange(rows)), f"{name}_low": low, f"{name}_high": high}
