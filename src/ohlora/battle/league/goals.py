"""The goals that a league is judged by (issue 18), as far as it has played for them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from ohlora.battle.league.jobs import HERS
from ohlora.battle.league.statistics import bracketed
from ohlora.battle.league.tables import ALL, matrix, where

TPE, STARTED = ("tpe", "tpe_univariate"), "tpe_from_static"
SOURCES = 8  # that the predictor never saw, at least
WORSE = 0.002  # macro-F1 by which trials of her own may make her worse


@dataclass(frozen=True)
class Goal:
    """One goal: what was asked, what was found, whether that meets it."""

    asked: str
    found: str
    met: bool


def goals(
    scores: pd.DataFrame, pairs: pd.DataFrame, breaks: pd.DataFrame, calibration: pd.DataFrame, unseen: bool
) -> list[dict[str, Any]]:
    """Every goal that this league has the contestants for."""
    datasets = list(dict.fromkeys(scores["dataset"]))
    found = [
        *fixed_answers(pairs, unseen, len(datasets)),
        *break_even_goals(breaks, datasets),
        *few_shot(scores, pairs, datasets),
        *expectations(calibration, unseen),
    ]
    return [asdict(goal) for goal in found]


def group_of(table: pd.DataFrame, *wanted: str) -> str:
    """The first of some groups that the table has: one that is the same as a larger one goes by that name."""
    return next((name for name in wanted if name in set(table["group"])), ALL)


def fixed_answers(pairs: pd.DataFrame, unseen: bool, datasets: int) -> list[Goal]:
    found = []
    rival = "static" if unseen else "static_dataset"
    # Whatever comes of a dataset never seen; of those she knows, the `varied` family (issue 18).
    group = ALL if unseen else group_of(pairs, "varied")
    glance = where(pairs, her_trials=0, rival=rival, group=group)
    for row in glance.to_dict("records"):
        better = row["low"] > 0 and (datasets >= SOURCES if unseen else row["win_rate"] > 0.55)
        asked = f"without trials against {rival}, {row['group']}: mean difference above 0, interval too"
        asked += f"; {SOURCES} datasets or more" if unseen else "; win rate above 0.55"
        ends = bracketed(row["low"], row["high"])
        said = f"{row['difference']:+.4f} {ends}, wins {row['win_rate']:.3f}"
        found.append(Goal(asked, said, bool(better)))
    return found


def break_even_goals(breaks: pd.DataFrame, datasets: list[str]) -> list[Goal]:
    found = []
    wanted = [(name, dataset, 50) for name in TPE for dataset in datasets]
    wanted += [(STARTED, ALL, 10)]
    for rival, name, least in wanted:
        rows = where(breaks, her_trials=0, rival=rival, group=group_of(breaks, name))
        for row in rows.to_dict("records"):
            numbers = [row["by_mean"], row["by_win_rate"]]
            if row["most"] < least and any(map(pd.isna, numbers)):
                continue  # it has not played that long
            said = [f"above {row['most']}" if pd.isna(n) else str(n) for n in numbers]
            met = all((row["most"] if pd.isna(n) else n) >= least for n in numbers)
            asked = f"break-even against {rival} at {least} trials or more, {name}"
            found.append(Goal(asked, f"by mean {said[0]}, by win rate {said[1]}", bool(met)))
    return found


def few_shot(scores: pd.DataFrame, pairs: pd.DataFrame, datasets: list[str]) -> list[Goal]:
    means = matrix(scores, "test_f1").mean().to_dict()
    hers = {int(trials): f1 for (name, trials), f1 in means.items() if name == HERS}
    if len(hers) < 2 or 0 not in hers:
        return []
    gains = {number: f1 - hers[0] for number, f1 in hers.items() if number}
    worst = min(gains, key=lambda n: gains[n])
    found = [
        Goal(
            f"trials of her own never make her worse by more than {WORSE}",
            f"worst after {worst}: {gains[worst]:+.4f}",
            gains[worst] >= -WORSE,
        )
    ]
    equal = [
        row
        for row in where(pairs, group=ALL).to_dict("records")
        # The portfolio may try one more: her choice without trials is a first one.
        if row["trials"] == row["her_trials"] + (row["rival"] == "portfolio") and row["trials"] > 0
    ]
    if equal:
        row = min(equal, key=lambda one: one["difference"])
        found.append(
            Goal(
                "above every rival at equal trials (the portfolio has one more)",
                f"least against {row['rival']} with {row['trials']}, she {row['her_trials']}:"
                f" {row['difference']:+.4f} {bracketed(row['low'], row['high'])}",
                bool(row["difference"] > 0),
            )
        )
    for dataset in datasets:
        part = where(pairs, group=group_of(pairs, dataset), her_trials=8, rival=TPE, trials=50)
        for row in part.to_dict("records"):
            said = f"{row['difference']:+.4f} {bracketed(row['low'], row['high'])}"
            found.append(
                Goal(f"with 8 trials above {row['rival']} with 50, {dataset}", said, row["difference"] > 0)
            )
    return found


def expectations(calibration: pd.DataFrame, unseen: bool) -> list[Goal]:
    if calibration.empty:
        return []
    glance = where(calibration, group=ALL, trials=0)
    return [
        Goal(
            f"expected scores: {'' if unseen else 'bias under 0.01; '}0.64 to 0.72 inside the 68 % interval,"
            " 0.93 to 0.97 inside the 95 % one",
            f"bias {row['bias']:+.4f}, inside {row['inside_68']:.3f} and {row['inside_95']:.3f}",
            bool(
                (unseen or abs(row["bias"]) < 0.01)
                and 0.64 <= row["inside_68"] <= 0.72
                and 0.93 <= row["inside_95"] <= 0.97
            ),
        )
        for row in glance.to_dict("records")
    ]
