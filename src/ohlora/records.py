"""What a trial leaves on disk, and a whole sweep read back as one table.

A sweep's table is a folder: `journal/*.jsonl`, one shard a process, one line a record; and
`trials.parquet`, the same rows gathered. Either, or any mix of both, reads back with `read_table`.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import time
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from filelock import FileLock, Timeout

from ohlora.datasets.subset import SubsetRecipe
from ohlora.errors import OhloraError
from ohlora.space import Params


@dataclass(frozen=True)
class TrialKey:
    """What makes a trial the trial it is: run it again and the same record comes out."""

    subset: SubsetRecipe
    subset_fingerprint: str  # of the family's settings
    protocol: str  # fingerprint of the network and its budget
    params: Params
    seed: int

    @property
    def digest(self) -> str:
        """Sixteen hex digits: the key as a name."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class TrialRecord:
    """Everything needed to repeat one trial, and what came of it."""

    key: TrialKey
    status: Literal["complete", "diverged"]
    val_f1: float  # macro-F1 on the validation split at the best weights, 0 to 1
    test_f1: float  # macro-F1 on the test split at the same weights, 0 to 1
    val_loss: float  # cross-entropy in nats at the best weights
    steps: int  # optimiser steps taken
    epochs: float  # passes over the training images
    n_train: int
    n_classes: int
    elapsed_s: float  # wall clock, training and scoring
    driver: str  # lean | trainer | stacked
    device: str
    precision: str  # 32 | bf16
    space: str  # fingerprint of the axes the params were checked against
    commit: str
    finished_at: float = field(default_factory=time.time)  # Unix time, seconds

    def row(self) -> dict[str, Any]:
        """Flat, for a table: params under `params.`, the recipe under its own names."""
        row = asdict(self)
        key = row.pop("key")
        params = {f"params.{name}": value for name, value in key.pop("params").items()}
        trial_seed = key.pop("seed")
        return {
            "trial": self.key.digest,
            **key.pop("subset"),
            "trial_seed": trial_seed,
            **key,
            **params,
            **row,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> TrialRecord:
        """The inverse of `row`."""
        params = {k.removeprefix("params."): plain(v) for k, v in row.items() if k.startswith("params.")}
        recipe = SubsetRecipe(str(row["dataset"]), str(row["family"]), int(row["seed"]))
        key = TrialKey(recipe, row["subset_fingerprint"], row["protocol"], params, int(row["trial_seed"]))
        rest = {f.name: plain(row[f.name]) for f in fields(cls) if f.name != "key"}
        return cls(key=key, **rest)


def plain(value: Any) -> Any:
    """A pandas or numpy scalar as Python's own."""
    return value.item() if hasattr(value, "item") else value


class Journal:
    """Append-only records of one table, safe for many processes at once.

    Each process writes a shard of its own. A line is written by one `write` and synced to disk (fsync)
    before `append` returns, so a kill or a power cut loses at most the trial in flight.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "journal"
        self.claims = folder / "claims"
        self._offsets: dict[Path, int] = {}
        self._known: dict[str, TrialRecord] = {}
        self._shard: Path | None = None

    def append(self, record: TrialRecord) -> None:
        line = json.dumps(asdict(record), separators=(",", ":"), sort_keys=True) + "\n"
        if self._shard is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._shard = self.folder / f"{platform.node() or 'host'}-{os.getpid()}-{time.time_ns()}.jsonl"
        with self._shard.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        self._known[record.key.digest] = record

    def records(self) -> dict[str, TrialRecord]:
        """All records by key, newly written ones of other processes included."""
        for shard in sorted(self.folder.glob("*.jsonl")):
            self._read_on(shard)
        return dict(self._known)

    def _read_on(self, shard: Path) -> None:
        start = self._offsets.get(shard, 0)
        if shard.stat().st_size <= start:
            return
        with shard.open("rb") as file:
            file.seek(start)
            data = file.read()
        whole, newline, torn = data.rpartition(b"\n")
        if torn and shard != self._shard:
            warnings.warn(f"{shard}: the last line is torn and was dropped ({len(torn)} bytes)", stacklevel=4)
        number = 0 if start == 0 else -1
        for raw in whole.splitlines() if newline else ():
            number += 1 if number >= 0 else 0
            try:
                record = parse_record(json.loads(raw))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                place = f"line {number}" if number > 0 else f"after byte {start}"
                raise OhloraError(
                    f"{shard}, {place}: not a trial record ({type(error).__name__}: {error})"
                ) from None
            self._known.setdefault(record.key.digest, record)
        self._offsets[shard] = start + len(whole) + len(newline)

    def claim(self, digest: str) -> FileLock | None:
        """Take a trial for this process; None where it is done or another process has it.

        The claim is a lock the operating system drops when the process ends, however it ends.
        """
        self.claims.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.claims / f"{digest}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        if digest in self.records():
            self.release(lock)
            return None
        return lock

    def release(self, lock: FileLock) -> None:
        lock.release()
        with suppress(OSError):  # Windows keeps a file that another process is just trying to lock
            Path(lock.lock_file).unlink(missing_ok=True)


def parse_record(data: dict[str, Any]) -> TrialRecord:
    """A journal line as a record; raises where it is something else."""
    key = data.pop("key")
    recipe = SubsetRecipe(**key.pop("subset"))
    record = TrialRecord(key=TrialKey(subset=recipe, **key), **data)
    if record.status not in ("complete", "diverged"):
        raise ValueError(f"status={record.status!r}")
    return record


def read_table(sources: Iterable[Path | str]) -> pd.DataFrame:
    """One row a trial from table folders and Parquet files, each trial once.

    Columns: trial, dataset, family, seed (of the subset), trial_seed, the fingerprints, params.*, scores
    and costs as in `TrialRecord`.
    """
    frames, faults = [], []
    for source in map(Path, sources):
        if source.is_dir():
            rows = [record.row() for record in Journal(source).records().values()]
            if rows:
                frames.append(pd.DataFrame(rows))
                continue
            source /= "trials.parquet"  # a table that was handed on without its journal
            if not source.is_file():
                faults.append(f"{source.parent} holds no trials yet")
                continue
        if source.is_file():
            try:
                frame = pd.read_parquet(source)
            except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
                faults.append(f"{source} is not a Parquet table ({error})")
                continue
            missing = {"trial", "dataset", "family", "seed", "val_f1", "test_f1"} - set(frame.columns)
            if missing:
                faults.append(f"{source} is not a table of trials: it lacks {', '.join(sorted(missing))}")
            frames.append(frame)
        else:
            faults.append(f"{source} is not there")
    if faults:
        raise OhloraError("; ".join(faults))
    table = pd.concat(frames, ignore_index=True).drop_duplicates("trial", ignore_index=True)
    return table.sort_values("trial", ignore_index=True)


def gather(folder: Path) -> Path:
    """Write a table folder's journal as `trials.parquet`; readers see the old file or the new one."""
    path = folder / "trials.parquet"
    part = path.with_suffix(f".{os.getpid()}.part")
    read_table([folder]).to_parquet(part, index=False, compression="zstd")
    part.replace(path)
    return path


@cache
def current_commit() -> str:
    """The commit this code stands at, with "+" where files differ from it; "unknown" outside a checkout."""
    here = Path(__file__).resolve().parent
    try:
        git = ["git", "-C", str(here)]
        commit = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=5
        )
        if commit.returncode:
            return "unknown"
        dirty = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, timeout=5
        )
        return commit.stdout.strip() + ("+" if dirty.stdout.strip() else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
