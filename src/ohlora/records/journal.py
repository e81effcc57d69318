"""The journal of a table: records appended by many processes at once, and who trains what."""

from __future__ import annotations

import json
import os
import platform
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from filelock import FileLock, Timeout

from ohlora.durable import append_synced, drop
from ohlora.errors import OhloraError
from ohlora.records.claims import Claims
from ohlora.records.parquet import read_parquet
from ohlora.records.record import TrialRecord, parse_record

GATHER_PATIENCE_S = 120  # gathering 20,000 trials takes about two seconds


class ReadSoFar(NamedTuple):
    """How far a shard has been read."""

    offset: int = 0  # bytes of whole lines
    lines: int = 0
    size: int = 0  # bytes seen, a torn end included


class Journal:
    """Append-only records of one table, safe for many processes at once.

    Each process writes a shard of its own. A line goes out by one `write` and is synced to disk (fsync)
    before `append` returns, and with the first line the folders that lead to the shard; so a kill or a
    power cut loses at most the trial in flight.

    As a context manager it releases at its end, however that comes, the claims it still holds.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "journal"
        self.claims = Claims(folder / "claims")
        self.parquet = folder / "trials.parquet"
        self._read: dict[str, ReadSoFar] = {}
        self._appended: dict[str, TrialRecord] = {}  # in shards
        self._gathered: dict[str, TrialRecord] = {}  # in trials.parquet and, when it was read, in no shard
        self._parquet_seen: tuple[int, int, int] | None = None
        self._shard: Path | None = None
        self._pid = os.getpid()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.claims.give_all_back()

    def append(self, record: TrialRecord) -> None:
        """Write a record; it is on disk when this returns. Raises OhloraError where it cannot be written."""
        line = json.dumps(asdict(record), separators=(",", ":"), sort_keys=True) + "\n"
        # Should this fail midway, the next record starts a new shard: readers may have read this one to
        # its end already. So does a forked child's first: a shard has one writer.
        shard, self._shard = self._shard if self._pid == os.getpid() else None, None
        try:
            if shard is None:
                shard, self._pid = self._new_shard(), os.getpid()
                append_synced(shard, line.encode(), create=True)
            else:
                append_synced(shard, line.encode())
        except OSError as error:
            if shard is not None and not shard.exists():
                others = "and so are those before it: the file was removed while the sweep ran"
            else:
                others = "all before it are safe: make room and start the same sweep again, it goes on there"
            raise OhloraError(
                f"cannot write to {shard or self.folder}: {error.strerror or error}; the trial just trained"
                f" is lost, {others}"
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
        again: list[str] = []
        for i, raw in enumerate(whole):
            try:
                record = parse_record(raw)
            except ValueError as error:
                # After a power cut the last line may have its full length and blocks of zeros.
                if i == len(whole) - 1 and not torn and not is_json(raw):
                    torn = raw
                    break
                raise OhloraError(f"{shard}, line {lines + 1}: not a trial record ({error})") from None
            known = self._appended.setdefault(record.key.digest, record)
            if known.test_f1 is None and record.test_f1 is not None and known.val_f1 == record.val_f1:
                self._appended[record.key.digest] = record  # the same trial, tested since
            elif record.test_f1 is None and known.val_f1 == record.val_f1:
                pass  # before it was
            elif (known.val_f1, known.test_f1) != (record.val_f1, record.test_f1):
                # Two machines without locks between them trained it. A sweep goes on; what it cannot know is
                # which of the two is wanted.
                again.append(
                    f"line {lines + 1}: trial {record.key.digest} once more, {told(record)} where"
                    f" {told(known).partition('=')[2]} was read first and counts"
                )
            offset, lines = offset + len(raw) + 1, lines + 1
        if again:
            warnings.warn(f"{shard}, {again[0]} ({len(again)} such lines)", stacklevel=5)
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
        needed = {f.name for f in fields(TrialRecord)} - {"key", "chooser", "held_fixed"}
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
            except OhloraError as error:
                raise OhloraError(f"{self.parquet}, row {i}: not a trial record ({error})") from None
        self._parquet_seen = seen

    def claim(self, digest: str) -> bool:
        """Take a trial for this process; False where it is done or has been taken, also by this process.

        The claim ends with `release`, with the journal's context, or with the process, however that ends.
        Any number can be held at the same time.
        """
        if digest in self._appended or digest in self._gathered or not self.claims.take(digest):
            return False
        free = False
        try:
            self._read_new()
            free = digest not in self._appended and digest not in self._gathered
        finally:
            if not free:
                self.release(digest)
        return free

    def release(self, digest: str) -> None:
        """Give a claim back; once is enough, twice does no harm."""
        self.claims.give_back(digest)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Only one process at a time is in here."""
        self.claims.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.claims.folder / "gather.lock")
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
            drop(lock)


def told(record: TrialRecord) -> str:
    tested = record.test_f1 is not None
    return f"test_f1={record.test_f1:g}" if tested else f"val_f1={record.val_f1:g}"


def is_json(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except ValueError:
        return False
    except RecursionError:  # nested too deep to be read, but no torn line
        return True
    return True
