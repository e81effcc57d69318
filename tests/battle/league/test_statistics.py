"""Means, win rates, intervals and break-evens of tables whose answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ohlora.battle.league.figures import plot_calibration
from ohlora.battle.league.goals import goals
from ohlora.battle.league.jobs import Bootstrap
from ohlora.battle.league.knowledge import evenly, greedy
from ohlora.battle.league.plan import Fixture, in_order
from ohlora.battle.league.played import Played, versions_notes
from ohlora.battle.league.statistics import bracketed, break_even, inside, mean_interval, resampled, wins
from ohlora.battle.league.tables import break_evens, calibration, pairs, score_table, standings, where
from ohlora.datasets.families import SubsetRecipe

BOOTSTRAP = Bootstrap(resamples=2000, seed=0, level=0.95)


def test_resamples_keep_the_number_of_subsets_of_each_dataset() -> None:
    drawn = resampled(["a", "b", "a", "b", "b"], 500, seed=0)
    assert set(drawn[:, [0, 2]].sum(1)) == {2}
    assert set(drawn[:, [1, 3, 4]].sum(1)) == {3}
    assert drawn[:, 0].mean() == pytest.approx(1, abs=0.1)
    assert np.array_equal(drawn, resampled(["a", "b", "a", "b", "b"], 500, seed=0))


def test_an_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(0.3, 0.1, (400, 1))
    mean, low, high = mean_interval(values, resampled(["a"] * 400, 4000, 0), 0.95)[:, 0]
    half = 1.96 * values.std() / 20
    assert mean == pytest.approx(values.mean())
    assert (low, high) == (pytest.approx(mean - half, abs=1e-3), pytest.approx(mean + half, abs=1e-3))


def test_differences_between_datasets_widen_no_interval() -> None:
    """Stratified: two datasets without any spread of their own have an interval without width."""
    values = np.array([[0.0]] * 10 + [[1.0]] * 10)
    found = mean_interval(values, resampled(["a"] * 10 + ["b"] * 10, 200, 0), 0.95)[:, 0]
    assert found.tolist() == [0.5, 0.5, 0.5]


def test_one_subset_of_a_dataset_has_no_interval() -> None:
    """It has no spread to draw from: a point would look like certainty."""
    values = np.array([[0.1], [0.2], [0.9]])
    mean, low, high = mean_interval(values, resampled(["a", "a", "b"], 200, 0), 0.95)[:, 0]
    assert mean == pytest.approx(0.4)
    assert np.isnan([low, high]).all()
    assert bracketed(low, high) == "[no interval: one subset of a dataset]"
    assert bracketed(-0.01, 0.02) == "[-0.0100, +0.0200]"


def test_equal_scores_are_half_a_win_each() -> None:
    hers = np.array([0.5, 0.6, 0.1 + 0.2])
    assert wins(hers, np.array([0.4, 0.7, 0.3])).tolist() == [1, 0, 0.5]


@pytest.mark.parametrize(
    ("leads", "number"),
    [([0.2, 0.1, -0.1], 10), ([0.2, 1e-12, -0.1], 5), ([-0.1, 0.1, 0.1], 1), ([0.2, 0.1, 0.01], None)],
)
def test_break_even_is_the_first_number_of_trials_without_a_lead(leads: list[float], number: int) -> None:
    assert break_even([1, 5, 10], leads) == number


def test_coverage_counts_what_lies_inside() -> None:
    assert inside(np.array([0.01, -0.03, 0.05]), np.array([0.04] * 3)).tolist() == [1, 1, 0]


def test_a_portfolio_adds_what_helps_most() -> None:
    """Best on average first, then the specialist for the subsets it is bad at, then by the mean."""
    values = np.array([[0.8, 0.9, 0.3, 0.7], [0.8, 0.9, 0.3, 0.7], [0.7, 0.1, 0.95, 0.6]])
    assert greedy(values) == [0, 2, 1, 3]


def test_known_subsets_are_taken_evenly() -> None:
    rows = evenly(["a"] * 100 + ["b"] * 10, None, 20)
    assert sum(row < 100 for row in rows) == sum(row >= 100 for row in rows) == 10
    assert evenly(["a"] * 100 + ["b"] * 10, "b", 20) == list(range(100, 110))


def played(
    dataset: str,
    seed: int,
    scores: dict[tuple[str, int], float],
    expected: float = 0.8,
    family: str = "varied",
) -> Played:
    """A subset on which contestants scored so, on three seeds 0.01 apart."""
    contestants: dict[str, Any] = {}
    for (name, trials), f1 in scores.items():
        hers = name == "ohlora"
        one = {
            "trials": trials,
            "params": {"learning_rate": 1e-3},
            "predicted_f1": expected if hers else None,
            "predicted_sd": 0.02 if hers else None,
            "predicted_95": 0.05 if hers else None,
            "val_f1": f1,
            "test_f1": [f1 - 0.01, f1, f1 + 0.01],
            "searched_s": 2.0 * trials,
            "scored_s": 6.0,
        }
        contestants.setdefault(
            name, {"kind": name, "identity": {"v": seed // 100}, "tried": [], "scored": []}
        )
        contestants[name]["scored"].append(one)
    fixture = Fixture(SubsetRecipe(dataset, family, seed), "small", dataset.title(), 100)
    return Played(fixture, contestants)


@pytest.fixture
def table() -> pd.DataFrame:
    """Four subsets: she wins all against tpe with 1, loses half against it with 10."""
    rows = []
    for i, dataset in enumerate(["a", "a", "b", "b"]):
        low = i % 2
        rows.append(
            played(
                dataset,
                1_000_000 + i,
                {
                    ("ohlora", 0): 0.8,
                    ("ohlora", 8): 0.81,
                    ("static_dataset", 0): 0.78,
                    ("tpe", 1): 0.5,
                    ("tpe", 10): 0.75 + 0.1 * low,
                },
            )
        )
    return score_table(rows, [1, 2, 3], True)


class TestTables:
    def test_regret_is_measured_from_the_oracle(self, table: pd.DataFrame) -> None:
        oracle = where(table, contestant="oracle")["test_f1"].tolist()
        assert oracle == pytest.approx([0.81, 0.85, 0.81, 0.85])
        assert where(table, contestant="ohlora", trials=0)["regret"].tolist() == pytest.approx(
            [0.01, 0.05] * 2
        )
        found = standings(table, BOOTSTRAP)
        assert where(found, group="all", contestant="ohlora", trials=0)["regret"].item() == pytest.approx(
            0.03
        )

    def test_pairs_are_told_from_her_side(self, table: pd.DataFrame) -> None:
        found = pairs(table, BOOTSTRAP)
        (row,) = where(found, group="all", her_trials=0, rival="tpe", trials=10).to_dict("records")
        assert row["win_rate"] == 0.5
        assert row["difference"] == pytest.approx(0.0)
        assert row["low"] < 0 < row["high"]
        assert row["searched_s"] == 20
        (row,) = where(found, group="b", her_trials=8, rival="static_dataset").to_dict("records")
        assert (row["win_rate"], row["subsets"]) == (1, 2)
        assert (row["low"], row["high"]) == (pytest.approx(0.03), pytest.approx(0.03))

    def test_groups_that_are_all_of_it_are_not_told_twice(self, table: pd.DataFrame) -> None:
        assert set(pairs(table, BOOTSTRAP)["group"]) == {"all", "a", "b"}

    def test_break_evens(self, table: pd.DataFrame) -> None:
        found = break_evens(pairs(table, BOOTSTRAP))
        (row,) = where(found, group="all", her_trials=0).to_dict("records")
        assert (row["rival"], row["by_win_rate"], row["most"]) == ("tpe", 10, 10)
        (row,) = where(found, group="all", her_trials=8).to_dict("records")
        assert pd.isna(row["by_mean"])

    def test_calibration_is_of_single_trainings(self, table: pd.DataFrame) -> None:
        found = calibration(table, BOOTSTRAP)
        (row,) = where(found, group="all", trials=0).to_dict("records")
        assert row["bias"] == pytest.approx(0.0)
        assert (row["inside_68"], row["mean_inside_68"]) == (1, 1)
        (row,) = where(found, group="all", trials=8).to_dict("records")
        assert row["bias"] == pytest.approx(-0.01)

    @pytest.mark.parametrize(
        "datasets", ["aaa", "abb", "ab"], ids=["one", "one of one subset", "each of one"]
    )
    def test_coverage_is_drawn_of_whatever_was_played(self, datasets: str, tmp_path: Path) -> None:
        scores = {("ohlora", 0): 0.8, ("static_dataset", 0): 0.7}
        rows = [played(name, 1_000_000 + i, scores) for i, name in enumerate(datasets)]
        table = score_table(rows, [1, 2, 3], True)
        drawn = plot_calibration(table, calibration(table, BOOTSTRAP), 0.95, tmp_path / "calibration.png")
        assert drawn.stat().st_size > 10_000

    def test_coverage_is_drawn_without_what_earlier_versions_kept(self, tmp_path: Path) -> None:
        rows = [played(name, 1_000_000 + i, {("ohlora", 0): 0.8}) for i, name in enumerate("aabb")]
        for scored in rows[0].contestants["ohlora"]["scored"]:
            del scored["predicted_95"]
        table = score_table(rows, [1, 2, 3], True)
        found = calibration(table, BOOTSTRAP)
        assert set(found["group"]) == {"b"}
        assert plot_calibration(table, found, 0.95, tmp_path / "calibration.png").stat().st_size > 10_000

    def test_expectations_of_another_game_are_left_out(self) -> None:
        rows = [played("a", 1_000_000, {("ohlora", 0): 0.8, ("static_dataset", 0): 0.7})]
        assert calibration(score_table(rows, [1, 2, 3], False), BOOTSTRAP).empty

    def test_goals_are_judged(self, table: pd.DataFrame) -> None:
        against = pairs(table, BOOTSTRAP)
        found = goals(table, against, break_evens(against), calibration(table, BOOTSTRAP), unseen=False)
        met = {one["asked"].partition(",")[0]: one["met"] for one in found}
        assert met["without trials against static_dataset"]
        assert met["trials of her own never make her worse by more than 0.002"]
        assert not met["break-even against tpe at 50 trials or more"], "level with 10 already"

    def test_goals_of_one_dataset_are_judged(self) -> None:
        scores = {("ohlora", 0): 0.8, ("static_dataset", 0): 0.7, ("tpe", 10): 0.7, ("tpe", 50): 0.75}
        table = score_table([played("a", 1_000_000 + i, scores) for i in range(3)], [1, 2, 3], True)
        against = pairs(table, BOOTSTRAP)
        found = goals(table, against, break_evens(against), calibration(table, BOOTSTRAP), unseen=False)
        (goal,) = [one for one in found if one["asked"].startswith("break-even against tpe at 50")]
        assert goal["met"]

    def test_on_unseen_datasets_there_must_be_eight_and_bias_does_not_count(self) -> None:
        def judged(datasets: str) -> dict[str, dict[str, Any]]:
            scores = {("ohlora", 0): 0.8, ("static", 0): 0.7}
            rows = [played(name, 1_000_000 + i, scores) for name in datasets for i in range(2)]
            table = score_table(rows, [1, 2, 3], True)
            against = pairs(table, BOOTSTRAP)
            found = goals(table, against, break_evens(against), calibration(table, BOOTSTRAP), unseen=True)
            return {one["asked"].partition(" ")[0]: one for one in found}

        assert not judged("abcdefg")["without"]["met"]
        assert judged("abcdefgh")["without"]["met"]
        assert "bias" not in judged("ab")["expected"]["asked"]

    def test_on_unseen_datasets_both_families_count(self) -> None:
        rows = [
            played(name, 1_000_000 + i, {("ohlora", 0): f1, ("static", 0): 0.7}, family=family)
            for name in "abcdefgh"
            for i, (family, f1) in enumerate([("varied", 0.8), ("varied", 0.8), ("classic", 0.3)])
        ]
        table = score_table(rows, [1, 2, 3], True)
        against = pairs(table, BOOTSTRAP)
        found = goals(table, against, break_evens(against), calibration(table, BOOTSTRAP), unseen=True)
        assert (found[0]["asked"].split(":")[0], found[0]["met"]) == (
            "without trials against static, all",
            False,
        )


def test_other_versions_are_told() -> None:
    scores = {("ohlora", 0): 0.8, ("static", 0): 0.7}
    same = [played("a", 1_000_000 + i, scores) for i in range(3)]
    assert versions_notes(same) == []
    (first, second) = versions_notes([*same, played("a", 1_000_900, scores)])
    assert first.startswith("ohlora played on 1 of 4 subsets as another version")
    assert second.startswith("static")


def test_the_order_is_balanced_wherever_one_stops() -> None:
    def drawn(dataset: str) -> dict[str, list[Fixture]]:
        return {
            name: [Fixture(SubsetRecipe(dataset, "varied", at), name, dataset, 100) for at in range(count)]
            for name, count in (("few", 2), ("many", 6))
        }

    found = in_order([drawn("a"), drawn("b")], {"few": 2, "many": 6}, None)
    assert len(found) == 16
    half = found[:8]
    assert [one.recipe.dataset for one in half].count("a") == 4
    assert [one.stratum for one in half].count("few") == 2
    assert in_order([drawn("a"), drawn("b")], {"few": 2, "many": 6}, 2) == found[:4]
