"""A table of trials as the predictor learns from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

import numpy as np
import pandas as pd

from ohlora.errors import OhloraError
from ohlora.space import Space

FEATURE, PARAM = "feature.", "params."
GROUP = ["dataset", "family", "seed"]
SCORE_MAX = 1.000001  # a mean of float32 may end a digit above 1


@dataclass(frozen=True)
class PredictorTable:
    """Rows as arrays. `group` numbers the subsets; rows of one group are never split apart."""

    feature_names: tuple[str, ...]
    features: np.ndarray  # float [rows, features]
    params: np.ndarray  # float [rows, columns], encoded by the space
    target: np.ndarray  # float [rows], macro-F1, 0 to 1
    group: np.ndarray  # int64 [rows]
    datasets: np.ndarray  # str [rows]

    @property
    def n_groups(self) -> int:
        return int(self.group.max()) + 1

    def rows(self, keep: np.ndarray) -> PredictorTable:
        """The rows where `keep` is true, groups numbered anew."""
        group = np.unique(self.group[keep], return_inverse=True)[1].astype(np.int64)
        return PredictorTable(
            self.feature_names,
            self.features[keep],
            self.params[keep],
            self.target[keep],
            group,
            self.datasets[keep],
        )


def predictor_table(
    frame: pd.DataFrame,
    space: Space,
    target: str,
    groups: Sequence[str],
    group_columns: Sequence[str] = GROUP,
) -> PredictorTable:
    """Read `feature.*`, `params.*` and `target` columns; `groups` are name patterns of features to use.

    Any table with such columns will do, whatever made it. Raises OhloraError naming every fault:
    missing columns, trials of different protocols or different draws of one family, params outside the
    space, values that are not finite.
    """
    faults = [f"column {name} is missing" for name in (target, *group_columns) if name not in frame]
    faults += [f"column {PARAM}{name} is missing" for name in space.within if PARAM + name not in frame]
    faults += mixture(frame)
    names = [c.removeprefix(FEATURE) for c in frame.columns if c.startswith(FEATURE)]
    names = [n for n in names if any(fnmatch(n, pattern) for pattern in groups)]
    if not names:
        faults.append(f"no {FEATURE}* column matches {', '.join(groups)}")
    faults += [] if len(frame) else ["it has no rows"]
    if not faults:
        faults = value_faults(frame, [FEATURE + name for name in names], target, group_columns)
    if faults:
        raise OhloraError("this is not a table the predictor can learn from: " + "; ".join(faults))
    params = []
    for i, row in enumerate(frame[[PARAM + name for name in space.within]].itertuples(index=False)):
        given = dict(zip(space.within, row, strict=True))
        bad = [
            name + fault for name, axis in space.within.items() if (fault := axis.fault(python(given[name])))
        ]
        if bad:
            raise OhloraError(f"row {i} of the table is outside the space: {'; '.join(bad)}")
        params.append(space.encode({name: python(value) for name, value in given.items()}))
    # Copies: pandas 3 hands out read-only arrays, which torch cannot take.
    features = frame[[FEATURE + n for n in names]].to_numpy(float, copy=True)
    score = frame[target].to_numpy(float, copy=True)
    group = frame.groupby(list(group_columns), sort=False).ngroup().to_numpy(np.int64, copy=True)
    return PredictorTable(
        tuple(names), features, np.array(params), score, group, frame[group_columns[0]].to_numpy(str)
    )


def value_faults(
    frame: pd.DataFrame, features: Sequence[str], target: str, group_columns: Sequence[str]
) -> list[str]:
    """Faults: values that cannot be learned from, the first row of each column named."""
    faults = []
    for name in [*features, target]:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            faults.append(f"{name} holds {frame[name].dtype}, not numbers")
            continue
        values = frame[name].to_numpy(float)
        bad, allowed = ~np.isfinite(values), "finite"
        if name == target:
            bad, allowed = bad | ~((values >= 0) & (values <= SCORE_MAX)), "a score from 0 to 1"
        if bad.any():
            row = int(bad.argmax())
            faults.append(f"row {row}: {name}={values[row]:g} is not {allowed} ({int(bad.sum())} such rows)")
    for name in group_columns:
        bad = frame[name].isna().to_numpy()
        if bad.any():
            faults.append(f"row {int(bad.argmax())}: {name} is empty ({int(bad.sum())} such rows)")
    return faults


def mixture(frame: pd.DataFrame) -> list[str]:
    """Faults: scores that do not compare, and different subsets that bear one name. None where not told."""
    faults = []
    if "protocol" in frame:
        kinds = sorted(set(frame["protocol"].to_numpy(str)))
        if len(kinds) > 1:
            faults.append(f"it mixes trials of {len(kinds)} protocols ({', '.join(kinds)})")
    if {"family", "subset_fingerprint"} <= set(frame.columns):
        for family, rows in frame.groupby("family"):
            kinds = sorted(set(rows["subset_fingerprint"].to_numpy(str)))
            if len(kinds) > 1:
                faults.append(f"it mixes {family} subsets drawn in {len(kinds)} ways ({', '.join(kinds)})")
    return faults


def python(value):
    """A numpy scalar as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def folds(group: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """`count` boolean masks of held-out rows; each subset is held out exactly once."""
    order = np.random.default_rng(seed).permutation(int(group.max()) + 1)
    return [np.isin(group, order[i::count]) for i in range(count)]
