"""What a trial leaves on disk, and a whole sweep read back as one table.

A sweep's table is a folder: `journal/*.jsonl`, one shard a process, one line a record; and
`trials.parquet`, rows gathered, perhaps handed on without the journal they came from. The table is the
union of both, each trial once: for `read_table`, for `gather`, and for the sweep that asks what is done.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from ohlora.datasets.subset import SubsetRecipe
from ohlora.errors import OhloraError
from ohlora.space import Params

GATHER_PATIENCE_S = 120  # gathering 20,000 trials takes about two seconds

T = TypeVar("T")


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
        key = {**vars(self), "subset": vars(self.subset)}  # asdict copies deeply, which is most of the time
        return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


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
        row, key = dict(vars(self)), dict(vars(self.key))
        del row["key"]
        params = {f"params.{name}": value for name, value in key.pop("params").items()}
        trial_seed = key.pop("seed")
        return {
            "trial": self.key.digest,
            **vars(key.pop("subset")),
            "trial_seed": trial_seed,
            **key,
            **params,
            **row,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> TrialRecord:
        """The inverse of `row`."""
        # Empty where the trial's space had no such hyperparameter, but another's in the same table has.
        params = {
            k.removeprefix("params."): plain(v)
            for k, v in row.items()
            if k.startswith("params.") and not pd.isna(v)
        }
        recipe = SubsetRecipe(str(row["dataset"]), str(row["family"]), int(row["seed"]))
        key = TrialKey(recipe, row["subset_fingerprint"], row["protocol"], params, int(row["trial_seed"]))
        rest = {f.name: plain(row[f.name]) for f in fields(cls) if f.name != "key"}
        return cls(key=key, **rest)


def plain(value: Any) -> Any:
    """A pandas or numpy scalar as Python's own."""
    return value.item() if hasattr(value, "item") else value


class ReadSoFar(NamedTuple):
    """How far a shard has been read."""

    offset: int = 0  # bytes of whole lines
    lines: int = 0
    size: int = 0  # bytes seen, a torn end included


class Journal:
    """Append-only records of one table, safe for many processes at once.

    Each process writes a shard of its own. A line goes out by one `write` and is synced to disk (fsync)
    before `append` returns, and with the first line the folders that lead to the shard; so a kill or a
    power cut loses at most the trial in flight. (Windows has no fsync for folders, NTFS keeps its own
    journal of them; on macOS fsync ends at the drive's cache.)

    As a context manager it releases at its end, however that comes, the claims it still holds.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "journal"
        self.claims = folder / "claims"
        self.parquet = folder / "trials.parquet"
        self._read: dict[str, ReadSoFar] = {}
        self._appended: dict[str, TrialRecord] = {}  # in shards
        self._gathered: dict[str, TrialRecord] = {}  # in trials.parquet and, when it was read, in no shard
        self._parquet_seen: tuple[int, int, int] | None = None
        self._shard: Path | None = None
        self._pid = os.getpid()
        self._held: dict[str, FileLock] = {}

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        for lock in list(self._held.values()):
            self.release(lock)

    def append(self, record: TrialRecord) -> None:
        """Write a record; it is on disk when this returns. Raises OhloraError where it cannot be written."""
        line = json.dumps(asdict(record), separators=(",", ":"), sort_keys=True) + "\n"
        # Should this fail midway, the next record starts a new shard: readers may have read this one to
        # its end already. So does a forked child's first: a shard has one writer.
        shard, self._shard = self._shard if self._pid == os.getpid() else None, None
        try:
            if shard is None:
                shard, self._pid = self._new_shard(), os.getpid()
                write_synced(shard, line.encode(), create=True)
                for folder in shard.absolute().parents:
                    sync_folder(folder)
            else:
                write_synced(shard, line.encode())
        except OSError as error:
            raise OhloraError(
                f"cannot write to {shard or self.folder}: {error.strerror or error}; the trial just trained"
                " is lost, all before it are safe: make room and start the same sweep again, it goes on there"
            ) from error
        self._shard = shard
        self._appended[record.key.digest] = record

    def _new_shard(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{platform.node() or 'host'}-{os.getpid()}-{time.time_ns()}.jsonl"

    def records(self) -> dict[str, TrialRecord]:
        """All records by key, newly written ones of other processes included."""
        self._read_new()
        return {**self._gathered, **self._appended}

    def appended(self) -> dict[str, TrialRecord]:
        """The records that are in shards, by key."""
        self._read_shards()
        return dict(self._appended)

    def _read_new(self) -> None:
        self._read_shards()
        self._read_parquet()

    def _read_shards(self) -> None:
        # At each claim: one listing and a stat a shard. 200 Path objects would take three times as long.
        # Windows takes sizes from the listing, which is right once a writer has closed its file.
        try:
            with os.scandir(self.folder) as entries:
                sizes = {e.name: e.stat().st_size for e in entries if e.name.endswith(".jsonl")}
        except FileNotFoundError:
            return
        for name in sorted(sizes):
            if name not in self._read or sizes[name] != self._read[name].size:
                self._read_on(self.folder / name)

    def _read_on(self, shard: Path) -> None:
        offset, lines, _ = self._read.get(shard.name, ReadSoFar())
        with shard.open("rb") as file:
            file.seek(offset)
            data = file.read()
        size = offset + len(data)
        *whole, torn = data.split(b"\n")
        for i, raw in enumerate(whole):
            try:
                record = parse_record(json.loads(raw))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                # After a power cut the last line may have its full length and blocks of zeros.
                if i == len(whole) - 1 and not torn and not is_json(raw):
                    torn = raw
                    break
                raise OhloraError(
                    f"{shard}, line {lines + 1}: not a trial record ({type(error).__name__}: {error})"
                ) from None
            self._appended.setdefault(record.key.digest, record)
            offset, lines = offset + len(raw) + 1, lines + 1
        if torn and shard != self._shard:
            warnings.warn(
                f"{shard}: the last line is torn and was dropped (line {lines + 1}, {len(torn)} bytes)",
                stacklevel=5,
            )
        self._read[shard.name] = ReadSoFar(offset, lines, size)

    def _read_parquet(self) -> None:
        try:
            found = self.parquet.stat()
        except FileNotFoundError:
            return
        seen = found.st_mtime_ns, found.st_size, found.st_ino
        if seen == self._parquet_seen:
            return
        table = read_parquet(self.parquet)
        needed = {f.name for f in fields(TrialRecord)} - {"key"}
        needed |= {"trial_seed", "subset_fingerprint", "protocol"}
        if missing := needed - set(table.column_names):
            raise OhloraError(
                f"{self.parquet} is not the table of a sweep: it lacks {', '.join(sorted(missing))};"
                " move it away and name it among tables="
            )
        table = table.select([name for name in table.column_names if not name.startswith("feature.")])
        digests = table.column("trial").to_pylist()
        fresh = [i for i, d in enumerate(digests) if d not in self._appended and d not in self._gathered]
        for i, row in zip(fresh, table.take(pa.array(fresh, pa.int64())).to_pylist(), strict=True):
            try:
                self._gathered[row["trial"]] = TrialRecord.from_row(row)
            except (TypeError, ValueError) as error:
                raise OhloraError(f"{self.parquet}, row {i}: not a trial record ({error})") from None
        self._parquet_seen = seen

    def claim(self, digest: str) -> FileLock | None:
        """Take a trial for this process; None where it is done or has been taken, also by this process.

        The claim is a lock the operating system drops when the process ends, however it ends. Any number
        can be held at the same time.
        """
        if digest in self._appended or digest in self._gathered:
            return None
        self.claims.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.claims / f"{digest}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        self._held[lock.lock_file] = lock
        free = False
        try:
            self._read_new()
            free = digest not in self._appended and digest not in self._gathered
        finally:
            if not free:
                self.release(lock)
        return lock if free else None

    def release(self, lock: FileLock) -> None:
        """Give a claim back; once is enough, twice does no harm."""
        self._held.pop(lock.lock_file, None)
        if lock.is_locked:
            # While it is held: once released, the file may be another's claim, and a third process that
            # finds no file would take the same trial. Windows keeps open files; there filelock unlinks.
            with suppress(OSError):
                Path(lock.lock_file).unlink()
            lock.release()

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Only one process at a time is in here."""
        self.claims.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.claims / "gather.lock")
        try:
            lock.acquire(timeout=GATHER_PATIENCE_S)
        except Timeout:
            raise OhloraError(
                f"another process has been gathering {self.parquet} for {GATHER_PATIENCE_S} seconds;"
                " the trials are safe in its journal"
            ) from None
        try:
            yield
        finally:
            self.release(lock)


def write_synced(path: Path, data: bytes, create: bool = False) -> None:
    """Append to a file, and to the disk under it; where it fails nothing is left behind."""
    with path.open("xb" if create else "ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            rest = memoryview(data)
            while rest:  # a disk that fills up takes a part and refuses the rest
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                file.truncate(before)
            raise


def sync_folder(folder: Path) -> None:
    """Put a folder's list of files on disk, where the platform can."""
    if os.name == "nt":
        return
    with suppress(OSError):  # a folder that may not be read, a file system that has nothing to sync
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_json(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except ValueError:
        return False
    return True


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
    and costs as in `TrialRecord`, and what else the Parquet files have, such as feature.*.
    """
    tables, faults = [], []
    for source in map(Path, sources):
        try:
            found = folder_tables(source) if source.is_dir() else [read_parquet(source)]
            if not found:
                faults.append(f"{source} holds no trials yet")
            tables += found
        except OhloraError as fault:
            faults.append(str(fault))
    if faults:
        raise OhloraError("; ".join(faults))
    return joined(tables).to_pandas()


def gather(folder: Path) -> Path:
    """Bring a table folder's `trials.parquet` up to date with its journal; rows only it has stay in it.

    Readers see the old file or the new one. Nothing to add: nothing is written, so a folder where all
    trials are still in the hands of others may have no such file yet.
    """
    journal = Journal(folder)
    with journal.gathering():
        tables = folder_tables(folder)
        if len(tables) > 1 or (tables and not journal.parquet.exists()):
            write_parquet(joined(tables), journal.parquet)
    return journal.parquet


def folder_tables(folder: Path) -> list[pa.Table]:
    """`trials.parquet`, then the rows that are in the journal only; each where there is any."""
    journal = Journal(folder)
    # The journal first: what is gathered in between is then in both, not in neither.
    appended = journal.appended()
    tables = [read_parquet(journal.parquet)] if journal.parquet.is_file() else []
    gathered = set(tables[0].column("trial").to_pylist()) if tables else set()
    rows = [record.row() for digest, record in appended.items() if digest not in gathered]
    if rows:
        names = dict.fromkeys(name for row in rows for name in row)
        tables.append(pa.table({name: [row.get(name) for row in rows] for name in names}))
    return tables


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """One row a trial, by trial. Arrow, not pandas: a whole number stays one where other rows lack it."""
    try:
        table = pa.concat_tables([t.replace_schema_metadata() for t in tables], promote_options="permissive")
    except pa.ArrowException as error:
        raise OhloraError(f"these tables do not go together: {error}") from None
    trials = pd.Series(table.column("trial").to_pylist()).drop_duplicates().sort_values()
    return table.take(trials.index.to_numpy())


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
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        patiently(lambda: part.replace(path))
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise OhloraError(
            f"cannot write {path}: {error.strerror or error}; the trials are safe in the journal beside it"
        ) from error
    sync_folder(path.parent)


def patiently(act: Callable[[], T]) -> T:
    """`act()`; on Windows, where a file that another process has open is in the way, tried for a while."""
    for _ in range(100 if os.name == "nt" else 0):
        try:
            return act()
        except PermissionError:
            time.sleep(0.02)
    return act()


def of_one_game(frame: pd.DataFrame, protocol: str, families: Mapping[str, str]) -> pd.DataFrame:
    """The rows trained by `protocol` on subsets drawn as today; a warning says what was left out.

    `families` maps names to today's fingerprints; families it does not name are left alone. A column the
    table lacks is not asked for: somebody else's table need not say how its trials were trained.
    """
    notes = []
    keep = np.ones(len(frame), bool)
    if "protocol" in frame:
        found = frame["protocol"].to_numpy(str)
        keep = found == protocol
        for name, count in Counter(found[~keep]).items():
            notes.append(f"{count} trials of protocol {name}, not {protocol}")
    if "subset_fingerprint" in frame:
        family, found = frame["family"].to_numpy(str), frame["subset_fingerprint"].to_numpy(str)
        today = np.array([families.get(f, own) for f, own in zip(family, found, strict=True)])
        other = keep & (found != today)
        keep = keep & ~other
        for kind, count in Counter(zip(family[other], found[other], today[other], strict=True)).items():
            notes.append("{} trials of {} subsets drawn by {}, not {}".format(count, *kind))
    if notes and not keep.any():
        raise OhloraError(
            f"the table holds only {'; '.join(notes)}: give the size=, protocol.* and subset settings its"
            " trials were made with, or go back to the commit that made them"
        )
    if notes:
        warnings.warn(f"left out of the table: {'; '.join(notes)}", stacklevel=2)
    return frame.loc[keep].reset_index(drop=True) if notes else frame
