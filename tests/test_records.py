"""The journal survives whatever happens to the process that writes it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohlora.datasets import SubsetRecipe
from ohlora.errors import OhloraError
from ohlora.records import Journal, TrialKey, TrialRecord, current_commit, gather, read_table

REAL = st.floats(0, 1)


def record(i: int = 0, **changes) -> TrialRecord:
    key = TrialKey(
        SubsetRecipe("digits", "varied", i % 7), "f" * 8, "p" * 8, {"x": i / 7, "kind": "a", "n": i}, i
    )
    made = TrialRecord(
        key=key,
        status="complete",
        val_f1=0.5,
        test_f1=0.4,
        val_loss=1.25,
        steps=10,
        epochs=2.5,
        n_train=100,
        n_classes=3,
        elapsed_s=0.1,
        driver="lean",
        device="cpu",
        precision="32",
        space="s" * 8,
        commit="c",
        finished_at=1.0,
    )
    return replace(made, **changes)


class TestRecord:
    @given(i=st.integers(0, 10**6), val_f1=REAL, status=st.sampled_from(["complete", "diverged"]))
    def test_a_row_leads_back(self, i, val_f1, status):
        one = record(i, val_f1=val_f1, status=status)
        assert TrialRecord.from_row(one.row()) == one

    def test_a_row_leads_back_through_parquet(self, tmp_path):
        file = tmp_path / "t.parquet"
        pd.DataFrame([record(i).row() for i in range(3)]).to_parquet(file)
        rows = pd.read_parquet(file).to_dict("records")
        assert [TrialRecord.from_row(row) for row in rows] == [record(i) for i in range(3)]

    def test_the_key_is_every_setting_and_nothing_else(self):
        one = record().key
        others = [
            replace(one, subset=SubsetRecipe("mnist", "varied", 0)),
            replace(one, subset_fingerprint="g"),
            replace(one, protocol="q"),
            replace(one, params={**one.params, "x": 0.1}),
            replace(one, seed=5),
        ]
        assert len({key.digest for key in [one, *others]}) == 6
        assert record(val_f1=0.9, device="gpu", commit="d").key.digest == one.digest
        assert replace(one, params=dict(reversed(one.params.items()))).digest == one.digest


class TestJournal:
    def test_what_is_appended_is_read_by_others(self, tmp_path):
        mine, other = Journal(tmp_path), Journal(tmp_path)
        assert other.records() == {}
        for i in range(3):
            mine.append(record(i))
            assert len(other.records()) == i + 1
        assert list(other.records().values()) == [record(i) for i in range(3)]
        assert mine.records() == other.records() == Journal(tmp_path).records()

    def test_a_torn_last_line_is_dropped_with_a_word_and_the_rest_kept(self, tmp_path):
        journal = Journal(tmp_path)
        for i in range(3):
            journal.append(record(i))
        shard = next(journal.folder.iterdir())
        whole = shard.read_bytes()
        for cut in (1, 2, 100, len(whole.splitlines()[-1])):
            shard.write_bytes(whole[:-cut])
            with pytest.warns(UserWarning, match=r"jsonl: the last line is torn and was dropped"):
                assert len(Journal(tmp_path).records()) == 2
        shard.write_bytes(whole[: whole.index(b"\n") + 1])
        assert len(Journal(tmp_path).records()) == 1

    def test_a_line_still_being_written_is_read_when_it_is_whole(self, tmp_path):
        Journal(tmp_path).append(record(0))
        shard = next((tmp_path / "journal").iterdir())
        line = shard.read_bytes()
        shard.write_bytes(line + line[:50])
        reader = Journal(tmp_path)
        with pytest.warns(UserWarning, match="torn"):
            assert len(reader.records()) == 1
        other = json.loads(line)
        other["key"]["seed"] = 99
        shard.write_bytes(line + json.dumps(other).encode() + b"\n")
        assert len(reader.records()) == 2

    @pytest.mark.parametrize(
        "damage",
        [
            b"not json",
            b"[]",
            b"{}",
            b"null",
            b"\xff\xfe",
            b'{"key": 3}',
            json.dumps({"key": {"subset": {}}}).encode(),
        ],
    )
    def test_damage_in_the_middle_is_named_by_file_and_line(self, tmp_path, damage):
        journal = Journal(tmp_path)
        for i in range(3):
            journal.append(record(i))
        shard = next(journal.folder.iterdir())
        lines = shard.read_bytes().splitlines()
        lines[1] = damage
        shard.write_bytes(b"\n".join(lines) + b"\n")
        with pytest.raises(OhloraError, match=rf"{shard.name}, line 2: not a trial record"):
            Journal(tmp_path).records()

    def test_a_status_nobody_gave_is_damage(self, tmp_path):
        Journal(tmp_path).append(record(0, status="great"))
        with pytest.raises(OhloraError, match=r"line 1: not a trial record .*status='great'"):
            Journal(tmp_path).records()


# Starting Python and torch anew for every kill would take minutes: one process imports them and forks.
CREW = """
import json, os, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_records import record
from ohlora.records import Journal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children vanish when they end
for order in sys.stdin:
    what, folder, word = json.loads(order)
    if pid := os.fork():
        print(pid, flush=True)
        continue
    told = os.open(Path(folder) / "told", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    journal = Journal(Path(folder))
    if what == "hold":
        lock = journal.claim(word)
        os.write(told, b"got" if lock else b"refused")
        time.sleep(60)
        os._exit(0)
    for i in range(word, word + 10**6):
        journal.append(record(i))
        os.write(told, f"{i}\\n".encode())
"""


class Crew:
    """Processes that write to a journal or hold a claim until they are killed."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", CREW, str(Path(__file__).parent)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start(self, what: str, folder: Path, word: object) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([what, str(folder), word]) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not alive(pid))

    def end(self) -> None:
        self.process.communicate()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(true: Callable[[], bool], patience_s: float = 60) -> None:
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    if not hasattr(os, "fork"):
        pytest.skip("fork and kill -9 are POSIX")
    crew = Crew()
    yield crew
    crew.end()


@pytest.mark.filterwarnings("ignore:.*the last line is torn")  # that is what a kill may leave
def test_kill_9_at_any_moment_loses_and_doubles_nothing(tmp_path, crew):
    rng = random.Random(0)
    told = tmp_path / "told"
    first = 0
    for _ in range(20):
        told.unlink(missing_ok=True)
        writer = crew.start("write", tmp_path, first)
        wait_for(lambda: told.is_file() and told.stat().st_size > 0)
        time.sleep(rng.uniform(0, 0.05))
        crew.kill(writer)
        committed = [int(line) for line in told.read_text().splitlines(keepends=True) if line.endswith("\n")]
        seen = sorted(r.key.seed for r in Journal(tmp_path).records().values())
        assert seen == list(range(len(seen))), "a committed record is lost"
        assert committed[-1] <= seen[-1] <= committed[-1] + 1, "only the record in flight may be untold"
        first = seen[-1] + 1
    shards = list((tmp_path / "journal").iterdir())
    assert len(shards) == 20
    assert sum(len(shard.read_bytes().splitlines()) for shard in shards) >= first
    assert sorted(read_table([tmp_path]).trial_seed) == list(range(first))


class TestClaims:
    def test_exclude_other_processes_and_end_with_theirs(self, tmp_path, crew):
        one = record(1)
        holder = crew.start("hold", tmp_path, one.key.digest)
        wait_for(lambda: (tmp_path / "told").is_file() and (tmp_path / "told").read_text() == "got")
        journal = Journal(tmp_path)
        assert journal.claim(one.key.digest) is None
        free = journal.claim(record(2).key.digest)
        assert free is not None
        journal.release(free)
        crew.kill(holder)
        lock = journal.claim(one.key.digest)
        assert lock is not None, "a claim must end with its process, however it ends"
        journal.append(one)
        journal.release(lock)
        assert list(journal.claims.iterdir()) == []

    def test_a_finished_trial_cannot_be_claimed(self, tmp_path):
        Journal(tmp_path).append(record(1))
        assert Journal(tmp_path).claim(record(1).key.digest) is None


class TestTable:
    def test_gather_is_idempotent_and_readable_alone(self, tmp_path):
        journal = Journal(tmp_path)
        for i in (2, 0, 1):
            journal.append(record(i))
        first = gather(tmp_path).read_bytes()
        assert gather(tmp_path).read_bytes() == first
        assert sorted(p.name for p in tmp_path.iterdir()) == ["journal", "trials.parquet"]
        table = read_table([tmp_path])
        assert len(table) == 3
        assert read_table([tmp_path / "trials.parquet"]).equals(table)
        assert read_table([tmp_path, tmp_path / "trials.parquet", tmp_path]).equals(table)
        for shard in (tmp_path / "journal").iterdir():
            shard.unlink()
        assert read_table([tmp_path]).equals(table)

    def test_columns_are_flat_and_named_as_in_the_config(self, tmp_path):
        Journal(tmp_path).append(record(3))
        row = read_table([tmp_path]).iloc[0]
        assert (row["dataset"], row["seed"], row["trial_seed"], row["params.kind"]) == ("digits", 3, 3, "a")

    def test_every_bad_source_is_named_at_once(self, tmp_path):
        (tmp_path / "empty").mkdir()
        (tmp_path / "text.parquet").write_text("not parquet")
        pd.DataFrame([record(0).row()]).to_parquet(tmp_path / "whole.parquet")
        (tmp_path / "torn.parquet").write_bytes((tmp_path / "whole.parquet").read_bytes()[:300])
        pd.DataFrame({"a": [1], "val_f1": [0.5]}).to_parquet(tmp_path / "foreign.parquet")
        names = ("empty", "text.parquet", "torn.parquet", "foreign.parquet", "nowhere", "whole.parquet")
        with pytest.raises(OhloraError) as caught:
            read_table([tmp_path / name for name in names])
        faults = str(caught.value)
        for words in (
            "empty holds no trials yet",
            "text.parquet is not a Parquet table",
            "torn.parquet is not a Parquet table",
            "foreign.parquet is not a table of trials: it lacks dataset, family, seed, test_f1, trial",
            "nowhere is not there",
        ):
            assert words in faults
        assert "whole" not in faults


def test_the_commit_is_gits(tmp_path):
    here = Path(__file__).resolve().parents[1]
    head = subprocess.run(
        ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if head.returncode:
        assert current_commit() == "unknown"
    else:
        assert current_commit().removesuffix("+") == head.stdout[:12]
