"""Means, win rates and their intervals over subsets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ohlora.battle.verdict import DECIMALS


def resampled(strata: Sequence[str], count: int, seed: int) -> np.ndarray:
    """How often each subset is drawn in each of `count` resamples [count, subsets].

    With replacement within each stratum (a dataset), so that each keeps its number of subsets. A single
    subset says nothing of its dataset's spread: it is drawn nan times, and so no interval comes of it.
    """
    rng = np.random.default_rng(seed)
    strata_array = np.array(strata)
    drawn = np.zeros((count, len(strata_array)), np.float32)
    for name in dict.fromkeys(strata):
        rows = np.flatnonzero(strata_array == name)
        drawn[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=count)
        if len(rows) == 1:
            drawn[:, rows] = np.nan
    return drawn


def mean_interval(values: np.ndarray, drawn: np.ndarray, level: float) -> np.ndarray:
    """Mean of `values` [subsets, columns] over subsets, and the ends of its interval: [3, columns].

    The ends are nan where a dataset has one subset only (`resampled`).
    """
    means = drawn @ values / len(values)
    ends = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.stack([values.mean(0), *ends])


def bracketed(low: float, high: float) -> str:
    """An interval as it is printed."""
    return "[no interval: one subset of a dataset]" if math.isnan(low) else f"[{low:+.4f}, {high:+.4f}]"


def wins(hers: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """1 where her score is higher, 0 where it is lower, a half where they are equal, as in a match."""
    return (np.sign(np.round(hers - theirs, DECIMALS)) + 1) / 2


def break_even(numbers: Sequence[int], leads: Sequence[float]) -> int | None:
    """The smallest number of trials at which her lead is gone (0 or less); None: at none of them."""
    pairs = sorted(zip(numbers, leads, strict=True))
    return next((n for n, lead in pairs if round(lead, DECIMALS) <= 0), None)


def inside(errors: np.ndarray, half_width: np.ndarray) -> np.ndarray:
    """1 where what came lay in the interval around what was expected, else 0."""
    return (np.abs(errors) <= half_width).astype(float)


def correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Pearson's; None where one of them does not vary."""
    if len(a) < 3 or np.ptp(a) < 1e-12 or np.ptp(b) < 1e-12:
        return None
    return float(np.corrcoef(a, b)[0, 1])
