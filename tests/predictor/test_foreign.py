"""A table of somebody else's trials, explained by a YAML file, is learned like our own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.offline_runs import shows
from tests.reported import reported

from ohlora.errors import OhloraError
from ohlora.predictor.cross_fit import cross_predict, predict_rows
from ohlora.predictor.fit import boosted_trees, judge
from ohlora.predictor.foreign import SCORE, read_foreign
from ohlora.predictor.predictor import Predictor, fit
from ohlora.predictor.table import PredictorTable, folds, predictor_table
from ohlora.space import Choice, Real

from .conftest import SETTINGS

ROLES = """
target: {column: error, worst: 100, best: 0}
dataset: [task]
source: origin
features: ["meta_*", rows]
params:
  eta: {low: 1e-5, high: 1, log: true}
  depth:
  booster: {options: [tree, linear]}
  bagged: {}
"""


def their_trials(tasks: int = 24, each: int = 10) -> pd.DataFrame:
    """Errors in percent, lowest at an eta that the task's `meta_noise` tells."""
    rng = np.random.default_rng(0)
    rows = []
    for task in range(tasks):
        noise = rng.random()
        for _ in range(each):
            eta = float(np.exp(rng.uniform(np.log(1e-5), 0)))
            off = (np.log10(eta) + 3 - 2 * noise) / 5
            booster = str(rng.choice(["tree", "linear"]))
            rows.append(
                {
                    "task": f"t{task}",
                    "origin": f"o{task % 4}",
                    "meta_noise": noise,
                    "rows": 100 + task,
                    "eta": eta,
                    "depth": int(rng.integers(1, 9)),
                    "booster": booster,
                    "bagged": bool(rng.integers(2)),
                    "error": 10 + 60 * off**2 + 10 * (booster == "linear") + rng.normal(0, 0.5),
                    "comment": "not read",
                }
            )
    return pd.DataFrame(rows)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., object]:
    """`read(frame, roles)`: the table as the predictor would get it."""

    def reading(frame: pd.DataFrame, roles: str = ROLES):
        frame.to_parquet(tmp_path / "theirs.parquet")
        (tmp_path / "columns.yaml").write_text(roles, encoding="utf-8")
        return read_foreign([str(tmp_path / "theirs.parquet")], tmp_path / "columns.yaml")

    return reading


def test_columns_become_what_the_file_says(read):
    theirs = their_trials()
    found = read(theirs)
    assert found.space.within == {
        "eta": Real(1e-5, 1.0, log=True),
        "depth": Real(1.0, 8.0),
        "booster": Choice(("tree", "linear")),
        "bagged": Choice(("false", "true")),
    }
    table = predictor_table(found.frame, found.space, SCORE, ["*"])
    assert table.feature_names == ("meta_noise", "rows")
    assert table.target == pytest.approx(1 - theirs["error"].to_numpy() / 100)
    assert table.n_groups == 24
    assert set(table.datasets) == {"o0", "o1", "o2", "o3"}


def test_it_is_learned_and_compares_with_boosted_trees(read):
    found = read(their_trials())
    table = predictor_table(found.frame, found.space, SCORE, ["*"])
    held_out = folds(table.group, 2, seed=0)

    def ours(a: PredictorTable, b: PredictorTable) -> np.ndarray:
        return predict_rows(fit(a, found.space, SETTINGS, seed=0), b)

    own, trees = (judge(table, cross_predict(method, table, held_out)) for method in (ours, boosted_trees))
    assert own["within_subset_rank"] > 0.7
    assert trees["within_subset_rank"] > 0.5


@pytest.mark.slow
def test_the_door_reports_it_beside_boosted_trees(read, door, tmp_path):
    read(their_trials(tasks=8))
    ended = door(
        "train.py",
        "model=hp_predictor",
        f"tables=[{tmp_path / 'theirs.parquet'}]",
        f"columns={tmp_path / 'columns.yaml'}",
        "predictor_epochs=1",
        "model.folds=2",
        "logger=wandb",
        f"hydra.run.dir={tmp_path / 'run'}",
        cwd=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    scores = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))["scores"]
    assert set(scores) == {"predictor", "hyperparameters only", "gradient-boosted trees", "mean"}
    fitted = Predictor.load(tmp_path / "run", "hp_predictor")
    assert set(fitted.axes) == {"eta", "depth", "booster", "bagged"}
    assert reported(tmp_path / "run", "Predictors").summary["subsets"] == 8
    logged = shows(tmp_path / "run", "Predictors")
    assert [one["name"] for one in logged.config["inputs"]] == ["theirs"]
    assert logged.artifacts["hp_predictor"]["metadata"]["sha256"] == fitted.card["weights"]["sha256"]
    assert "sources/pearson" in logged.history


def test_without_a_source_all_rows_are_of_one(read):
    frame = read(their_trials(), ROLES.replace("source: origin\n", "")).frame
    assert set(frame["dataset"]) == {"all"}


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        (ROLES.replace("task]", "tsk]"), "column tsk is missing (did you mean task?)"),
        (ROLES.replace("best: 0", "best: 100"), "target: worst and best are both 100"),
        (ROLES.replace("worst: 100", "worst: 20"), "is outside 0 to 20"),
        (ROLES.replace("high: 1,", "high: 1e-4,"), "eta: row 0: "),
        (ROLES.replace("low: 1e-5", "low: 0"), "eta: a range needs low < high (and low > 0 when log)"),
        (ROLES.replace("[tree, linear]", "[tree, dart]"), "is not one of tree | dart"),
        (
            ROLES.replace("{options: [tree, linear]}", "{options: [a, b], log: true}"),
            "params.booster: options",
        ),
        (ROLES.replace('["meta_*", rows]', "[nothing]"), "no column matches features: nothing"),
        (ROLES.replace("dataset: [task]\n", ""), "dataset is missing"),
        (ROLES + "targt: 1\n", "targt is not a setting here (did you mean target"),
        (ROLES.replace("target: {column: error, worst: 100, best: 0}", "target: comment"), "comment holds"),
        ("target: [", "cannot be read"),
        ("!!python/object/apply:os.getcwd []", "cannot be read"),
        ("- a list", "must name columns"),
        ("target: error\nparams: {}\nfeatures: [a]\ndataset: [task]", "names no hyperparameter"),
    ],
)
def test_what_cannot_be_is_said(read, roles, told):
    with pytest.raises(OhloraError) as refused:
        read(their_trials(tasks=4), roles)
    assert told in str(refused.value)


def test_what_describes_a_dataset_is_the_same_in_all_its_rows(read):
    theirs = their_trials(tasks=4)
    theirs["meta_result"] = np.arange(len(theirs))
    with pytest.raises(OhloraError, match=r"meta_result: .* differs between rows of one"):
        read(theirs)


def test_a_source_has_a_name(read):
    theirs = their_trials(tasks=4)
    theirs.loc[theirs["task"] == "t1", "origin"] = ""
    with pytest.raises(OhloraError, match="origin: a source without a name"):
        read(theirs)


def test_every_fault_at_once(read):
    theirs = their_trials(tasks=4)
    theirs.loc[3, "booster"] = None
    theirs.loc[5, "error"] = np.nan
    theirs["depth"] = 3
    with pytest.raises(OhloraError) as refused:
        read(theirs)
    for told in ("booster: row 3 is empty", "row 5: error=nan", "depth: a range needs low < high"):
        assert told in str(refused.value)
