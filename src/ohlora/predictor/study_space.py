"""What an Optuna study tunes, as the search sees a space: positions 0 to 1, encoded by the predictor's axes.

A study may tune some of the hyperparameters, in narrower or wider ranges, as integers, in steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ohlora.space import Axis, Choice, Params, Real

BEYOND = 1.0  # a value outside an axis counts as this far outside at most, in widths of the axis


def distribution(axis: Axis) -> BaseDistribution:
    """The axis as Optuna draws from it."""
    if isinstance(axis, Real):
        return FloatDistribution(axis.low, axis.high, log=axis.log)
    return CategoricalDistribution(list(axis.options))


def understood(axis: Axis, drawn: BaseDistribution) -> bool:
    """Whether what a study draws under a hyperparameter's name means something on its axis."""
    if not isinstance(drawn, CategoricalDistribution):
        return is_numeric(axis)
    if is_numeric(axis):
        return all(isinstance(c, int | float) and not isinstance(c, bool) for c in drawn.choices)
    return any(choice in axis.options for choice in drawn.choices)  # type: ignore[union-attr]


def is_numeric(axis: Axis) -> bool:
    return isinstance(axis, Real) or axis.ordered


def contains(drawn: BaseDistribution, value: Any) -> bool:
    """Whether a study could draw this value."""
    if isinstance(drawn, CategoricalDistribution):
        return value in drawn.choices
    assert isinstance(drawn, FloatDistribution | IntDistribution)
    if isinstance(value, bool) or not isinstance(value, int | float) or not drawn.low <= value <= drawn.high:
        return False
    steps = (value - drawn.low) / drawn.step if drawn.step and not drawn.log else 0.0
    return abs(steps - round(steps)) < 1e-8 and (
        isinstance(drawn, FloatDistribution) or value == round(value)
    )


def encode(axis: Axis, values: Sequence[Any]) -> np.ndarray:
    """Values of one hyperparameter as rows of the predictor's numbers [n, width].

    As the axis encodes its own values; numbers between options and outside the range too, words that are
    no option as none of them.
    """
    if not is_numeric(axis):
        return np.array([[float(value == option) for option in axis.options] for value in values])  # type: ignore[union-attr]
    numbers = np.asarray(values, dtype=float)
    if isinstance(axis, Real) and not axis.log:
        placed = (numbers - axis.low) / (axis.high - axis.low)
    elif isinstance(axis, Real):
        low, high = math.log(axis.low), math.log(axis.high)
        placed = (np.log(np.maximum(numbers, math.exp(low - BEYOND * (high - low)))) - low) / (high - low)
    else:
        placed = between_options(axis, numbers)
    return np.clip(placed, -BEYOND, 1 + BEYOND)[:, None]


def between_options(axis: Choice, numbers: np.ndarray) -> np.ndarray:
    """Numbers among the options of an ordered choice, by logarithm where all options are above 0."""
    options = np.array(axis.options, dtype=float)
    if options.min() > 0:
        options, numbers = np.log(options), np.log(np.maximum(numbers, options.min() / 1024))
    order = np.argsort(options)
    x, y = options[order], order / (len(options) - 1)
    first, last = (y[1] - y[0]) / (x[1] - x[0]), (y[-1] - y[-2]) / (x[-1] - x[-2])
    outside = np.minimum(numbers - x[0], 0) * first + np.maximum(numbers - x[-1], 0) * last
    return np.interp(numbers, x, y) + outside


class Dimension:
    """One parameter of a study, by position: 0 to 1 over what the study draws from."""

    def __init__(self, axis: Axis, drawn: BaseDistribution) -> None:
        self.axis, self.drawn = axis, drawn

    def values(self, positions: np.ndarray) -> list[Any]:
        drawn = self.drawn
        if isinstance(drawn, CategoricalDistribution):
            count = len(drawn.choices)
            return [drawn.choices[i] for i in np.minimum((positions * count).astype(int), count - 1)]
        assert isinstance(drawn, FloatDistribution | IntDistribution)
        low, high = self._ends()
        numbers = low + positions * (high - low)
        if drawn.log:
            numbers = np.exp(numbers)
        if drawn.step and not drawn.log:
            numbers = drawn.low + np.round((numbers - drawn.low) / drawn.step) * drawn.step
        numbers = np.clip(numbers, drawn.low, drawn.high)
        return [round(n) for n in numbers] if isinstance(drawn, IntDistribution) else numbers.tolist()

    def position(self, value: Any) -> float:
        """The inverse of `values`, for what the study draws from."""
        if isinstance(self.drawn, CategoricalDistribution):
            choices = self.drawn.choices
            return (choices.index(value) + 0.5) / len(choices) if value in choices else 0.5
        low, high = self._ends()
        if isinstance(value, str) or high <= low:
            return 0.5
        number = math.log(max(value, 1e-300)) if self.drawn.log else value  # type: ignore[attr-defined]
        return min(max((number - low) / (high - low), 0.0), 1.0)

    def _ends(self) -> tuple[float, float]:
        drawn: Any = self.drawn
        half = 0.5 * (drawn.step or 0)  # each step, and each integer, has an equal share
        low, high = drawn.low - half, drawn.high + half
        return (math.log(low), math.log(high)) if drawn.log else (low, high)


class StudySpace:
    """The hyperparameters a study tunes, by what it draws them from; the others are `held`."""

    def __init__(
        self, within: Mapping[str, Axis], tuned: Mapping[str, BaseDistribution], held: Params
    ) -> None:
        self.within, self.held = within, held
        self.free = {name: Dimension(within[name], tuned[name]) for name in within if name in tuned}
        self.columns = [name for name, axis in within.items() for _ in range(axis.width)]

    def at(self, positions: np.ndarray) -> Params:
        moved = zip(self.free.items(), positions, strict=True)
        return {**self.held, **{name: one.values(np.array([u]))[0] for (name, one), u in moved}}

    def positions(self, params: Params) -> list[float]:
        return [one.position(params[name]) for name, one in self.free.items()]

    def encode(self, params: Params) -> list[float]:
        return [x for name, axis in self.within.items() for x in encode(axis, [params[name]])[0]]

    def encode_positions(self, positions: np.ndarray) -> np.ndarray:
        moved = dict(zip(self.free, positions.T, strict=True))
        blocks = []
        for name, axis in self.within.items():
            if name in moved:
                blocks.append(self._encoded(name, moved[name]))
            else:
                blocks.append(np.repeat(encode(axis, [self.held[name]]), len(positions), axis=0))
        return np.concatenate(blocks, axis=1)

    def _encoded(self, name: str, positions: np.ndarray) -> np.ndarray:
        one = self.free[name]
        if isinstance(one.drawn, CategoricalDistribution):  # a few choices: each encoded once
            choices = one.drawn.choices
            rows = np.minimum((positions * len(choices)).astype(int), len(choices) - 1)
            return encode(one.axis, choices)[rows]
        return encode(one.axis, one.values(positions))
