"""Why these params: what each is expected to change, what moved them, and which known subsets are nearest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ohlora.predictor.predictor import Predictor
from ohlora.predictor.search import NO_DIFFERENCE, within
from ohlora.space import Axis, Choice, Params, Space, Value

POINTS = 9  # along an axis of numbers


@dataclass(frozen=True)
class Effect:
    """What is expected of one hyperparameter at other values, all others as they were chosen."""

    name: str
    value: Value
    curve: tuple[tuple[Value, float], ...]  # (another value, expected macro-F1 there)
    predicted_f1: float  # at the value chosen

    @property
    def worst(self) -> tuple[Value, float]:
        return min(self.curve, key=lambda point: point[1])

    @property
    def best(self) -> tuple[Value, float]:
        return max(self.curve, key=lambda point: point[1])

    @property
    def gain(self) -> float:
        """Macro-F1 expected above the worst value of its axis."""
        return self.predicted_f1 - self.worst[1]

    @property
    def matters(self) -> bool:
        return self.gain > NO_DIFFERENCE


@dataclass(frozen=True)
class KnownSubset:
    """A subset that the predictor was fitted on, and how far away it is."""

    dataset: str
    distance: float  # root mean square over features, each in its own standard deviations
    images: int | None  # to train on, where the predictor knows
    classes: int | None


@dataclass(frozen=True)
class Swap:
    """What is expected to change if one hyperparameter of some params took its value in others."""

    name: str
    value: Value
    other: Value
    change: float  # of the expected macro-F1

    @property
    def matters(self) -> bool:
        return abs(self.change) > NO_DIFFERENCE


@dataclass(frozen=True)
class Change:
    """One hyperparameter that leaves the fixed answer, and the macro-F1 that it is expected to earn."""

    name: str
    value: Value
    fixed: Value
    alone: float  # all others as the fixed answer has them
    with_the_others: float  # all others as they were chosen


@dataclass(frozen=True)
class Departure:
    """The fixed answer that a choice starts from, and what leaving it is expected to earn."""

    dataset: str | None  # on whose known subsets it is best on average; None: on those of all datasets
    fixed: Params
    predicted_f1: float  # of the fixed answer
    gain: float  # macro-F1 expected of the choice above it, all changes together
    changes: tuple[Change, ...]  # the one that matters most with the others first
    not_free: tuple[str, ...]  # hyperparameters that may not take the fixed answer's value

    @property
    def names(self) -> set[str]:
        """The hyperparameters that leave the fixed answer."""
        return {change.name for change in self.changes}


def departure(predictor: Predictor, space: Space, vector: Tensor, params: Params) -> Departure | None:
    """From which fixed answer `params` depart; None where the predictor's card has none."""
    expected = predictor.on(vector)
    answer = expected.fixed_answer()
    if answer is None:
        return None
    fixed = {**params, **within(space, answer)}
    rows = np.array([space.encode(params), space.encode(fixed)])
    f1, there = expected.members(rows).mean(0).clamp(0, 1).tolist()
    alone = {swap.name: swap.change for swap in swaps(predictor, space, vector, fixed, params)}
    back = swaps(predictor, space, vector, params, fixed)
    changes = tuple(Change(one.name, one.value, one.other, alone[one.name], -one.change) for one in back)
    not_free = tuple(name for name, value in answer.items() if fixed.get(name, value) != value)
    dataset = expected.nearest_dataset() if expected.familiar else None
    return Departure(dataset, fixed, there, f1 - there, changes, not_free)


def swaps(
    predictor: Predictor, space: Space, vector: Tensor, params: Params, others: Params
) -> tuple[Swap, ...]:
    """One change at a time from `params` towards `others`, the one that matters most first."""
    names = [name for name in space.free if params[name] != others[name]]
    rows = [space.encode(params), *(space.encode({**params, name: others[name]}) for name in names)]
    f1, *there = predictor.on(vector).members(np.array(rows)).mean(0).clamp(0, 1).tolist()
    found = [
        Swap(name, params[name], others[name], value - f1) for name, value in zip(names, there, strict=True)
    ]
    return tuple(sorted(found, key=lambda swap: -abs(swap.change)))


def effects(predictor: Predictor, space: Space, vector: Tensor, params: Params) -> tuple[Effect, ...]:
    """The effect of every free hyperparameter, the largest gain first."""
    names, values, rows = [], [], [space.encode(params)]
    for name, axis in space.free.items():
        for value in other_values(axis, params[name]):
            names.append(name)
            values.append(value)
            rows.append(space.encode({**params, name: value}))
    f1, *others = predictor.on(vector).members(np.array(rows)).mean(0).clamp(0, 1).tolist()
    curves: dict[str, list[tuple[Value, float]]] = {name: [] for name in space.free}
    for name, value, there in zip(names, values, others, strict=True):
        curves[name].append((value, there))
    found = [Effect(name, params[name], tuple(curve), f1) for name, curve in curves.items()]
    return tuple(sorted(found, key=lambda effect: -effect.gain))


def other_values(axis: Axis, value: Value) -> list[Value]:
    """Values along an axis, less the one that was chosen."""
    if isinstance(axis, Choice):
        return [option for option in axis.options if option != value]
    return [axis.at(u) for u in np.linspace(0, 1, POINTS)]


def nearest_known(predictor: Predictor, vector: Tensor, count: int = 5) -> tuple[KnownSubset, ...]:
    """The subsets most like the one that `vector` describes, the nearest first."""
    apart = distances(vector, predictor.known)[0]
    return tuple(known(predictor, row, float(apart[row])) for row in apart.argsort()[:count].tolist())


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Root mean square difference of standardised features [rows of a, rows of b]."""
    return torch.cdist(a, b) / a.shape[1] ** 0.5


def known(predictor: Predictor, row: int, distance: float) -> KnownSubset:
    def count(feature: str) -> float | None:
        if feature not in predictor.feature_names:
            return None
        i = predictor.feature_names.index(feature)
        return float(predictor.known[row, i] * predictor.std[i] + predictor.mean[i])

    log_images, classes = count("counts.log_images"), count("counts.classes")
    return KnownSubset(
        predictor.known_datasets[row],
        distance,
        None if log_images is None else round(float(np.exp(log_images))),
        None if classes is None else round(classes),
    )


def strangeness(predictor: Predictor, distance: float) -> float:
    """Share of the known subsets that have a nearer neighbour among the others than `distance`, 0 to 1."""
    apart = distances(predictor.known, predictor.known).fill_diagonal_(torch.inf)
    return float((apart.min(dim=1).values < distance).float().mean())
