"""The numbers that a run has logged: of its CSV files, or of TensorBoard's."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

from ohlora.report.results import Chart, Points

NO_CHARTS = ("lr-", "epoch", "grad_norm", "learning_rate")
MOST_POINTS = 600  # of a line
UNIT = ("f1", "accuracy")


def logged(folder: Path) -> dict[str, Points]:
    """(step, value) pairs by metric, of all CSV files of a run and of its TensorBoard file."""
    found: dict[str, dict[float, float]] = defaultdict(dict)
    for path in sorted(folder.glob("csv*/metrics.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for name, value in row.items():
                    if name != "step" and value and (number := as_number(value)) is not None:
                        found[name][float(row.get("step") or 0)] = number
    for name, points in tensorboard(folder).items():
        found[name] |= dict(points)
    return {name: sorted(points.items()) for name, points in found.items()}


def as_number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def tensorboard(folder: Path) -> dict[str, Points]:
    """Scalars of a TensorBoard folder; none where TensorBoard is not installed."""
    if not (folder / "tensorboard").is_dir() or find_spec("tensorboard") is None:
        return {}
    from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-not-found]
        EventAccumulator,
    )

    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    return {
        name: [(one.step, one.value) for one in events.Scalars(name) if math.isfinite(one.value)]
        for name in events.Tags()["scalars"]
    }


def charts(numbers: dict[str, Points], x: str = "optimiser steps") -> list[Chart]:
    """Lines of what was logged more than once, metrics of one name in one chart.

    `ohlora/val_f1` and `challenger_1/val_f1` share one, and so do `train_loss` and `val_loss`.
    """
    groups: dict[str, dict[str, Points]] = defaultdict(dict)
    for name, points in sorted(numbers.items()):
        if len(points) > 1 and not name.startswith(NO_CHARTS):
            groups[family(name)][name] = thinned(points)
    return [
        Chart(title.replace("_", " "), x, lines, unit_range=title.endswith(UNIT))
        for title, lines in groups.items()
    ]


def family(name: str) -> str:
    """The name that a metric's chart goes by."""
    last = name.rpartition("/")[2]
    if last.endswith("loss"):
        return "loss"
    return last if "/" in name else last.removeprefix("train_").removeprefix("val_")


def thinned(points: Points) -> Points:
    """At most MOST_POINTS of them, the last one always."""
    step = max(1, -(-len(points) // MOST_POINTS))
    return [*points[:-1:step], points[-1]]


def last_values(numbers: dict[str, Points]) -> dict[str, float]:
    return {name: points[-1][1] for name, points in numbers.items() if points}
