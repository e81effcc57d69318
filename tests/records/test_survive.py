"""Nothing committed is lost or doubled: kills, power cuts, full disks, many processes at once."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.limits import no_file_beyond
from tests.records import journal_workers
from tests.records.journal_workers import record

from ohlora.door import one_line_errors
from ohlora.errors import OhloraError
from ohlora.records.journal import Journal
from ohlora.records.table import gather, read_table

ROOT = Path(__file__).resolve().parents[2]
TORN = pytest.mark.filterwarnings("ignore:.*the last line is torn")  # that is what a kill may leave


class Worker:
    """A process that does something to a journal, and what it has told so far."""

    def __init__(self, context: Any, what: Callable[..., None], *arguments: object) -> None:
        self.told: list[str] = []
        self.reader, writer = context.Pipe(duplex=False)
        self.process = context.Process(target=what, args=(*arguments, writer), daemon=True)
        self.process.start()
        writer.close()

    def hear(self, patience_s: float = 0) -> list[str]:
        """All it has told; waits for the next word for up to `patience_s`."""
        try:
            while self.reader.poll(patience_s):
                self.told.append(self.reader.recv_bytes().decode())
                patience_s = 0
        except EOFError:
            pass
        return self.told

    def trials(self) -> list[int]:
        """The trials it has told of."""
        return [int(word) for word in self.told if word.isdigit()]

    def kill(self) -> None:
        """kill -9; on Windows TerminateProcess."""
        self.process.kill()
        self.process.join()
        self.hear()

    def end(self) -> list[str]:
        while self.process.is_alive():
            self.hear(0.05)
        self.process.join()
        assert self.process.exitcode == 0
        return self.hear()


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., Worker]]:
    """`start(journal_workers.hold, folder, digest)`: in a process of its own, ended with the test at last."""
    # Importing torch anew for every kill would take minutes: a fork server imports once. Not on Windows.
    context: Any = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")
    if os.name != "nt":
        context.set_forkserver_preload(["ohlora.records.table"])
    workers: list[Worker] = []

    def build(what: Callable[..., None], *arguments: object) -> Worker:
        workers.append(Worker(context, what, *arguments))
        return workers[-1]

    yield build
    for worker in workers:
        worker.process.kill()
        worker.process.join()


def lines_by_process(folder: Path) -> dict[int, list[int]]:
    """The trials in the shards' whole lines, by the process that wrote them."""
    found: dict[int, list[int]] = {}
    for shard in (folder / "journal").iterdir():
        whole = shard.read_bytes().rpartition(b"\n")[0].split(b"\n")
        trials = [json.loads(line)["key"]["seed"] for line in whole if line]
        found.setdefault(int(shard.stem.split("-")[-2]), []).extend(trials)
    return found


def hand_on(folder: Path, trials: range) -> None:
    """A table without its journal, with features, as one that was shipped."""
    rows = [{**record(i).row(), "feature.size": float(i)} for i in trials]
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "trials.parquet")


@TORN
@pytest.mark.skipif(os.name == "nt", reason="starting a process takes seconds there")
@pytest.mark.parametrize("seed", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in range(1, 8))])
def test_random_kills_lose_and_double_nothing(seed, tmp_path, start):
    """Three sweeps and a gatherer on one table, one of them killed at a time."""
    kills = 20 if seed else 10  # on one table: a new worker reads it all, so a larger one takes longer
    rng = random.Random(seed)
    shipped = range(10**6, 10**6 + 5)
    hand_on(tmp_path, shipped)
    table = Journal(tmp_path)
    crew: list[Worker] = []
    sweepers: list[Worker] = []
    first = 0  # all trials below are done: spares each new worker the walk over them

    def hire() -> Worker:
        if sum(one in sweepers for one in crew) == 3:
            return start(journal_workers.gather_on, tmp_path, 10**6)
        plan = [*shipped, *range(first, first + 3000)]
        sweepers.append(start(journal_workers.sweep, tmp_path, plan, rng.randint(1, 4)))
        return sweepers[-1]

    for _ in range(kills):
        while len(crew) < 4:
            crew.append(hire())
        victim = crew.pop(rng.randrange(4))
        victim.hear(patience_s=60)
        time.sleep(rng.uniform(0, 0.03))
        victim.kill()
        seen = {one.key.seed for one in table.records().values()}
        told = {i for worker in sweepers for i in worker.trials()}
        assert told <= seen, "a committed trial is lost"
        while first in seen:
            first += 1
    for worker in crew:
        worker.kill()

    told = [i for worker in sweepers for i in worker.trials()]
    written = lines_by_process(tmp_path)
    trials = [i for process in written.values() for i in process]
    assert len(told) > 2 * kills
    assert len(set(told)) == len(told), "two sweeps trained one trial"
    assert len(set(trials)) == len(trials), "a trial is in the journal twice"
    assert set(told) <= set(trials)
    assert not set(shipped) & set(trials), "what was handed on is done"
    by_process = Counter(worker.process.pid for worker in sweepers)
    for pid, lines in written.items():
        untold = len(lines) - sum(len(w.trials()) for w in sweepers if w.process.pid == pid)
        assert 0 <= untold <= by_process[pid], "only a record in flight may be untold"
    gather(tmp_path)
    for sources in ([tmp_path], [tmp_path / "trials.parquet"]):
        frame = read_table(sources)
        assert sorted(frame.trial_seed) == sorted([*trials, *shipped])
        assert frame["feature.size"].dropna().tolist() == [
            float(i) for i in frame.trial_seed if i in set(shipped)
        ]


def test_two_gatherers_and_two_sweeps_at_once_lose_no_row(tmp_path, start):
    hand_on(tmp_path, range(100, 110))
    gatherers = [start(journal_workers.gather_on, tmp_path, 15) for _ in range(2)]
    sweeps = [start(journal_workers.sweep, tmp_path, range(120), 8) for _ in range(2)]
    told = [worker.end() for worker in sweeps]
    assert [worker.end() for worker in gatherers] == [["gathered"] * 15] * 2
    assert [one[-1] for one in told] == ["end", "end"]
    trained = [i for worker in sweeps for i in worker.trials()]
    assert sorted(trained) == [*range(100), *range(110, 120)]
    gather(tmp_path)
    shutil.rmtree(tmp_path / "journal")
    assert sorted(read_table([tmp_path]).trial_seed) == list(range(120))
    assert not list(tmp_path.glob("*.part"))


class TestClaims:
    def test_exclude_other_processes_and_end_with_theirs(self, tmp_path, start):
        one = record(1)
        holder = start(journal_workers.hold, tmp_path, one.key.digest)
        assert holder.hear(60) == ["got"]
        journal = Journal(tmp_path)
        assert not journal.claim(one.key.digest)
        assert journal.claim(record(2).key.digest)
        journal.release(record(2).key.digest)
        holder.kill()
        assert journal.claim(one.key.digest), "a claim must end with its process, however it ends"
        journal.append(one)
        journal.release(one.key.digest)
        assert [path.name for path in journal.claims.folder.iterdir()] == ["claiming.lock"]

    @pytest.mark.slow
    def test_one_holder_at_a_time_also_while_it_changes(self, tmp_path, start):
        """A claim given back without a record, over and over, from hand to hand."""
        workers = [start(journal_workers.take_turns, tmp_path, "a" * 16, 300) for _ in range(3)]
        assert [worker.end() for worker in workers] == [["end"]] * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork, no forked journal")
def test_a_forked_process_writes_a_shard_of_its_own(tmp_path, start):
    assert start(journal_workers.fork, tmp_path).end() == ["end"]
    assert sorted(lines_by_process(tmp_path).values()) == [[0, 2], [1]]
    assert len(Journal(tmp_path).records()) == 3


class Disk:
    """What a power cut leaves: only what fsync was asked to keep, as seen by watching it being asked."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.lengths: dict[int, int] = {}  # inode -> bytes of the file that are safe
        self.lists: dict[int, set[str]] = {}  # inode -> names in the folder that are safe
        fsync = os.fsync

        def watched(descriptor: int) -> None:
            fsync(descriptor)
            found = os.fstat(descriptor)
            if stat.S_ISDIR(found.st_mode):
                self.lists[found.st_ino] = set(os.listdir(descriptor))
            else:
                self.lengths[found.st_ino] = found.st_size

        patch.setattr(os, "fsync", watched)

    def cut(self, folder: Path, spoil: Callable[[bytes], bytes]) -> None:
        """The power goes: `spoil` says what becomes of bytes that were written and not yet synced."""
        for path in list(folder.iterdir()):
            if os.name != "nt" and path.name not in self.lists.get(folder.stat().st_ino, set()):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            elif path.is_dir():
                self.cut(path, spoil)
            elif path.suffix == ".jsonl":
                data = path.read_bytes()
                safe = self.lengths.get(path.stat().st_ino, 0)
                path.write_bytes(data[:safe] + spoil(data[safe:]))


@TORN
@settings(max_examples=20)  # a hundred syncs to the real disk take seconds
@given(
    writers=st.lists(st.integers(0, 2), min_size=1, max_size=8),
    in_flight=st.floats(0, 1),
    kept=st.floats(0, 1),
    zeros=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_power_cut_takes_nothing_that_was_committed(writers, in_flight, kept, zeros):
    """Any part of the line in flight may be on disk, and any block of it may be zeros instead."""
    with TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
        disk, folder = Disk(patch), Path(root) / "outputs" / "table"
        journals = [Journal(folder) for _ in range(3)]
        for i, writer in enumerate(writers):
            journals[writer].append(record(i))
        shards = list((folder / "journal").iterdir())
        line = (json.dumps(asdict(record(99)), separators=(",", ":"), sort_keys=True) + "\n").encode()
        for shard in [*shards, folder / "journal" / "new-1-1.jsonl"]:
            with shard.open("ab") as file:
                file.write(line[: round(in_flight * len(line))])

        def spoil(data: bytes) -> bytes:
            data = data[: round(kept * len(data))]
            low, high = sorted(round(z * len(data)) for z in zeros)
            return data[:low] + bytes(high - low) + data[high:]

        disk.cut(Path(root), spoil)
        committed = {record(i).key.digest: record(i) for i in range(len(writers))}
        after = Journal(folder)
        found = after.records()
        whole = spoil(line[: round(in_flight * len(line))]) == line
        assert {k: v for k, v in found.items() if k in committed} == committed
        assert set(found) <= {*committed, record(99).key.digest} if whole else found == committed
        after.append(record(50))
        assert len(Journal(folder).records()) == len(found) + 1
        gather(folder)
        assert len(read_table([folder])) == len(found) + 1


@pytest.mark.skipif(os.name == "nt", reason="no limit on file sizes to play a full disk with")
class TestFullDisk:
    @pytest.mark.parametrize("room", [0, 1, 100, 300])
    @pytest.mark.parametrize("before", [0, 2])
    def test_in_the_middle_of_a_line(self, room, before, tmp_path, capsys):
        journal = Journal(tmp_path)
        for i in range(before):
            journal.append(record(i))
        size = sum(shard.stat().st_size for shard in journal.folder.glob("*"))
        with no_file_beyond(size + room), pytest.raises(OhloraError) as caught:
            journal.append(record(10))
        with pytest.raises(SystemExit) as left, one_line_errors():
            raise caught.value
        assert left.value.code == 2
        (told,) = capsys.readouterr().err.splitlines()
        assert told.startswith(f"ohlora: cannot write to {tmp_path}")
        assert "all before it are safe" in told
        assert sum(shard.stat().st_size for shard in journal.folder.iterdir()) == size, "a torn part is left"
        journal.append(record(11))  # the same process goes on once there is room
        journal.append(record(12))
        seeds = sorted(one.key.seed for one in Journal(tmp_path).records().values())
        assert seeds == [*range(before), 11, 12]
        assert journal.records() == Journal(tmp_path).records()

    def test_a_torn_part_that_could_not_be_cut_off_spoils_nothing(self, tmp_path):
        """The disk was so broken that the file could not be cut back: what follows is in another shard."""
        journal = Journal(tmp_path)
        journal.append(record(0))
        (shard,) = journal.folder.iterdir()
        whole = shard.read_bytes()
        with no_file_beyond(len(whole) + 50), pytest.raises(OhloraError):
            journal.append(record(1))
        shard.write_bytes(whole + b'{"half of a')
        journal.append(record(2))
        with pytest.warns(UserWarning, match=r"torn and was dropped \(line 2, 11 bytes\)"):
            assert [one.key.seed for one in Journal(tmp_path).records().values()] == [0, 2]

    def test_gathering_leaves_the_old_file(self, tmp_path):
        hand_on(tmp_path, range(3))
        before = (tmp_path / "trials.parquet").read_bytes()
        Journal(tmp_path).append(record(7))
        with no_file_beyond(500), pytest.raises(OhloraError, match=r"cannot write .*trials\.parquet: File"):
            gather(tmp_path)
        assert (tmp_path / "trials.parquet").read_bytes() == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["claims", "journal", "trials.parquet"]
        assert len(read_table([tmp_path])) == 4

    @pytest.mark.slow
    def test_a_sweep_on_a_disk_that_is_really_full(self, tmp_path):
        """Three pages of tmpfs, mounted where nobody else sees them."""
        shell = """
            set -e; mount -t tmpfs -o size=12k tmpfs table
            set +e; "$@" 2> first.txt > /dev/null; echo $? > first.rc; set -e
            cat table/journal/* > first.jsonl
            mount -o remount,size=1m table
            "$@" > second.txt; cat table/journal/* > second.jsonl
        """
        (tmp_path / "table").mkdir()
        unshare = ["unshare", "--user", "--map-root-user", "--mount"]
        if (
            not shutil.which("unshare")
            or subprocess.run(
                [*unshare, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path / "table")], capture_output=True
            ).returncode
        ):
            pytest.skip("no mounts for this user")
        sweep = [sys.executable, str(ROOT / "train.py"), "dataset=digits", "size=smoke", "trials=20"]
        done = subprocess.run(
            [*unshare, "sh", "-c", shell, "sh", *sweep, "trials_per_subset=5", "paths.table=table"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "first.rc").read_text() == "2\n"
        told = (tmp_path / "first.txt").read_text()
        assert "No space left on device" in told.splitlines()[-1]
        assert "Traceback" not in told
        first, second = ((tmp_path / f"{n}.jsonl").read_text().splitlines() for n in ("first", "second"))
        assert 5 < len(first) < 20
        assert set(first) < set(second)
        assert len({json.loads(line)["key"]["seed"] for line in second}) == len(second) == 20
        assert f"20 trials, {20 - len(first)} of them new" in (tmp_path / "second.txt").read_text()
