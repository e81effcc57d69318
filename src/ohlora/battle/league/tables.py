"""The tables of a league: who scored what on each subset, and Oh-LoRA against everyone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ohlora.battle.league.jobs import HERS, Bootstrap
from ohlora.battle.league.played import Played
from ohlora.battle.league.statistics import break_even, correlation, inside, mean_interval, resampled, wins

ORACLE = "oracle"
ALL = "all"
PREDICTED = ("predicted_f1", "predicted_sd", "predicted_95")  # as in `search.Suggestion`


def score_table(played: Sequence[Played], final_seeds: Sequence[int], expectations: bool) -> pd.DataFrame:
    """A row for each subset, contestant and number of trials, the oracle's included.

    The oracle is the best of all params that were scored on a subset, known by the very scores that it is
    credited with, so it is too good by chance. `expectations`: whether what was expected is of this game.
    """
    rows = []
    for one in played:
        fixture = one.fixture
        subset = {
            "dataset": fixture.recipe.dataset,
            "title": fixture.title,
            "family": fixture.recipe.family,
            "stratum": fixture.stratum,
            "seed": fixture.recipe.seed,
            "n_train": fixture.n_train,
        }
        own = [
            {
                **subset,
                "contestant": name,
                "kind": each["kind"],
                "trials": scored["trials"],
                "test_f1": float(np.mean(scored["test_f1"])),
                **{f"test_f1_{s}": f1 for s, f1 in zip(final_seeds, scored["test_f1"], strict=True)},
                "val_f1": scored["val_f1"],
                "searched_s": scored["searched_s"],
                "scored_s": scored["scored_s"],
                # Subsets kept by earlier versions lack the last one.
                **{name: scored.get(name) if expectations else None for name in PREDICTED},
                **{f"params.{key}": value for key, value in scored["params"].items()},
            }
            for name, each in one.contestants.items()
            for scored in each["scored"]
        ]
        best = max(own, key=lambda row: row["test_f1"])
        empty = {
            "contestant": ORACLE,
            "kind": ORACLE,
            "trials": 0,
            "searched_s": np.nan,
            **dict.fromkeys(PREDICTED),
        }
        rows += [*own, {**best, **empty}]
    table = pd.DataFrame(rows).astype(dict.fromkeys(PREDICTED, float))
    place = ["dataset", "family", "seed"]
    table["regret"] = table.groupby(place)["test_f1"].transform("max") - table["test_f1"]
    return table


def trial_table(played: Sequence[Played]) -> pd.DataFrame:
    """A row for each trial of each contestant on each subset, as it was told."""
    return pd.DataFrame(
        [
            {
                "dataset": one.fixture.recipe.dataset,
                "family": one.fixture.recipe.family,
                "seed": one.fixture.recipe.seed,
                "contestant": name,
                "trial": number,
                "val_f1": trial["val_f1"],
                "elapsed_s": trial["elapsed_s"],
                **{f"params.{key}": value for key, value in trial["params"].items()},
            }
            for one in played
            for name, each in one.contestants.items()
            for number, trial in enumerate(each["tried"], start=1)
        ]
    )


def groups(scores: pd.DataFrame) -> dict[str, np.ndarray]:
    """Which subsets make up each group [subsets], in the order of `matrix`'s rows; groups alike once."""
    subsets = scores.drop_duplicates(["dataset", "family", "seed"])
    found = {ALL: np.ones(len(subsets), bool)}
    parts: list[tuple[str, ...]] = [("dataset",), ("family",), ("dataset", "family"), ("stratum",)]
    for columns in parts:
        for values in subsets[list(columns)].drop_duplicates().itertuples(index=False, name=None):
            mask = np.all([subsets[c].to_numpy() == v for c, v in zip(columns, values, strict=True)], axis=0)
            if not any(np.array_equal(mask, other) for other in found.values()):
                found.setdefault(" ".join(values), mask)
    return found


def matrix(scores: pd.DataFrame, column: str) -> pd.DataFrame:
    """`column` with a row a subset and a column for each (contestant, trials), in the order of the table."""
    table = scores.assign(subset=scores.groupby(["dataset", "family", "seed"], sort=False).ngroup())
    wide = table.pivot(index="subset", columns=["contestant", "trials"], values=column)
    order = list(dict.fromkeys(scores[["contestant", "trials"]].itertuples(index=False, name=None)))
    return wide.reindex(columns=pd.MultiIndex.from_tuples(order, names=["contestant", "trials"]))


def drawn_for(scores: pd.DataFrame, mask: np.ndarray, bootstrap: Bootstrap) -> np.ndarray:
    datasets = scores.drop_duplicates(["dataset", "family", "seed"])["dataset"].to_numpy(str)[mask]
    return resampled(list(datasets), bootstrap.resamples, bootstrap.seed)


def standings(scores: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """Mean score and regret of each contestant after each number of trials, by group, with intervals."""
    f1, regret, seconds = (matrix(scores, name) for name in ("test_f1", "regret", "searched_s"))
    rows = []
    for group, mask in groups(scores).items():
        drawn = drawn_for(scores, mask, bootstrap)
        mean = mean_interval(f1.to_numpy()[mask], drawn, bootstrap.level)
        lost = mean_interval(regret.to_numpy()[mask], drawn, bootstrap.level)
        spent = seconds.to_numpy()[mask].mean(0)
        for i, (name, trials) in enumerate(f1.columns):
            rows.append(
                {
                    "group": group,
                    "subsets": int(mask.sum()),
                    "contestant": name,
                    "trials": trials,
                    **dict(zip(("test_f1", "test_f1_low", "test_f1_high"), mean[:, i], strict=True)),
                    **dict(zip(("regret", "regret_low", "regret_high"), lost[:, i], strict=True)),
                    "searched_s": spent[i],
                }
            )
    return pd.DataFrame(rows)


def pairs(scores: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """Oh-LoRA after each number of trials against everyone after each number of theirs, by group.

    `win_rate` and `difference` are hers: the share of subsets where she scores higher (equal: half), and
    her macro-F1 less theirs.
    """
    f1, seconds = matrix(scores, "test_f1"), matrix(scores, "searched_s")
    hers = [column for column in f1.columns if column[0] == HERS]
    theirs = [column for column in f1.columns if column[0] != HERS]
    rows = []
    for group, mask in groups(scores).items():
        drawn = drawn_for(scores, mask, bootstrap)
        spent = dict(zip(seconds.columns, seconds.to_numpy()[mask].mean(0), strict=True))
        rivals = f1[theirs].to_numpy()[mask]
        for her in hers:
            own = f1[[her]].to_numpy()[mask]
            won = mean_interval(wins(own, rivals), drawn, bootstrap.level)
            lead = mean_interval(own - rivals, drawn, bootstrap.level)
            for i, (rival, trials) in enumerate(theirs):
                rows.append(
                    {
                        "group": group,
                        "subsets": int(mask.sum()),
                        "her_trials": her[1],
                        "rival": rival,
                        "trials": trials,
                        **dict(zip(("win_rate", "win_low", "win_high"), won[:, i], strict=True)),
                        **dict(zip(("difference", "low", "high"), lead[:, i], strict=True)),
                        "her_searched_s": spent[her],
                        "searched_s": spent[(rival, trials)],
                    }
                )
    return pd.DataFrame(rows)


def break_evens(table: pd.DataFrame) -> pd.DataFrame:
    """The trials a rival needs to be level with her, by mean and by win rate; empty: more than it had."""
    rows = []
    names = ["group", "her_trials", "rival"]
    for group, hers, rival in table[names].drop_duplicates().itertuples(index=False, name=None):
        part = where(table, group=group, her_trials=hers, rival=rival)
        if len(part) < 2:
            continue
        numbers = part["trials"].tolist()
        rows.append(
            {
                "group": group,
                "her_trials": hers,
                "rival": rival,
                "by_mean": break_even(numbers, part["difference"].tolist()),
                "by_win_rate": break_even(numbers, (part["win_rate"] - 0.5).tolist()),
                "most": max(numbers),
            }
        )
    columns = ["group", "her_trials", "rival", "by_mean", "by_win_rate", "most"]
    return pd.DataFrame(rows, columns=pd.Index(columns)).astype({"by_mean": "Int64", "by_win_rate": "Int64"})


def calibration(scores: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """What she expected against what she earned, by group and number of trials; empty: nothing is comparable.

    `inside_68` and `inside_95` are the shares of single trainings in the intervals that are to hold so many
    of 100; `mean_inside_68` and `mean_inside_95` those of the means over the fresh seeds.
    """
    seeds = [column for column in scores.columns if column.startswith("test_f1_")]
    rows = []
    for group, mask in groups(scores).items():
        drawn = drawn_for(scores, mask, bootstrap)
        hers = where(scores, contestant=HERS)
        for trials in sorted(set(hers["trials"])):
            part = where(hers, trials=trials).loc[mask]
            expected, *half_widths = part[list(PREDICTED)].to_numpy().T
            if not np.isfinite([expected, *half_widths]).all():
                continue
            earned = part["test_f1"].to_numpy()
            single = part[seeds].to_numpy() - expected[:, None]
            columns = np.stack(
                [
                    expected - earned,
                    *(inside(single, half[:, None]).mean(1) for half in half_widths),
                    *(inside(earned - expected, half) for half in half_widths),
                ],
                axis=1,
            )
            found = mean_interval(columns, drawn, bootstrap.level)
            names = ("bias", "inside_68", "inside_95", "mean_inside_68", "mean_inside_95")
            row = {"group": group, "subsets": int(mask.sum()), "trials": trials}
            for i, name in enumerate(names):
                row |= {name: found[0, i], f"{name}_low": found[1, i], f"{name}_high": found[2, i]}
            row["error"] = float(np.sqrt(np.mean((expected - earned) ** 2)))
            row["half_width_68"], row["half_width_95"] = (float(half.mean()) for half in half_widths)
            row["correlation"] = correlation(expected, earned)
            rows.append(row)
    return pd.DataFrame(rows)


def where(table: pd.DataFrame, **equal: object) -> pd.DataFrame:
    """The rows that have these values in these columns; of a list, one of them."""
    keep = np.ones(len(table), bool)
    for column, value in equal.items():
        keep &= table[column].isin(value if isinstance(value, list | tuple) else [value]).to_numpy()
    found = table.loc[keep]
    assert isinstance(found, pd.DataFrame)
    return found


def fewest(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of her choice without trials, or with the fewest she was scored after."""
    return where(table, her_trials=table["her_trials"].min())
