"""Hyperparameters: names, ranges, sample, check, encode, describe.

A space is one mapping, name -> what the hyperparameter may be: an axis (`Real`, `Choice`) where it is
free, a plain value where it stands fixed. `conf/space/` is the only place where those are written.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le

from ohlora.config import Many, compared, config, deferred
from ohlora.errors import OhloraError, nearest

Value = float | int | str
Finite = Annotated[float, Ge(-1e30), Le(1e30)]  # in single precision, too
Params = dict[str, Value]


@config
class Real:
    """A number between `low` and `high`, both included, drawn evenly or evenly in its logarithm."""

    low: Finite
    high: Finite
    log: bool = False

    @compared
    def _low_is_below_high(self) -> None:
        if not (self.low < self.high and (self.low > 0 or not self.log)):
            raise OhloraError(f"a range needs low < high (and low > 0 when log), not {self}")

    def at(self, u: float) -> float:
        """The value at position `u`, 0 to 1."""
        if self.log:
            value = math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + u * (self.high - self.low)
        return min(max(value, self.low), self.high)

    def position(self, value: float) -> float:
        """Where `value` lies, 0 to 1: the inverse of `at`."""
        if self.log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)

    def fault(self, value: object) -> str | None:
        """Why `value` is not allowed, or None."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"={value!r} is not a number ({self})"
        if not self.low <= value <= self.high:  # so NaN is outside as well
            return f"={value} is outside {self}"
        return None

    def read(self, value: Any) -> float:
        return float(value)

    @property
    def width(self) -> int:
        """Columns `encode` needs for this axis."""
        return 1

    def encode(self, value: Any) -> list[float]:
        return [self.position(float(value))]

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" + (" (log)" if self.log else "")


@config
class Choice:
    """One of `options`. Options that are numbers are ordered; words are not."""

    options: Many[Value]

    @compared
    def _leave_a_choice(self) -> None:
        if len(set(self.options)) != len(self.options) or len(self.options) < 2:
            raise OhloraError(f"a choice needs at least two different options, not {list(self.options)}")

    @property
    def ordered(self) -> bool:
        return not any(isinstance(option, str) for option in self.options)

    def at(self, u: float) -> Value:
        """The option at position `u`, 0 to 1, each option owning an equal share."""
        return self.options[min(int(u * len(self.options)), len(self.options) - 1)]

    def position(self, value: Value) -> float:
        """The middle of the option's share, 0 to 1."""
        return (list(self.options).index(value) + 0.5) / len(self.options)

    def fault(self, value: object) -> str | None:
        if isinstance(value, bool) or value not in self.options:
            hint = nearest(value, [str(o) for o in self.options]) if isinstance(value, str) else ""
            return f"={value!r} is not one of {self}{hint}"
        return None

    def read(self, value: Any) -> Value:
        return self.options[list(self.options).index(value)]

    @property
    def width(self) -> int:
        return 1 if self.ordered else len(self.options)

    def encode(self, value: Any) -> list[float]:
        if self.ordered:
            return [list(self.options).index(value) / (len(self.options) - 1)]
        return [float(value == option) for option in self.options]

    def __str__(self) -> str:
        return " | ".join(str(option) for option in self.options)


Axis = Real | Choice


@config
class Space:
    """Every hyperparameter of a game: free ones with their axis, fixed ones with their value.

    `params` maps each name to an axis or to the value it stands at. `within`, where given, holds the
    full axes of the game, so that fixed values can be checked and encoded by the same axes.
    """

    params: Mapping[str, Any]  # axes and values
    within: Mapping[str, Axis]

    @compared
    def _values_are_within(self) -> None:
        faults = []
        for name, value in self.params.items():
            if name not in self.within:
                hint = nearest(name, self.within)
                faults.append(
                    f"params.{name} is not a hyperparameter{hint}; allowed: {', '.join(self.within)}"
                )
            elif not isinstance(value, Real | Choice) and (fault := self.within[name].fault(value)):
                faults.append(f"params.{name}{fault}")
        missing = [name for name in self.within if name not in self.params]
        faults += [f"params.{name} is missing ({self.within[name]})" for name in missing]
        if faults:
            raise OhloraError("; ".join(faults))

    @cached_property
    def free(self) -> dict[str, Axis]:
        """The axes a player can move on."""
        return {n: a for n, a in ((n, self.params[n]) for n in self.within) if isinstance(a, Real | Choice)}

    @cached_property
    def fixed(self) -> Params:
        """The hyperparameters that stand still, with their values."""
        return {n: self.within[n].read(self.params[n]) for n in self.within if n not in self.free}

    @cached_property
    def fingerprint(self) -> str:
        """Eight hex digits that change when an axis of the whole game changes."""
        text = json.dumps({name: str(axis) for name, axis in self.within.items()}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def check(self, params: Mapping[str, Any]) -> Params:
        """Return `params` in the space's order and types; raise OhloraError naming every fault."""
        faults = [
            f"{name} is missing ({axis})" for name, axis in self.free.items() if params.get(name) is None
        ]
        for name, value in params.items():
            if name not in self.within:
                faults.append(f"{name} is not a hyperparameter{nearest(name, self.within)}")
            elif value is None:
                continue
            elif name in self.fixed:
                if value != self.fixed[name]:
                    faults.append(f"{name}={value!r} cannot be chosen here: it stands at {self.fixed[name]}")
            elif fault := self.free[name].fault(value):
                faults.append(name + fault)
        if faults:
            raise OhloraError("; ".join(faults))
        given = {n: self.free[n].read(params[n]) if n in self.free else self.fixed[n] for n in self.within}
        return given

    def at(self, positions: Sequence[float] | np.ndarray) -> Params:
        """Params at `positions`, one number from 0 to 1 for each free axis."""
        moved = {
            name: axis.at(float(u)) for (name, axis), u in zip(self.free.items(), positions, strict=True)
        }
        return {name: moved.get(name, self.fixed.get(name)) for name in self.within}  # type: ignore[misc]

    def positions(self, params: Params) -> list[float]:
        """Where `params` lie on each free axis, 0 to 1: the inverse of `at`."""
        return [axis.position(params[name]) for name, axis in self.free.items()]  # type: ignore[arg-type]

    def sample(self, rng: np.random.Generator) -> Params:
        """Draw params evenly over the free axes."""
        return self.at(rng.random(len(self.free)))

    points = deferred("ohlora.sobol", "points")

    @cached_property
    def columns(self) -> list[str]:
        """Names of the numbers `encode` gives, over all hyperparameters, fixed ones included."""
        names = []
        for name, axis in self.within.items():
            if isinstance(axis, Choice) and not axis.ordered:
                names += [f"{name}={option}" for option in axis.options]
            else:
                names.append(name)
        return names

    def encode(self, params: Params) -> list[float]:
        """Params as numbers from 0 to 1, in the order of `columns`."""
        return [x for name, axis in self.within.items() for x in axis.encode(params[name])]

    def encode_positions(self, positions: np.ndarray) -> np.ndarray:
        """Rows of `positions` [n, free axes], 0 to 1, as rows of `encode` [n, columns], all at once."""
        blocks = []
        moving = dict(zip(self.free, positions.T, strict=True))
        for name, axis in self.within.items():
            if name not in moving:
                blocks.append(np.tile(axis.encode(self.fixed[name]), (len(positions), 1)))
            elif isinstance(axis, Real):
                # A free axis may be narrower than the game's; encoding is by the game's.
                own = self.free[name]
                ends = [axis.position(float(own.at(u))) for u in (0.0, 1.0)]
                blocks.append((ends[0] + moving[name] * (ends[1] - ends[0]))[:, None])
            else:
                codes = np.array([axis.encode(option) for option in self.free[name].options])  # type: ignore[union-attr]
                picked = np.minimum((moving[name] * len(codes)).astype(int), len(codes) - 1)
                blocks.append(codes[picked])
        return np.concatenate(blocks, axis=1)

    def describe(self) -> list[tuple[str, str]]:
        """The rules card: each free hyperparameter with its range."""
        return [(name, str(axis)) for name, axis in self.free.items()]
