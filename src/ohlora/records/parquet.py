"""Parquet files of trials: read only where they are that, replaced as a whole."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ohlora.durable import patiently, replacing
from ohlora.errors import OhloraError


def read_parquet(path: Path) -> pa.Table:
    """A Parquet file of trials; raises OhloraError where it is something else."""
    if not path.is_file():
        raise OhloraError(f"{path} is not there")
    data = patiently(path.read_bytes)
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
        raise OhloraError(f"{path} is not a Parquet table ({error})") from None
    missing = {"trial", "dataset", "family", "seed", "val_f1", "test_f1"} - set(table.column_names)
    if missing:
        raise OhloraError(f"{path} is not a table of trials: it lacks {', '.join(sorted(missing))}")
    return table


def write_parquet(table: pa.Table, path: Path) -> None:
    """Replace a Parquet file as a whole: a kill, a power cut or a full disk leaves the old one."""
    try:
        with replacing(path) as part, part.open("wb") as file:
            pq.write_table(table, file, compression="zstd")
    except OSError as error:
        raise OhloraError(
            f"cannot write {path}: {error.strerror or error}; the trials are safe in the journal beside it"
        ) from error
