"""Somebody else's table of trials: a YAML file says which column is what, and what it may hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import yaml

from ohlora import lineage
from ohlora.config import InvalidConfig, Many, Name, compared, config, shown
from ohlora.errors import OhloraError, nearest
from ohlora.predictor.jobs import Names
from ohlora.predictor.table import FEATURE, PARAM
from ohlora.space import Axis, Choice, Finite, Real, Space, Value
from ohlora.text import printable

SCORE = "score"  # the target's column once read: 0 to 1, higher is better
T = TypeVar("T")


class Numbers(yaml.SafeLoader):
    """YAML whose 1e-5 is a number, as in YAML 1.2."""


Numbers.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


@config
class ScoreColumn:
    """The column to predict, and which of its values are the worst and the best possible."""

    column: Name
    worst: Finite = 0.0  # above `best` for a loss
    best: Finite = 1.0

    @compared
    def _worst_is_not_best(self) -> None:
        if self.worst == self.best:
            raise OhloraError(f"worst and best are both {self.best:g}")


@config
class ParamColumn:
    """What a hyperparameter may be; what is left out is what the table has: its range, its words."""

    low: Finite | None = None
    high: Finite | None = None
    log: bool = False
    options: Many[Value] | None = None

    @compared
    def _options_or_a_range(self) -> None:
        if self.options is not None and (self.log or self.low is not None or self.high is not None):
            raise OhloraError("options stand alone, without low, high and log")


@config
class ColumnRoles:
    """Which column of a table is what."""

    target: ScoreColumn
    params: Mapping[str, ParamColumn]  # by column
    features: Names  # columns that describe a row's dataset, as name patterns
    dataset: Names  # columns that tell datasets apart: rows of one are held out together
    source: Name | None = None  # a column: datasets of one source are held out together, too


@dataclass(frozen=True)
class ForeignTable:
    """The table with the columns the predictor asks for, and the space its params span."""

    frame: pd.DataFrame
    space: Space


def read_foreign(tables: Sequence[str], columns: Path) -> ForeignTable:
    """Read Parquet files whose columns `columns`, a YAML file, explains.

    Raises OhloraError naming every fault: columns that are not there, params outside their range, values that
    are missing. Nothing in the files is run.
    """
    roles = read_roles(columns)
    frame = pd.concat([parquet(Path(table)) for table in tables], ignore_index=True)
    features = described_by(frame, roles)
    if faults := missing_from(frame, roles, features):
        raise OhloraError(f"the table is not what {columns} says: {'; '.join(faults)}")
    source = column(frame, roles.source).astype(str) if roles.source else "all"
    found = pd.DataFrame({"dataset": source, "family": "foreign"}, index=frame.index)
    found["seed"] = frame.groupby(list(roles.dataset), sort=False, dropna=False).ngroup()
    axes, faults = {}, []
    for name, role in roles.params.items():
        try:
            found[PARAM + name] = values = plain(column(frame, name))
            axes[name] = axis_of(values, role)
        except OhloraError as error:
            faults.append(f"{printable(name)}: {error}")
    try:
        found[SCORE] = scaled(column(frame, roles.target.column), roles.target)
    except OhloraError as error:
        faults.append(str(error))
    faults += [
        f"{printable(name)}: a feature describes a dataset, and this differs between rows of one"
        for name in varying(frame, features, column(found, "seed"))
    ]
    if roles.source and not column(frame, roles.source).astype(str).str.strip().all():
        faults.append(f"{roles.source}: a source without a name")
    if faults:
        raise OhloraError(f"the table is not what {columns} says: {'; '.join(faults)}")
    described = frame[features].add_prefix(FEATURE)
    return ForeignTable(pd.concat([found, described], axis=1), Space(axes, axes))


def varying(frame: pd.DataFrame, names: Sequence[str], dataset: pd.Series) -> list[str]:
    """Columns with more than one value among the rows of a dataset."""
    rows = frame.groupby(dataset.to_numpy(), sort=False)
    return [name for name in names if np.max(rows[name].nunique(dropna=False)) > 1]


def described_by(frame: pd.DataFrame, roles: ColumnRoles) -> list[str]:
    """The columns that describe datasets: never one that has another role."""
    taken = {roles.target.column, roles.source, *roles.params, *roles.dataset}
    return [
        name
        for name in frame.columns
        if name not in taken and any(fnmatch(name, pattern) for pattern in roles.features)
    ]


def missing_from(frame: pd.DataFrame, roles: ColumnRoles, features: Sequence[str]) -> list[str]:
    """Faults: what the table lacks of what is said of it."""
    source = [roles.source] if roles.source else []
    named = dict.fromkeys([roles.target.column, *roles.params, *roles.dataset, *source])
    faults = [
        f"column {name} is missing{nearest(name, frame.columns)}" for name in named if name not in frame
    ]
    faults += [] if features else [f"no column matches features: {', '.join(roles.features)}"]
    return faults + ([] if len(frame) else ["it has no rows"])


def column(frame: pd.DataFrame, name: str) -> pd.Series:
    found = frame[name]
    assert isinstance(found, pd.Series)
    return found


def read_roles(path: Path) -> ColumnRoles:
    """What a YAML file says of a table's columns."""
    try:
        said = yaml.load(path.read_text(encoding="utf-8"), Numbers)
    except FileNotFoundError:
        raise OhloraError(f"{path} is not there") from None
    except (yaml.YAMLError, OSError, UnicodeDecodeError, RecursionError) as error:
        raise OhloraError(f"{path} cannot be read: {printable(' '.join(str(error).split()))}") from None
    if not isinstance(said, dict) or not all(isinstance(name, str) for name in said):
        raise OhloraError(f"{path} must name columns: target, params, features, dataset")
    faults: list[tuple[str, str]] = []

    def part(kind: Callable[..., T], place: str, value: Any) -> T | None:
        try:
            if not isinstance(value, dict):
                raise InvalidConfig([("", f"={shown(value)} is not a mapping")])
            return kind(**value)
        except InvalidConfig as error:
            dotted = [
                (f"{place}.{name}", fault) if name else (place, fault if fault[:1] in "= " else f": {fault}")
                for name, fault in error.faults
            ]
            faults.extend(dotted)
        except TypeError:
            faults.append((place, " has a key that is not a name"))
        return None

    given = dict(said)
    if "target" in given:
        value = given["target"]
        given["target"] = part(ScoreColumn, "target", {"column": value} if isinstance(value, str) else value)
    if isinstance(given.get("params"), dict):
        given["params"] = {
            name: part(ParamColumn, f"params.{name}", {} if value is None else value)
            for name, value in given["params"].items()
        }
    if not faults:
        roles = part(ColumnRoles, "", given)
        if roles is not None and not roles.params:
            faults.append(("params", " names no hyperparameter"))
        if roles is not None and not faults:
            return roles
    said_wrong = "; ".join(printable(name.removeprefix(".") + fault) for name, fault in faults)
    raise OhloraError(f"{path} does not explain a table: {said_wrong}")


def parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except FileNotFoundError:
        raise OhloraError(f"{path} is not there") from None
    except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
        raise OhloraError(f"{path} is not a Parquet table ({error})") from None
    lineage.read("table", path.stem, path)
    return frame


def plain(values: pd.Series) -> pd.Series:
    """A hyperparameter's values as numbers or as text."""
    if (empty := values.isna().to_numpy()).any():
        raise OhloraError(f"row {int(empty.argmax())} is empty ({int(empty.sum())} such rows)")
    if pd.api.types.is_bool_dtype(values):
        return values.map({True: "true", False: "false"})
    return values.astype(float if pd.api.types.is_numeric_dtype(values) else str)


def axis_of(values: pd.Series, role: ParamColumn) -> Axis:
    """The axis a hyperparameter moves on; raises OhloraError where a value lies outside."""
    numbers = pd.api.types.is_numeric_dtype(values)
    if role.options is not None:
        axis: Axis = Choice(
            tuple(float(o) if numbers and not isinstance(o, str) else o for o in role.options)
        )
    elif numbers:
        low = float(values.min()) if role.low is None else role.low
        high = float(values.max()) if role.high is None else role.high
        axis = Real(low, high, role.log)
    else:
        axis = Choice(tuple(sorted(values.unique())))
    for row, value in enumerate(values):
        if fault := axis.fault(value):
            raise OhloraError(f"row {row}: {printable(fault.removeprefix('='))}")
    return axis


def scaled(scores: pd.Series, role: ScoreColumn) -> np.ndarray:
    """Scores from 0, the worst, to 1, the best."""
    if not pd.api.types.is_numeric_dtype(scores):
        raise OhloraError(f"{role.column} holds {scores.dtype}, not numbers")
    values = scores.to_numpy(float)
    low, high = sorted((role.worst, role.best))
    outside = ~((values >= low) & (values <= high))  # so NaN is outside as well
    if outside.any():
        row = int(outside.argmax())
        raise OhloraError(
            f"row {row}: {role.column}={values[row]:g} is outside {low:g} to {high:g}"
            f" ({int(outside.sum())} such rows); target.worst and target.best say what is possible"
        )
    return (values - role.worst) / (role.best - role.worst)
