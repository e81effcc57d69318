"""The journal survives whatever happens to the process that writes it."""

from __future__ import annotations

import json
import subprocess
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
from tests.journal_workers import record

import ohlora.records
from ohlora.datasets import SubsetRecipe
from ohlora.errors import OhloraError
from ohlora.provenance import current_commit
from ohlora.records import Journal, TrialRecord, gather, of_one_game, read_table

REAL = st.floats(0, 1)


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

    def test_a_status_nobody_gave_is_damage(self, tmp_path):
        Journal(tmp_path).append(record(0, status="great"))
        with pytest.raises(OhloraError, match=r"line 1: not a trial record .*status='great'"):
            Journal(tmp_path).records()


class TestClaims:
    def test_a_finished_trial_cannot_be_claimed(self, tmp_path):
        Journal(tmp_path).append(record(1))
        assert Journal(tmp_path).claim(record(1).key.digest) is None

    def test_a_trial_is_claimed_once_also_by_one_process(self, tmp_path):
        journal = Journal(tmp_path)
        lock = journal.claim("a" * 16)
        assert lock is not None
        assert journal.claim("a" * 16) is None
        assert Journal(tmp_path).claim("a" * 16) is None
        journal.release(lock)
        again = journal.claim("a" * 16)
        assert again is not None
        journal.release(lock)  # twice: what is another claim by now stays
        assert Journal(tmp_path).claim("a" * 16) is None
        journal.release(again)

    @pytest.mark.parametrize("end", [None, KeyboardInterrupt, ValueError])
    def test_many_are_held_at_once_and_all_end_with_the_journal(self, end, tmp_path):
        names = [record(i).key.digest for i in range(64)]
        other = Journal(tmp_path)
        with suppress(KeyboardInterrupt, ValueError), Journal(tmp_path) as journal:
            locks = [journal.claim(name) for name in names]
            assert None not in locks
            assert [other.claim(name) for name in names] == [None] * 64
            journal.append(record(0))
            if end:
                raise end
        assert list(journal.claims.iterdir()) == []
        with other:
            assert [name for name in names if not other.claim(name)] == names[:1]

    def test_a_claim_that_meets_damage_is_not_kept(self, tmp_path):
        journal = Journal(tmp_path)
        (tmp_path / "journal").mkdir()
        (tmp_path / "journal" / "a-1-1.jsonl").write_bytes(b"{}\n")
        with pytest.raises(OhloraError, match="line 1"):
            journal.claim("a" * 16)
        assert list(journal.claims.iterdir()) == []


class TestTable:
    def test_gather_is_idempotent_and_readable_alone(self, tmp_path):
        journal = Journal(tmp_path)
        for i in (2, 0, 1):
            journal.append(record(i))
        first, written = gather(tmp_path).read_bytes(), (tmp_path / "trials.parquet").stat()
        assert gather(tmp_path).read_bytes() == first
        assert (tmp_path / "trials.parquet").stat() == written, "others would read it again for nothing"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["claims", "journal", "trials.parquet"]
        assert list((tmp_path / "claims").iterdir()) == []
        table = read_table([tmp_path])
        assert len(table) == 3
        assert read_table([tmp_path / "trials.parquet"]).equals(table)
        assert read_table([tmp_path, tmp_path / "trials.parquet", tmp_path]).equals(table)
        for shard in (tmp_path / "journal").iterdir():
            shard.unlink()
        assert read_table([tmp_path]).equals(table)

    def test_gathering_before_the_first_trial_writes_nothing(self, tmp_path):
        """As a sweep does whose trials are all in the hands of other processes."""
        assert not gather(tmp_path).exists()

    def test_a_table_handed_on_without_its_journal_is_part_of_the_folder(self, tmp_path):
        """Its trials are done, its rows stay, and so do its columns."""
        rows = pd.DataFrame([record(i).row() for i in range(3)]).assign(**{"feature.size": [5.0, 6.0, 7.0]})
        rows.to_parquet(tmp_path / "trials.parquet", index=False)
        journal = Journal(tmp_path)
        assert journal.records() == {record(i).key.digest: record(i) for i in range(3)}
        assert [journal.claim(record(i).key.digest) for i in range(3)] == [None] * 3
        for i in (1, 8, 9):  # one of them again: another machine's journal was copied here
            journal.append(record(i))
        assert len(journal.records()) == len(Journal(tmp_path).records()) == 5
        before = read_table([tmp_path])
        gather(tmp_path)
        assert read_table([tmp_path]).equals(before)
        assert sorted(before.trial_seed) == [0, 1, 2, 8, 9]
        features = before.set_index("trial_seed")["feature.size"]
        assert features[[0, 1, 2]].tolist() == [5, 6, 7]
        assert features[[8, 9]].isna().all()
        for shard in journal.folder.iterdir():
            shard.unlink()
        assert read_table([tmp_path]).equals(before)
        assert Journal(tmp_path).records() == journal.records()

    def test_records_of_other_hyperparameters_keep_theirs(self, tmp_path):
        """A whole number stays one, though other rows of the column are empty: the key depends on it."""
        journal = Journal(tmp_path)
        other = replace(record(1), key=replace(record(1).key, params={"n": 3, "batch": 32, "word": "b"}))
        for one in (record(0), other):
            journal.append(one)
            gather(tmp_path)
        for shard in journal.folder.iterdir():
            shard.unlink()
        alone = Journal(tmp_path).records()
        assert alone == journal.records()
        assert all(one.key.digest == digest for digest, one in alone.items())

    def test_the_parquet_is_read_again_only_when_it_changed(self, tmp_path, monkeypatch):
        pd.DataFrame([record(0).row()]).to_parquet(tmp_path / "trials.parquet")
        journal, read = Journal(tmp_path), []
        real = ohlora.records.read_parquet
        monkeypatch.setattr(ohlora.records, "read_parquet", lambda path: read.append(path) or real(path))
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

    def test_columns_of_different_kinds_do_not_go_together(self, tmp_path):
        for name, seed in (("a", 1), ("b", "one")):
            pd.DataFrame([{**record(1).row(), "trial": name, "seed": seed}]).to_parquet(tmp_path / name)
        with pytest.raises(OhloraError, match=r"these tables do not go together: .*seed"):
            read_table([tmp_path / "a", tmp_path / "b"])

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


class TestOneGame:
    """Rows of two protocols, or of one family drawn in two ways, never stand in one table."""

    @pytest.fixture
    def frame(self) -> pd.DataFrame:
        rows = [record(i).row() for i in range(6)]
        rows[1] |= {"protocol": "old"}
        rows[2] |= {"subset_fingerprint": "older"}
        rows[3] |= {"family": "foreign", "subset_fingerprint": "theirs"}
        return pd.DataFrame(rows)

    def test_what_does_not_belong_is_left_out_and_counted(self, frame):
        with pytest.warns(UserWarning, match="left out") as caught:
            kept = of_one_game(frame, "p" * 8, {"varied": "f" * 8, "classic": "c"})
        assert kept.trial_seed.tolist() == [0, 3, 4, 5]
        assert [str(one.message) for one in caught] == [
            "left out of the table: 1 trials of protocol old, not pppppppp;"
            " 1 trials of varied subsets drawn by older, not ffffffff"
        ]

    def test_what_belongs_passes_without_a_word(self, frame):
        pure = frame.drop(index=[1, 2]).reset_index(drop=True)
        assert of_one_game(pure, "p" * 8, {"varied": "f" * 8}).equals(pure)
        told = pure.drop(columns=["protocol", "subset_fingerprint"])
        assert of_one_game(told, "any", {"varied": "any"}).equals(told)

    def test_nothing_left_is_a_fault(self, frame):
        with pytest.raises(
            OhloraError, match=r"only 5 trials of protocol pppppppp, not new; 1 .* give the size="
        ):
            of_one_game(frame, "new", {})


def test_the_commit_is_gits(tmp_path):
    here = Path(__file__).resolve().parents[1]
    head = subprocess.run(
        ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if head.returncode:
        assert current_commit() == "unknown"
    else:
        assert current_commit().removesuffix("+") == head.stdout[:12]
