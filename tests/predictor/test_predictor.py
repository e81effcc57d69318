"""The predictor learns what a table holds, judges unseen subsets, and refuses what it cannot know."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.predictor.conftest import SETTINGS, made_table, true_f1

from ohlora.assets import assets_dir, load_model, save_model
from ohlora.errors import OhloraError
from ohlora.predictor.cross_fit import cross_predict, predict_rows, source_folds
from ohlora.predictor.fit import blind, boosted_trees, judge
from ohlora.predictor.predictor import KIND, Predictor, fit, load
from ohlora.predictor.table import PredictorTable, folds, predictor_table
from ohlora.space import Space


@pytest.mark.slow
def test_ranks_trials_of_subsets_it_never_saw(table: PredictorTable, space: Space) -> None:
    held_out = folds(table.group, 4, seed=0)[:2]
    shown = held_out[0] | held_out[1]

    def ours(a: PredictorTable, b: PredictorTable) -> np.ndarray:
        return predict_rows(fit(a, space, SETTINGS, 0), b)

    seeing = judge(table.rows(shown), cross_predict(ours, table, held_out)[shown])
    unseeing = cross_predict(lambda a, b: ours(blind(a), blind(b)), table, held_out)
    blinded = judge(table.rows(shown), unseeing[shown])
    assert seeing["within_subset_rank"] > 0.75
    assert seeing["mean_absolute_error"] < 0.04
    # The best learning rate depends on the subset: who cannot see it orders worse.
    assert seeing["within_subset_rank"] > blinded["within_subset_rank"] + 0.1


def test_every_subset_is_held_out_whole_and_once(table: PredictorTable) -> None:
    masks = folds(table.group, 5, seed=1)
    assert (sum(mask.astype(int) for mask in masks) == 1).all()
    for mask in masks:
        assert not set(table.group[mask]) & set(table.group[~mask])


def test_judge_on_known_answers(table: PredictorTable) -> None:
    perfect = judge(table, table.target)
    assert perfect["pearson"] == pytest.approx(1)
    assert perfect["within_subset_rank"] == pytest.approx(1)
    assert perfect["regret"] == 0
    assert judge(table, -table.target)["within_subset_rank"] == pytest.approx(-1)
    constant = judge(table, np.full(len(table.target), 0.5))
    assert constant["pearson"] == constant["within_subset_rank"] == 0
    assert constant["regret"] > 0  # a constant picks at random


def test_trees_are_a_real_baseline(table: PredictorTable) -> None:
    held_out = folds(table.group, 4, seed=0)
    assert judge(table, cross_predict(boosted_trees, table, held_out))["within_subset_rank"] > 0.6


def test_same_seed_same_predictor_and_global_rng_untouched(table: PredictorTable, space: Space) -> None:
    before = torch.get_rng_state()
    short = replace(SETTINGS, epochs=2)
    a, b = (predict_rows(fit(table, space, short, seed=3), table) for _ in range(2))
    assert np.array_equal(a, b)
    assert torch.equal(before, torch.get_rng_state())
    assert not np.array_equal(a, predict_rows(fit(table, space, short, seed=4), table))


def test_spread_grows_away_from_the_table(predictor: Predictor, space: Space) -> None:
    encoded = space.encode_positions(np.random.default_rng(0).random((200, len(space.free))))
    inside = predictor.members(predictor.vector({"ease": 0.5, "noise": 0.5}), encoded)
    outside = predictor.members(predictor.vector({"ease": 3.0, "noise": -3.0}), encoded)
    assert outside.std(dim=0).mean() > 1.5 * inside.std(dim=0).mean()


def test_sources_are_held_out_whole_and_once() -> None:
    datasets = np.array(["a"] * 50 + ["b"] * 40 + ["c"] * 3 + ["d"] * 2)
    held = source_folds(datasets, 3)
    assert (np.sum(held, axis=0) == 1).all()
    assert [sorted(set(datasets[mask])) for mask in held] == [["a", "d"], ["b"], ["c"]]
    assert len(source_folds(datasets[:50], 3)) == 1


def test_saved_and_loaded_predicts_alike(
    predictor: Predictor, table: PredictorTable, space: Space, tmp_path: Path
) -> None:
    predictor.save(tmp_path, "hp_predictor")
    again = Predictor.load(tmp_path, "hp_predictor")
    assert np.array_equal(predict_rows(predictor, table), predict_rows(again, table))
    assert again.noise == predictor.noise
    assert again.known_datasets == predictor.known_datasets
    again.check_space(space)


def test_other_encoders_are_refused(tmp_path: Path) -> None:
    """Features of other encoders have the same names, and mean something else."""
    shipped = load()
    shipped.check_encoders(assets_dir() / "encoders")
    shipped.check_encoders(tmp_path)  # there are none, which whoever loads one says
    (tmp_path / "fashion.safetensors").write_bytes(b"others")
    with pytest.raises(OhloraError, match=r"other encoders \(a3dfb19b\) than those in .* paths.encoders="):
        shipped.check_encoders(tmp_path)
    replace(shipped, card={}).check_encoders(tmp_path)  # a card that does not say


class TestRefuses:
    def test_another_space(self, predictor: Predictor, space: Space) -> None:
        narrower = Space(
            {**space.within, "learning_rate": space.within["dropout_fc"]},
            {**space.within, "learning_rate": space.within["dropout_fc"]},
        )
        with pytest.raises(OhloraError, match=r"another space; learning_rate: fitted on 2e-05 to 0\.05"):
            predictor.check_space(narrower)

    def test_a_card_of_other_features(self, predictor: Predictor, tmp_path: Path) -> None:
        predictor.save(tmp_path, "p")
        card = json.loads((tmp_path / "p.json").read_text())
        (tmp_path / "p.json").write_text(json.dumps({**card, "features_version": 0}))
        with pytest.raises(OhloraError, match="features of version 0"):
            Predictor.load(tmp_path, "p")

    def test_one_fitted_before_errors_were_kept(self, predictor: Predictor, tmp_path: Path) -> None:
        predictor.save(tmp_path, "p")
        tensors, card = load_model(tmp_path, "p", KIND)
        save_model(tmp_path, "p", {name: one for name, one in tensors.items() if name != "errors"}, card)
        with pytest.raises(OhloraError, match=r"fit it again: python train\.py model=hp_predictor"):
            Predictor.load(tmp_path, "p")

    def test_errors_that_cannot_be(self, predictor: Predictor, tmp_path: Path) -> None:
        replace(predictor, errors=predictor.errors - 1).save(tmp_path, "p")
        with pytest.raises(OhloraError, match="a root mean square in errors is below 0"):
            Predictor.load(tmp_path, "p")

    def test_weights_of_another_shape(self, predictor: Predictor, tmp_path: Path) -> None:
        predictor.save(tmp_path, "p")
        card = json.loads((tmp_path / "p.json").read_text())
        (tmp_path / "p.json").write_text(json.dumps({**card, "columns": card["columns"][:-1]}))
        with pytest.raises(OhloraError, match="not a whole predictor"):
            Predictor.load(tmp_path, "p")

    @pytest.mark.parametrize(
        ("spoil", "told"),
        [
            ({"noise": -0.1}, "noise=-0.1 is not a number from 0 up"),
            ({"noise": float("nan")}, "noise=nan is not a number from 0 up"),
            ({"noise": None}, "noise=null is not a number"),
            ({"axes": [1, 2]}, "axes=.* is not a table of names and values"),
            ({"axes": {"x": 3}}, r"axes\.x=3 is not a table of names and values"),
            ({"axes": {"x": {"options": 5}}}, "options=5"),
            ({"axes": {"x": {"low": 1, "high": "a"}}}, "high=a is not a number"),
            ({"feature_names": "ease"}, "feature_names=ease"),
            ({"feature_names": ["ease"]}, r"mean is \[2\], not \[1\]"),
            ({"known_datasets": ["made"]}, r"known is \[48, 2\], not \[1, 2\]"),
            ({"settings": {"members": 10**9}}, "members=1000000000 is not a whole number from 1 to 1000"),
            ({"settings": []}, "settings="),
        ],
    )
    def test_a_card_that_says_nonsense(self, spoil, told, predictor: Predictor, tmp_path: Path) -> None:
        predictor.save(tmp_path, "p")
        card = json.loads((tmp_path / "p.json").read_text())
        (tmp_path / "p.json").write_text(json.dumps({**card, **spoil}))
        with pytest.raises(OhloraError, match=rf"not a whole predictor: .*{told}"):
            Predictor.load(tmp_path, "p")

    def test_a_card_that_asks_for_more_memory_than_there_is(
        self, predictor: Predictor, tmp_path: Path
    ) -> None:
        predictor.save(tmp_path, "p")
        card = json.loads((tmp_path / "p.json").read_text())
        card["settings"] |= {"members": 1000, "width": 10_000}
        (tmp_path / "p.json").write_text(json.dumps(card))
        with pytest.raises(OhloraError, match=r"not a whole predictor: .*size mismatch"):
            Predictor.load(tmp_path, "p")

    @pytest.mark.parametrize(
        ("column", "values", "told"),
        [
            ("test_f1", [0.5, 1.5, -1.0], r"row 1: test_f1=1\.5 is not a score from 0 to 1 \(2 such rows\)"),
            ("test_f1", ["a", "b", "c"], "test_f1 holds .*, not numbers"),
            ("feature.ease", [0.1, float("nan"), 0.3], r"row 1: feature\.ease=nan is not finite"),
            ("feature.ease", [[1], [2], [3]], r"feature\.ease holds object, not numbers"),
            ("seed", [1, None, 3], r"row 1: seed is empty"),
        ],
    )
    def test_a_table_with_a_row_that_cannot_be(self, column, values, told, frame, space: Space) -> None:
        spoilt = frame.head(3).assign(**{column: values})
        with pytest.raises(OhloraError, match=told):
            predictor_table(spoilt, space, "test_f1", ["*"])

    def test_a_table_without_rows(self, frame, space: Space) -> None:
        with pytest.raises(OhloraError, match="it has no rows"):
            predictor_table(frame.head(0), space, "test_f1", ["*"])

    def test_missing_features(self, predictor: Predictor) -> None:
        with pytest.raises(OhloraError, match=r"not given: noise"):
            predictor.vector({"ease": 0.5})

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda f: f.drop(columns="test_f1"), "column test_f1 is missing"),
            (lambda f: f.drop(columns="params.optimizer"), r"column params.optimizer is missing"),
            (lambda f: f.drop(columns=["feature.ease", "feature.noise"]), r"no feature\.\* column"),
            (lambda f: f.assign(**{"params.dropout_fc": 0.9}), "dropout_fc=0.9 is outside 0 to 0.6"),
            (lambda f: f.assign(**{"params.optimizer": "sgd"}), "optimizer='sgd' is not one of adam"),
            (lambda f: f.assign(test_f1=np.nan), "test_f1=nan is not a score from 0 to 1"),
            (
                lambda f: f.assign(protocol=np.where(f.seed < 9, "new", "old")),
                r"mixes trials of 2 protocols \(new, old\)",
            ),
            (
                lambda f: f.assign(subset_fingerprint=np.where(f.seed < 9, "new", "old")),
                r"mixes varied subsets drawn in 2 ways \(new, old\)",
            ),
        ],
    )
    def test_tables_it_cannot_learn_from(
        self, frame: pd.DataFrame, space: Space, spoil, message: str
    ) -> None:
        with pytest.raises(OhloraError, match=message):
            predictor_table(spoil(frame), space, "test_f1", ["*"])


def test_somebody_elses_columns(frame: pd.DataFrame, space: Space) -> None:
    """Another target and other group columns do as well."""
    theirs = frame.rename(columns={"test_f1": "accuracy", "seed": "task"})
    table = predictor_table(theirs, space, "accuracy", ["ease"], ["dataset", "task"])
    assert table.feature_names == ("ease",)
    assert table.n_groups == 48


def test_made_truth_is_what_the_tests_think(space: Space) -> None:
    frame = made_table(space, subsets=2, trials=3, seed=1)
    row = frame.iloc[0]
    params = {name: row[f"params.{name}"] for name in space.within}
    assert row["test_f1"] == pytest.approx(true_f1(space, params, row["feature.ease"]), abs=0.03)


def test_a_dataset_is_known_in_another_version():
    shipped = load()
    assert shipped.known_as("cifar10") == shipped.known_as("cifar10_jpeg") == "cifar10_jpeg"
    assert shipped.known_as("mnist") == "mnist"
    assert shipped.known_as("photos") is None
