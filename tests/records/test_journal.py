"""The journal survives whatever happens to the process that writes it."""

from __future__ import annotations

import json
import os
import warnings
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.limits import no_file_beyond, open_files
from tests.records.journal_workers import record

from ohlora.errors import OhloraError
from ohlora.records import journal as journals
from ohlora.records.journal import Journal


class TestJournal:
    def test_what_is_appended_is_read_by_others(self, tmp_path):
        mine, other = Journal(tmp_path), Journal(tmp_path)
        assert other.records() == {}
        for i in range(3):
            mine.append(record(i))
            assert len(other.records()) == i + 1
        assert list(other.records().values()) == [record(i) for i in range(3)]
        assert mine.records() == other.records() == Journal(tmp_path).records()

    def test_a_trial_that_was_tested_since_counts_as_tested(self, tmp_path):
        """Such as a league's choice whose training a trial was: `known` may come before or after."""
        tested = record(0)
        for order in ((None, tested.test_f1), (tested.test_f1, None)):
            folder = tmp_path / str(order)
            for i, test_f1 in enumerate(order):
                shard = folder / "journal" / f"host-{i}-1.jsonl"
                shard.parent.mkdir(parents=True, exist_ok=True)
                shard.write_text(json.dumps(asdict(replace(tested, test_f1=test_f1))) + "\n")
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert list(Journal(folder).records().values()) == [tested]

    def test_a_torn_last_line_is_dropped_with_a_word_and_the_rest_kept(self, tmp_path):
        journal = Journal(tmp_path)
        for i in range(3):
            journal.append(record(i))
        shard = next(journal.folder.iterdir())
        whole = shard.read_bytes()
        for cut in (1, 2, 100, len(whole.splitlines()[-1])):
            shard.write_bytes(whole[:-cut])
            reader = Journal(tmp_path)
            with pytest.warns(UserWarning, match=r"jsonl: the last line is torn and was dropped \(line 3, "):
                assert len(reader.records()) == 2
            assert len(reader.records()) == 2  # said once, not at every claim
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

    def test_the_line_is_exact_also_when_the_shard_was_read_before(self, tmp_path):
        journal, reader = Journal(tmp_path), Journal(tmp_path)
        journal.append(record(0))
        journal.append(record(1))
        assert len(reader.records()) == 2
        shard = next(journal.folder.iterdir())
        journal.append(record(2))
        with shard.open("ab") as file:
            file.write(b"da\rma\x0bge\n")  # what some readers take for the end of a line
        journal.append(record(3))
        for _ in range(2):
            with pytest.raises(OhloraError, match=rf"{shard.name}, line 4: not a trial record"):
                reader.records()

    @given(data=st.data())
    def test_whatever_the_moments_of_reading_every_record_is_read_once(self, data):
        """A reader between the bytes of a writer: lines come when they are whole, none twice."""
        lines = [json.dumps(asdict(record(i))).encode() + b"\n" for i in range(4)]
        text = b"".join(lines)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
        with TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shard = Path(folder) / "journal" / "other-1-1.jsonl"
            shard.parent.mkdir()
            reader = Journal(Path(folder))
            for low, high in pairwise([0, *cuts, len(text)]):
                with shard.open("ab") as file:
                    file.write(text[low:high])
                whole = text[:high].count(b"\n")
                assert list(reader.records().values()) == [record(i) for i in range(whole)]

    @pytest.mark.parametrize(
        ("place", "value", "told"),
        [
            ("status", "great", "status=great is not one of complete | diverged"),
            ("val_f1", "word", "val_f1=word is not a number from 0 to 1"),
            ("val_f1", [0.5], "val_f1=[0.5] is not a number"),
            ("val_f1", float("nan"), "val_f1=nan is not a number"),
            ("val_f1", None, "val_f1=null is not a number"),
            ("val_f1", True, "val_f1=true is not a number"),
            ("test_f1", 7.0, "test_f1=7.0 is not a number"),
            ("steps", 1.5, "steps=1.5 is not a whole number"),
            ("key.seed", 2**70, "key.seed=1180591620717411303424 is not a whole number from 0 to 9223372036"),
            ("key.subset.seed", -1, "key.subset.seed=-1 is not a whole number"),
            ("key.subset.family", ["a"], "key.subset.family=[a] is not text"),
            ("key.subset.family", "\ud800", "Invalid JSON"),
            ("key.subset", 3, "key.subset=3 is not a SubsetRecipe"),
            ("key.params", None, "key.params=null is not a table of names and values"),
            ("key.params.x", [1], "key.params.x=[1] is not a whole number"),
            ("key.params.x", float("inf"), "key.params.x=inf is not"),
            ("colour", "red", "colour is not a field of a record"),
            ("device", "\x1b[31m", None),
        ],
    )
    def test_what_no_trial_leaves_is_damage_named_by_line_and_field(self, place, value, told, tmp_path):
        Journal(tmp_path).append(record(0))
        (shard,) = (tmp_path / "journal").iterdir()
        line = shard.read_text()
        data = json.loads(line)
        *folders, name = place.split(".")
        inner = data
        for folder in folders:
            inner = inner[folder]
        inner[name] = value
        shard.write_text(f"{line}{json.dumps(data)}\n{line}")
        if told is None:
            assert len(Journal(tmp_path).records()) == 1
            return
        with pytest.raises(OhloraError) as caught:
            Journal(tmp_path).records()
        assert f"{shard.name}, line 2: not a trial record ({told}" in str(caught.value)

    @pytest.mark.parametrize("raw", [b"[" * 10**5, b'{"key":' * 10**4, b"1" * 10**5])
    def test_what_no_parser_gets_through_is_damage_too(self, raw, tmp_path):
        Journal(tmp_path).append(record(0))
        (shard,) = (tmp_path / "journal").iterdir()
        shard.write_bytes(raw + b"\n" + shard.read_bytes())
        with pytest.raises(OhloraError, match="line 1: not a trial record"):
            Journal(tmp_path).records()

    def test_a_record_that_no_table_could_hold_is_never_appended(self, tmp_path):
        for changes in ({"val_f1": float("nan")}, {"test_f1": 7.0}, {"steps": 2**70}, {"device": ["cpu"]}):
            with pytest.raises(OhloraError, match=next(iter(changes))):
                Journal(tmp_path).append(record(0, **changes))
        assert Journal(tmp_path).records() == {}

    def test_one_trial_with_two_scores_is_said(self, tmp_path):
        """Two machines without locks between them; within a machine claims keep it from happening."""
        for score in (0.4, 0.9):
            Journal(tmp_path).append(record(0, test_f1=score))
        with pytest.warns(
            UserWarning, match=r"line 1: trial \w+ once more, test_f1=0\.9 where 0\.4 was read"
        ):
            assert [one.test_f1 for one in Journal(tmp_path).records().values()] == [0.4]

    def test_the_parquet_is_read_again_only_when_it_changed(self, tmp_path, monkeypatch):
        pd.DataFrame([record(0).row()]).to_parquet(tmp_path / "trials.parquet")
        journal, read = Journal(tmp_path), []
        real = journals.read_parquet
        monkeypatch.setattr(journals, "read_parquet", lambda path: read.append(path) or real(path))
        for i in range(1, 5):
            assert len(journal.records()) == i
            journal.append(record(i))
        assert len(read) == 1
        pd.DataFrame([record(i).row() for i in (0, 7)]).to_parquet(tmp_path / "trials.parquet")
        assert len(journal.records()) == 6
        assert len(read) == 2

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (
                lambda path: path.write_bytes(path.read_bytes()[:200]),
                r"trials\.parquet is not a Parquet table",
            ),
            (
                lambda path: pd.read_parquet(path).drop(columns=["protocol", "steps"]).to_parquet(path),
                r"trials\.parquet is not the table of a sweep: it lacks protocol, steps; .* tables=",
            ),
        ],
    )
    def test_a_sweep_does_not_go_on_in_a_table_it_cannot_read(self, spoil, message, tmp_path):
        pd.DataFrame([record(0).row()]).to_parquet(tmp_path / "trials.parquet")
        spoil(tmp_path / "trials.parquet")
        with pytest.raises(OhloraError, match=message):
            Journal(tmp_path).records()


def highest_descriptor() -> int:
    return max(int(path.name) for path in Path("/dev/fd").iterdir())


def left(journal: Journal) -> list[str]:
    """What of claims is left."""
    return [path.name for path in journal.claims.folder.iterdir() if path.name != "claiming.lock"]


class TestClaims:
    def test_a_finished_trial_cannot_be_claimed(self, tmp_path):
        Journal(tmp_path).append(record(1))
        assert not Journal(tmp_path).claim(record(1).key.digest)

    def test_a_trial_is_claimed_once_also_by_one_process(self, tmp_path):
        journal = Journal(tmp_path)
        assert journal.claim("a" * 16)
        assert not journal.claim("a" * 16)
        other = Journal(tmp_path)
        assert not other.claim("a" * 16)
        journal.release("a" * 16)
        journal.release("a" * 16)  # twice does no harm
        assert other.claim("a" * 16)
        journal.release("a" * 16)  # nor does giving back what is another's
        assert not journal.claim("a" * 16)
        other.release("a" * 16)
        assert journal.claim("a" * 16)

    @pytest.mark.parametrize("end", [None, KeyboardInterrupt, ValueError])
    def test_many_are_held_at_once_and_all_end_with_the_journal(self, end, tmp_path):
        names = [record(i).key.digest for i in range(64)]
        other = Journal(tmp_path)
        with suppress(KeyboardInterrupt, ValueError), Journal(tmp_path) as journal:
            assert all(journal.claim(name) for name in names)
            assert not any(other.claim(name) for name in names)
            journal.append(record(0))
            if end:
                raise end
        assert left(journal) == []
        with other:
            assert [name for name in names if not other.claim(name)] == names[:1]

    @pytest.mark.slow
    @pytest.mark.skipif(os.name == "nt", reason="no such limit there")
    def test_a_window_of_4096_fits_under_any_limit_on_open_files(self, tmp_path):
        names = [f"{i:016x}" for i in range(4096)]
        with open_files(40 + highest_descriptor()), Journal(tmp_path) as journal:
            assert all(journal.claim(name) for name in names)
            assert not Journal(tmp_path).claim(names[0])
            for name in names[:-1]:
                journal.release(name)
            other = Journal(tmp_path)
            assert [name for name in names if other.claim(name)] == names[:-1]

    @pytest.mark.skipif(os.name == "nt", reason="no limit on file sizes to play a full disk with")
    def test_on_a_full_disk_a_claim_is_refused_in_words_and_the_next_one_whole(self, tmp_path):
        journal = Journal(tmp_path)
        assert journal.claim("a" * 16)
        (claims,) = journal.claims.folder.glob("*.claims")
        with no_file_beyond(claims.stat().st_size + 5), pytest.raises(OhloraError, match="File too large"):
            journal.claim("b" * 16)
        assert journal.claim("c" * 16)
        other = Journal(tmp_path)
        assert [other.claim(letter * 16) for letter in "abc"] == [False, True, False]

    def test_a_claim_that_meets_damage_is_not_kept(self, tmp_path):
        journal = Journal(tmp_path)
        (tmp_path / "journal").mkdir()
        (tmp_path / "journal" / "a-1-1.jsonl").write_bytes(b"{}\n")
        with pytest.raises(OhloraError, match="line 1"):
            journal.claim("a" * 16)
        assert left(journal) == []
