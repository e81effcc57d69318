"""A whole sweep read back as one table."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.records.journal_workers import record

from ohlora.errors import OhloraError
from ohlora.records.journal import Journal
from ohlora.records.table import comparable_rows, gather, read_table
from ohlora.seeds import LEAGUE_SEEDS


class TestTable:
    def test_gather_is_idempotent_and_readable_alone(self, tmp_path):
        journal = Journal(tmp_path)
        for i in (2, 0, 1):
            journal.append(record(i))
        first, written = gather(tmp_path).read_bytes(), (tmp_path / "trials.parquet").stat()
        assert gather(tmp_path).read_bytes() == first
        assert (tmp_path / "trials.parquet").stat() == written, "others would read it again for nothing"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["claims", "journal", "trials.parquet"]
        assert not list((tmp_path / "claims").glob("gather*"))
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

    def test_trials_not_scored_on_test_stay_in_the_journal(self, tmp_path):
        """A league's folder can be gathered, and read again."""
        journal = Journal(tmp_path)
        records = [record(0), replace(record(1), test_f1=None)]
        for one in records:
            journal.append(one)
        gather(tmp_path)
        assert read_table([tmp_path]).trial.tolist() == [record(0).key.digest]
        assert Journal(tmp_path).records() == {one.key.digest: one for one in records}

    def test_a_table_handed_on_without_its_journal_is_part_of_the_folder(self, tmp_path):
        """Its trials are done, its rows stay, and so do its columns."""
        rows = pd.DataFrame([record(i).row() for i in range(3)]).assign(**{"feature.size": [5.0, 6.0, 7.0]})
        rows.to_parquet(tmp_path / "trials.parquet", index=False)
        journal = Journal(tmp_path)
        assert journal.records() == {record(i).key.digest: record(i) for i in range(3)}
        assert not any(journal.claim(record(i).key.digest) for i in range(3))
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

    @pytest.mark.parametrize(
        ("column", "values", "told"),
        [
            ("test_f1", [0.5, -1.0, 1.5], "row 1: test_f1=-1.0 is not a number from 0 to 1"),
            ("test_f1", [0.5, 0.5, 1e300], "row 2: test_f1=1e+300 is not a number from 0 to 1"),
            ("val_f1", [None, 0.5, 0.5], "row 0: val_f1=null is not a number"),
            ("val_f1", ["a", "b", "c"], "row 0: val_f1=a is not a number from 0 to 1.000001 (3 such rows)"),
            ("val_f1", [[0.1], [0.2], [0.3]], "column val_f1 holds list<"),
            ("seed", [1, None, 3], "row 1: seed=null is not a whole number"),
            ("seed", [1.0, 2.5, 3.0], "row 1: seed=2.5 is not a whole number"),
            ("seed", [1, -2, 3], "row 1: seed=-2 is not a whole number from 0"),
            ("dataset", [1, 2, 3], "row 0: dataset=1 is not text"),
            ("family", ["a", None, "c"], "row 1: family=null is not text"),
            ("params.x", [[1], [2], [3]], "column params.x holds list<"),
            ("feature.size", ["a", "b", "c"], "column feature.size holds text, not numbers"),
        ],
    )
    def test_a_file_of_something_else_is_refused_with_its_row(self, column, values, told, tmp_path):
        rows = pd.DataFrame([record(i).row() for i in range(3)]).assign(**{column: values})
        pq.write_table(pa.Table.from_pandas(rows), tmp_path / "t.parquet")
        with pytest.raises(OhloraError) as caught:
            read_table([tmp_path / "t.parquet"])
        assert told in str(caught.value)

    def test_no_rows_are_no_table(self, tmp_path):
        pd.DataFrame([record(0).row()]).iloc[:0].to_parquet(tmp_path / "t.parquet")
        with pytest.raises(OhloraError, match=r"t\.parquet holds no trials"):
            read_table([tmp_path / "t.parquet"])

    def test_one_trial_with_two_scores_is_named(self, tmp_path):
        for name, score in (("a", 0.4), ("b", 0.9)):
            pd.DataFrame([record(i, test_f1=score if i else 0.4).row() for i in range(3)]).to_parquet(
                tmp_path / name
            )
        with pytest.raises(OhloraError, match=r"trial \w{16} is there .* test_f1=0\.9 .*\(2 such"):
            read_table([tmp_path / "a", tmp_path / "b"])
        assert len(read_table([tmp_path / "a", tmp_path / "a"])) == 3

    def test_text_and_numbers_under_one_name_in_a_journal_are_named(self, tmp_path):
        journal = Journal(tmp_path)
        for i, value in enumerate((3, "three")):
            one = record(i)
            journal.append(replace(one, key=replace(one.key, params={"n": value})))
        with pytest.raises(OhloraError, match=r"has both text and numbers as params\.n \(int and str\)"):
            gather(tmp_path)

    def test_columns_of_different_kinds_do_not_go_together(self, tmp_path):
        for name, value in (("a", 1), ("b", "one")):
            pd.DataFrame([{**record(1).row(), "trial": name, "params.n": value}]).to_parquet(tmp_path / name)
        with pytest.raises(OhloraError, match=r"these tables do not go together: .*params\.n"):
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


class TestComparableRows:
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
            kept = comparable_rows(frame, "p" * 8, {"varied": "f" * 8, "classic": "c"})
        assert kept.trial_seed.tolist() == [0, 3, 4, 5]
        assert [str(one.message) for one in caught] == [
            "left out of the table: 1 trials of protocol old, not pppppppp;"
            " 1 trials of varied subsets drawn by older, not ffffffff"
        ]

    def test_what_belongs_passes_without_a_word(self, frame):
        pure = frame.drop(index=[1, 2]).reset_index(drop=True)
        assert comparable_rows(pure, "p" * 8, {"varied": "f" * 8}).equals(pure)
        foreign = pure.drop(columns=["protocol", "subset_fingerprint"])
        assert comparable_rows(foreign, "any", {"varied": "any"}).equals(foreign)

    def test_subsets_of_the_league_are_refused_and_somebody_elses_seeds_are_not(self, frame):
        frame.loc[[2, 4], "seed"] = LEAGUE_SEEDS
        with pytest.raises(OhloraError, match=r"row 2 .*digits/varied/1000000 \(2 such rows\)"):
            comparable_rows(frame, "p" * 8, {"varied": "f" * 8})
        frame["family"] = "foreign"
        with pytest.warns(UserWarning, match="left out"):
            assert len(comparable_rows(frame, "p" * 8, {"varied": "f" * 8})) == 5

    def test_nothing_left_is_a_fault(self, frame):
        with pytest.raises(
            OhloraError, match=r"only 5 trials of protocol pppppppp, not new; 1 .* give the size="
        ):
            comparable_rows(frame, "new", {})
