"""What older records lack is told from what they hold, by one rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.records.journal_workers import record

from ohlora.assets import assets_dir
from ohlora.records.journal import Journal
from ohlora.records.older import fill_older, rewrite
from ohlora.records.record import epochs_seen
from ohlora.records.table import read_table
from ohlora.seeds import CHOSEN_SEEDS, REPEAT_SEEDS

ALL_FOUR = "augmentation batch_size label_smoothing weight_decay"


def rows(some_classic: bool = True) -> pd.DataFrame:
    """Six subsets of 16 evenly spread trials and four chosen ones; every other with four held fixed."""
    rng = np.random.default_rng(0)
    made = []
    for subset in range(6):
        for i in range(20):
            classic = some_classic and i % 2 == 1
            made.append(
                {
                    "dataset": "digits",
                    "family": "varied",
                    "seed": subset,
                    "trial_seed": 100 * subset + i + (CHOSEN_SEEDS if i >= 16 else 0),
                    "params.learning_rate": rng.uniform(),
                    "params.weight_decay": 0.01 if classic else rng.uniform(),
                    "params.label_smoothing": 0.0 if classic else rng.uniform(),
                    "params.batch_size": 64 if classic else int(rng.choice([32, 64])),
                    "params.augmentation": "flip" if classic else str(rng.choice(["none", "flip"])),
                    "params.optimizer": str(rng.choice(["adam", "adamw"])),
                }
            )
    return pd.DataFrame(made)


def test_chosen_params_are_known_by_their_seeds_under_every_repeat():
    table = rows()
    again = table.head(20).assign(trial_seed=lambda t: t["trial_seed"] + 3 * REPEAT_SEEDS)
    filled = fill_older(pd.concat([table, again], ignore_index=True))
    assert (filled["chooser"] == "near_best").sum() == 7 * 4
    assert set(filled["chooser"]) == {"evenly", "near_best"}


def test_numbers_on_many_subsets_were_held_and_what_stands_still_with_them():
    filled = fill_older(rows())
    assert set(filled["held_fixed"]) == {"", ALL_FOUR}
    assert (filled["held_fixed"] == ALL_FOUR).mean() == 0.5


def test_what_is_repeated_on_one_subset_was_drawn():
    again = pd.concat([rows(some_classic=False), rows(some_classic=False).head(20)], ignore_index=True)
    assert set(fill_older(again)["held_fixed"]) == {""}


def test_what_was_recorded_stays():
    known = rows().assign(chooser="my_own", held_fixed="optimizer")
    known.loc[:5, ["chooser", "held_fixed"]] = None
    filled = fill_older(known)
    assert filled["chooser"].tolist()[6:] == ["my_own"] * (len(known) - 6)
    assert filled["held_fixed"].tolist()[6:] == ["optimizer"] * (len(known) - 6)
    assert filled["chooser"].tolist()[:6] == ["evenly"] * 6


def test_a_table_without_trial_seeds_is_left_alone():
    foreign = rows().drop(columns="trial_seed")
    assert fill_older(foreign).equals(foreign)


def test_a_journal_of_old_and_new_records_reads_as_one(tmp_path):
    journal = Journal(tmp_path)
    journal.append(record(1))
    journal.append(replace(record(2), chooser="near_best", held_fixed="kind"))
    table = read_table([tmp_path])
    by_seed = table.set_index("trial_seed")
    assert by_seed["chooser"].to_dict() == {1: "evenly", 2: "near_best"}
    assert by_seed["held_fixed"].to_dict() == {1: "", 2: "kind"}


def test_rewriting_a_file_changes_epochs_and_adds_two_columns_only(tmp_path):
    """30 images in batches of 20: ten and a half passes took 21 steps, not 21 x 20 / 30 = 14 passes."""
    path = tmp_path / "t.parquet"
    one = record(1, steps=21, n_train=30, epochs=14.0)
    old = replace(one, key=replace(one.key, params={"batch_size": 20, "x": 0.5}))
    row = {name: value for name, value in old.row().items() if name not in ("chooser", "held_fixed")}
    pq.write_table(pa.Table.from_pylist([{**row, "feature.size": 3.5}]), path)
    before = pq.read_table(path)
    assert rewrite(path) == 1
    after = pq.read_table(path)
    assert after.column("epochs").to_pylist() == [pytest.approx(10 + 20 / 30)]
    assert after.column_names == [*before.column_names, "chooser", "held_fixed"]
    assert after.drop_columns(["epochs", "chooser", "held_fixed"]).equals(before.drop_columns(["epochs"]))
    assert rewrite(path) == 0


def test_epochs_of_newer_records_are_left_alone(tmp_path):
    one = record(1, steps=21, n_train=30, epochs=14.0, chooser="evenly", held_fixed="")
    Journal(tmp_path).append(replace(one, key=replace(one.key, params={"batch_size": 20})))
    assert read_table([tmp_path])["epochs"].tolist() == [14.0]


def test_the_shipped_table_tells_true_epochs_and_how_params_came_about(space):
    table = pq.read_table(
        assets_dir() / "target_table.parquet",
        columns=["steps", "n_train", "params.batch_size", "epochs", "chooser", "held_fixed"],
    ).to_pandas()
    for row in table.iloc[::97].to_dict("records"):
        seen = epochs_seen(row["steps"], row["n_train"], row["params.batch_size"])
        assert row["epochs"] == pytest.approx(seen)
    assert table["chooser"].value_counts().to_dict() == {
        "evenly": 14208,
        "near_best": 7640,
        "favourites": 3311,
    }
    # Fixed answers of another predictor, trained beside favourites, hold everything.
    held = table["held_fixed"].str.split().str.len().value_counts().to_dict()
    assert held == {0: 20872, len(ALL_FOUR.split()): 4139, len(space.within): 148}
