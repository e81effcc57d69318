"""Parquet files of trials: read only where they are that, replaced as a whole."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from annotated_types import Ge, Le

from ohlora import lineage
from ohlora.config import Name, expected, shown
from ohlora.datasets.families import SubsetRecipe
from ohlora.durable import patiently, replacing
from ohlora.errors import OhloraError
from ohlora.records.record import Score, TrialKey, TrialRecord
from ohlora.text import printable

NEEDED = {"trial", "dataset", "family", "seed", "val_f1", "test_f1"}
MAY_BE_EMPTY = {"chooser", "held_fixed"}


def declared(cls: Any) -> dict[str, Any]:
    return {
        one.name: Annotated[inner.annotation, *inner.metadata, None]
        for one in fields(cls)
        if (inner := cls.__pydantic_fields__[one.name])
    }


# What a column may hold: as declared beside the fields of a record.
KEY, RECORD = declared(TrialKey), declared(TrialRecord)
COLUMNS: dict[str, Any] = {
    "trial": Name,
    **declared(SubsetRecipe),
    "trial_seed": KEY["seed"],
    **{name: KEY[name] for name in ("subset_fingerprint", "protocol")},
    **{name: kind for name, kind in RECORD.items() if name != "key"},
    "test_f1": Score,
}


def read_parquet(path: Path) -> pa.Table:
    """A Parquet file of trials; raises OhloraError where it is something else, the first bad row named."""
    if not path.is_file():
        raise OhloraError(f"{path} is not there")
    data = patiently(path.read_bytes)
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
        raise OhloraError(f"{path} is not a Parquet table ({error})") from None
    if missing := NEEDED - set(table.column_names):
        raise OhloraError(f"{path} is not a table of trials: it lacks {', '.join(sorted(missing))}")
    if not table.num_rows:
        raise OhloraError(f"{path} holds no trials: it has no rows")
    if faults := column_faults(table):
        raise OhloraError(f"{path} is not a table of trials: {'; '.join(faults)}")
    lineage.read("table", path.stem, path, hashlib.sha256(data).hexdigest())
    return table


def column_faults(table: pa.Table) -> list[str]:
    """What is wrong with each column, with the first row it is seen in."""
    faults = []
    for name in table.column_names:
        column, kind = table.column(name), table.schema.field(name).type
        if pa.types.is_null(kind) and name in MAY_BE_EMPTY:
            continue
        if kind_of(kind) is None and (name in COLUMNS or name.startswith(("params.", "feature."))):
            faults.append(f"column {name} holds {kind}, not numbers or text")
        elif name.startswith("feature.") and kind_of(kind) is str:
            faults.append(f"column {name} holds text, not numbers")
        elif name in COLUMNS and (fault := column_fault(name, column, kind)):
            faults.append(fault)
    return faults


def column_fault(name: str, column: pa.ChunkedArray, kind: pa.DataType) -> str | None:
    """What is wrong with a column of a record, or None."""
    allowed = COLUMNS[name]
    base, bounds = get_args(allowed)[0], get_args(allowed)[1:]
    number = base in (int, float)
    if kind_of(kind) is not (float if number else str):
        bad = np.ones(len(column), bool)
    elif not number:
        bad = np.asarray(column.is_null()) & (name not in MAY_BE_EMPTY)
    else:
        values = column.to_numpy().astype(float)
        bad = ~np.isfinite(values)
        for bound in bounds:
            if isinstance(bound, Ge):
                bad |= ~(values >= bound.ge)  # type: ignore[operator]
            elif isinstance(bound, Le):
                bad |= ~(values <= bound.le)  # type: ignore[operator]
        if base is int:
            bad |= values != np.round(values)
    if not bad.any():
        return None
    row = int(bad.argmax())
    more = f" ({int(bad.sum())} such rows)" if bad.sum() > 1 else ""
    return f"row {row}: {name}={printable(shown(column[row].as_py()))} is not {expected(allowed)}{more}"


def kind_of(kind: pa.DataType) -> type | None:
    """float for numbers, str for text, None for anything else."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return float
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return str
    return None


def write_parquet(table: pa.Table, path: Path) -> None:
    """Replace a Parquet file as a whole: a kill, a power cut or a full disk leaves the old one."""
    try:
        with replacing(path) as part, part.open("wb") as file:
            pq.write_table(table, file, compression="zstd")
    except OSError as error:
        raise OhloraError(
            f"cannot write {path}: {error.strerror or error}; the trials are safe in the journal beside it"
        ) from error
