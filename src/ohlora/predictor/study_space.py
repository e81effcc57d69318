"""What an Optuna study tunes, as the models see it: by the predictor's axes and over the study's own ranges.

A study may tune some of the hyperparameters, under names of its own, in narrower or wider ranges, as
integers, in steps, or as something else that a translation turns into the hyperparameter's value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from numbers import Real as RealNumber
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ohlora.space import Axis, Choice, Params, Real

Translation = Mapping[Any, Any] | Callable[[Any], Any]  # the study's value -> the hyperparameter's

BEYOND = 1.0  # to the predictor a value outside an axis lies this far outside at most, in widths of the axis
APART = 0.1  # in widths of the axis: from here on a value is another one
GRID = 257  # positions at which a translation is tried out


def distribution(axis: Axis) -> BaseDistribution:
    """The axis as Optuna draws from it."""
    if isinstance(axis, Real):
        return FloatDistribution(axis.low, axis.high, log=axis.log)
    return CategoricalDistribution(list(axis.options))


def is_numeric(axis: Axis) -> bool:
    return isinstance(axis, Real) or axis.ordered


def is_number(value: Any) -> bool:
    """Whether it is a real number, NumPy's among them."""
    return isinstance(value, RealNumber) and not isinstance(value, bool)


def contains(drawn: BaseDistribution, value: Any) -> bool:
    """Whether a study could draw this value."""
    if isinstance(drawn, CategoricalDistribution):
        return value in drawn.choices
    assert isinstance(drawn, FloatDistribution | IntDistribution)
    if not is_number(value) or not drawn.low <= value <= drawn.high:
        return False
    steps = (value - drawn.low) / drawn.step if drawn.step and not drawn.log else 0.0
    return abs(steps - round(steps)) < 1e-8 and (
        isinstance(drawn, FloatDistribution) or value == round(value)
    )


def encode(axis: Axis, values: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Values of one hyperparameter as rows of the predictor's numbers [n, width].

    As the axis encodes its own values; numbers between options and outside the range too, words that are
    no option as none of them (the predictor was not fitted on such rows: `known_words`).
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
    """One hyperparameter of a study: what the study draws, at positions 0 to 1, and what that means."""

    def __init__(self, axis: Axis, drawn: BaseDistribution, translation: Translation | None = None) -> None:
        self.axis, self.drawn, self.translation = axis, drawn, translation

    def values(self, positions: np.ndarray) -> list[Any]:
        """What the study draws at these positions."""
        drawn = self.drawn
        if isinstance(drawn, CategoricalDistribution):
            return [drawn.choices[row] for row in self._rows(positions)]
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
        """The inverse of `values`; of what the study could not draw, the nearest position."""
        if isinstance(self.drawn, CategoricalDistribution):
            choices = self.drawn.choices
            return (choices.index(value) + 0.5) / len(choices) if value in choices else 0.5
        low, high = self._ends()
        if not is_number(value) or high <= low:
            return 0.5
        number = math.log(max(value, 1e-300)) if self.drawn.log else value  # type: ignore[attr-defined]
        return min(max((number - low) / (high - low), 0.0), 1.0)

    def meaning(self, values: Sequence[Any]) -> list[Any]:
        """What the study's values are to the hyperparameter."""
        if self.translation is None:
            return list(values)
        if isinstance(self.translation, Mapping):
            return [self.translation.get(value, value) for value in values]
        return [self.translation(value) for value in values]

    def understood(self) -> bool:
        """Whether what is drawn means something on the axis."""
        if isinstance(self.drawn, CategoricalDistribution):
            meanings = self.meaning(self.drawn.choices)
        else:
            meanings = self.meaning(self.values(np.linspace(0, 1, 3)))
        if is_numeric(self.axis):
            return all(is_number(one) and math.isfinite(one) for one in meanings)
        return any(one in self.axis.options for one in meanings)  # type: ignore[union-attr]

    def contains(self, value: Any) -> bool:
        return contains(self.drawn, value)

    def nearest(self, wanted: Any) -> tuple[float, bool]:
        """The position that means what is nearest to `wanted`, and whether that is the same to the axis."""
        positions = np.array([self.position(wanted)])
        if self.translation is not None or isinstance(self.drawn, CategoricalDistribution):
            positions = self._grid()
        at = encode(self.axis, self.meaning(self.values(positions)))
        gaps = np.abs(at - encode(self.axis, [wanted])).max(axis=1)
        return float(positions[gaps.argmin()]), bool(gaps.min() < APART)

    def beyond(self) -> str | None:
        """What of this the predictor was not fitted on."""
        meanings = self.meaning(self.values(self._grid()))
        if is_numeric(self.axis):
            at = encode(self.axis, meanings)
            if at.min() < -1e-6 or at.max() > 1 + 1e-6:
                return f"{min(meanings):g} to {max(meanings):g} reaches beyond {self.axis}"
            return None
        others = dict.fromkeys(str(one) for one in meanings if one not in self.axis.options)  # type: ignore[union-attr]
        return f"{', '.join(others)}: none of {self.axis}" if others else None

    def encoded(self, positions: np.ndarray) -> np.ndarray:
        """Rows for the predictor."""
        if isinstance(self.drawn, CategoricalDistribution):  # a few choices: each encoded once
            return encode(self.axis, self.meaning(self.drawn.choices))[self._rows(positions)]
        return encode(self.axis, self.meaning(self.values(positions)))

    def placed(self, positions: np.ndarray) -> np.ndarray:
        """Rows for the study's own model, before they are brought to the study's range."""
        if isinstance(self.drawn, CategoricalDistribution):
            return self.place(self.meaning(self.drawn.choices))[self._rows(positions)]
        return self.place(self.meaning(self.values(positions)))

    def place(self, meanings: Sequence[Any]) -> np.ndarray:
        """Numbers on a line, by logarithm where the axis or the study has it so; words as one-hot rows."""
        if not is_numeric(self.axis):
            # Two words lie as far apart as the two ends of a range.
            return np.array([[(one == word) / math.sqrt(2) for word in self._words] for one in meanings])
        numbers = np.asarray(meanings, dtype=float)[:, None]
        return np.log(np.maximum(numbers, self._low / 10)) if self._by_log else numbers

    @cached_property
    def _words(self) -> list[Any]:
        assert isinstance(self.axis, Choice)
        return list(dict.fromkeys([*self.axis.options, *self.meaning(self.values(self._grid()))]))

    @cached_property
    def _low(self) -> float:
        return float(min(self.meaning(self.values(self._grid()))))

    @cached_property
    def _by_log(self) -> bool:
        by_axis = self.axis.log if isinstance(self.axis, Real) else min(self.axis.options) > 0  # type: ignore[type-var, operator]
        return self._low > 0 and (by_axis or bool(getattr(self.drawn, "log", False)))

    def _grid(self) -> np.ndarray:
        if isinstance(self.drawn, CategoricalDistribution):
            return (np.arange(len(self.drawn.choices)) + 0.5) / len(self.drawn.choices)
        return np.linspace(0, 1, GRID)

    def _rows(self, positions: np.ndarray) -> np.ndarray:
        count = len(self.drawn.choices)  # type: ignore[attr-defined]
        return np.minimum((positions * count).astype(int), count - 1)

    def _ends(self) -> tuple[float, float]:
        drawn: Any = self.drawn
        half = 0.5 * (drawn.step or 0)  # each step, and each integer, has an equal share
        low, high = drawn.low - half, drawn.high + half
        return (math.log(low), math.log(high)) if drawn.log else (low, high)


class StudySpace:
    """The hyperparameters of a study by name: `free` ones are to be chosen, the others stand at `held`.

    `tuned` has every one that trials of the study differ in, `rows` what they tried.
    """

    def __init__(
        self,
        within: Mapping[str, Axis],
        tuned: Mapping[str, Dimension],
        held: Params,
        decided: Sequence[str] = (),
        rows: Sequence[Params] = (),
    ) -> None:
        self.within, self.held = within, held
        self.tuned = {name: tuned[name] for name in within if name in tuned}
        self.free = {name: one for name, one in self.tuned.items() if name not in decided}
        self.ends: dict[str, tuple[float, float]] = {}
        for name, one in self.tuned.items():
            if is_numeric(one.axis):
                seen = one.place([row[name] for row in [held, *rows]] if rows or name in decided else [])
                self.ends[name] = stretched(one.placed(one._grid()), seen.reshape(-1, 1))

    @property
    def columns(self) -> list[str]:
        """The tuned hyperparameter to which each column of a row for the study's model belongs."""
        widths = {name: 1 if is_numeric(one.axis) else len(one._words) for name, one in self.tuned.items()}
        return [name for name, width in widths.items() for _ in range(width)]

    def positions(self, drawn: Mapping[Any, Any]) -> list[float]:
        """Where a trial drew, by hyperparameter; in the middle of what it did not draw."""
        return [one.position(drawn[name]) if name in drawn else 0.5 for name, one in self.free.items()]

    def stands_at(self, params: Params) -> bool:
        """Whether what is not free stands at `params`."""
        return all(
            np.abs(encode(axis, [self.held[name]]) - encode(axis, [params[name]])).max() < APART
            for name, axis in self.within.items()
            if name not in self.free
        )

    def values(self, positions: np.ndarray) -> dict[str, Any]:
        """What the study is to draw at one row of positions, by hyperparameter."""
        moved = zip(self.free.items(), positions, strict=True)
        return {name: one.values(np.array([u]))[0] for (name, one), u in moved}

    def rows(self, params: Sequence[Params]) -> tuple[np.ndarray, np.ndarray]:
        """Rows for the predictor and for the study's model."""
        encoded = [encode(axis, [one[name] for one in params]) for name, axis in self.within.items()]
        placed = [
            self._scaled(name, one.place([row[name] for row in params])) for name, one in self.tuned.items()
        ]
        return np.concatenate(encoded, axis=1), np.concatenate(placed, axis=1)

    def rows_at(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same at positions of the free hyperparameters [n, free]."""
        moved, count = dict(zip(self.free, positions.T, strict=True)), len(positions)
        encoded = [
            self.free[name].encoded(moved[name])
            if name in moved
            else np.repeat(encode(axis, [self.held[name]]), count, axis=0)
            for name, axis in self.within.items()
        ]
        placed = [
            self._scaled(
                name,
                one.placed(moved[name])
                if name in moved
                else np.repeat(one.place([self.held[name]]), count, axis=0),
            )
            for name, one in self.tuned.items()
        ]
        return np.concatenate(encoded, axis=1), np.concatenate(placed, axis=1)

    def _scaled(self, name: str, placed: np.ndarray) -> np.ndarray:
        if name not in self.ends:
            return placed
        low, high = self.ends[name]
        return (np.clip(placed, low, high) - low) / (high - low if high > low else 1.0)


def stretched(drawn: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """The ends of what a study draws, or what it saw beyond them: by its own width to each side, at most.

    One value a hundred widths away, a slip, would make all others look alike.
    """
    low, high = float(drawn.min()), float(drawn.max())
    width = high - low
    seen = np.clip(np.concatenate([drawn, seen]), low - width, high + width)
    return float(seen.min()), float(seen.max())
