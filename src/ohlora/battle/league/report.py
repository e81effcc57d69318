"""The report of a league: what is complete of it as tables, figures, `report.json` and a table to read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ohlora.assets import command_line
from ohlora.battle.contestants.optuna import optuna_version, sampler_keywords
from ohlora.battle.league.entries import StudyEntry
from ohlora.battle.league.figures import plot_against, plot_calibration, plot_regret
from ohlora.battle.league.goals import goals
from ohlora.battle.league.jobs import HERS, PlayLeague
from ohlora.battle.league.plan import Plan
from ohlora.battle.league.played import read_played, versions_notes
from ohlora.battle.league.tables import (
    ALL,
    ORACLE,
    break_evens,
    calibration,
    fewest,
    pairs,
    score_table,
    standings,
    trial_table,
    where,
)
from ohlora.datasets.titles import source
from ohlora.durable import write_json
from ohlora.provenance import current_commit
from ohlora.records.parquet import write_parquet
from ohlora.tracking import log_picture, log_table

PANELS = 4  # groups side by side in a figure: all, and the datasets
COLUMNS = (1, 2, 5, 10, 20, 50)  # numbers of trials in the printed table, where they were played


def report(job: PlayLeague, plan: Plan, console: Console) -> float:
    """Report on what is complete; return her mean difference to the headline rival, nan where nothing is."""
    played, out = read_played(job, plan), Path(job.output_dir)
    notes = [*plan.notes, *versions_notes(played), *rules_notes(job)]
    counts = {
        name: {"complete": sum(one.fixture.stratum == name for one in played), "planned": planned}
        for name, planned in Counter(one.stratum for one in plan.fixtures).items()
    }
    state = f"{len(played)} of {len(plan.fixtures)} subsets are complete"
    console.print(f"league {job.league.name}: {state}", style="bold", highlight=False)
    content: dict[str, Any] = {
        "league": job.league.name,
        "command": command_line(),
        "commit": current_commit(),
        "complete": len(played),
        "planned": len(plan.fixtures),
        "strata": counts,
        "settings": asdict(job.league),
        "samplers": samplers(job),
        "notes": notes,
    }
    if not played:
        write_json(out / "report.json", content)
        return math.nan
    fitted = {one.contestants[HERS]["identity"]["fitted_on"] for one in played}
    comparable = fitted <= {None, job.protocol.fingerprint}
    if not comparable:
        notes.append("her predictor was fitted on another protocol: what she expects is left out")
    scores = score_table(played, job.league.final_seeds, comparable)
    bootstrap = job.league.bootstrap
    against = pairs(scores, bootstrap)
    tables = {
        "scores": scores,
        "trials": trial_table(played),
        "standings": standings(scores, bootstrap),
        "pairs": against,
        "break_even": break_evens(against),
        "calibration": calibration(scores, bootstrap),
    }
    for name, table in tables.items():
        write_parquet(pa.Table.from_pandas(table, preserve_index=False), out / f"{name}.parquet")
    fair = job.league.rules == "fair"
    judged = goals(scores, against, tables["break_even"], tables["calibration"], job.league.unseen)
    reached = judged if fair else []
    own = published(job, scores, against)
    shown = shown_groups(scores, against)  # the others are in the Parquet files
    content |= {
        "goals": reached,
        "published": records(pd.DataFrame(own)),
        "standings": records(where(tables["standings"], group=shown)),
        "glance": records(fewest(where(against, group=shown))),
        "break_even": records(fewest(tables["break_even"])) if len(tables["break_even"]) else [],
        "calibration": records(tables["calibration"]),
    }
    write_json(out / "report.json", content)
    for picture in figures(job, tables, out):
        log_picture(job.logger, picture.stem, picture)
    kept = {name: tables[name] for name in ("standings", "pairs", "break_even", "calibration", "scores")}
    for name, table in {**kept, "goals": pd.DataFrame(reached)}.items():
        if len(table):
            log_table(job.logger, f"league_{name}", table)
    level = level_table(scores, tables["break_even"])
    for table in (glance_table(against), group_table(job, against), level, goal_table(reached)):
        if table is not None:
            console.print(table)
    for note in [*notes, *published_notes(own)]:
        console.print(Text(f"- {note}"), soft_wrap=True)
    console.print(Text(f"report: {out}"), soft_wrap=True)
    lead = headline(job, against)
    numbers = {"complete": len(played), "planned": len(plan.fixtures), "lead": lead}
    job.logger.log_metrics({**numbers, **at_most_trials(against)})
    return lead


def at_most_trials(against: pd.DataFrame) -> dict[str, float]:
    """Her win rate and mean difference to each rival with all its trials, she with none or fewest."""
    found: dict[str, float] = {}
    every = fewest(where(against, group=ALL))
    for rival in dict.fromkeys(every["rival"]):
        row = max(where(every, rival=rival).to_dict("records"), key=lambda one: one["trials"])
        found |= {f"win_rate/{rival}": row["win_rate"], f"difference/{rival}": row["difference"]}
    return found


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them: what is not a number is null."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(key): plain(value) for key, value in row.items()} for row in rows]


def plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return round(value, 6) if isinstance(value, float) else value


def headline(job: PlayLeague, against: pd.DataFrame) -> float:
    """Her mean difference to the headline rival with all its trials, she with none or fewest."""
    part = fewest(where(against, rival=job.league.headline, group=ALL))
    return float(part["difference"].to_numpy()[part["trials"].to_numpy().argmax()])


def samplers(job: PlayLeague) -> dict[str, Any]:
    """Optuna's version, and each study's sampler with all its keywords."""
    found = {
        name: {**sampler_keywords(one.sampler), "start": one.start}
        for name, one in job.league.entries.items()
        if isinstance(one, StudyEntry)
    }
    return {"optuna": optuna_version(), **found} if found else {}


def rules_notes(job: PlayLeague) -> list[str]:
    """What a reader must know to read the tables."""
    league = job.league
    notes = [
        "a contestant's score: what it chose by validation, trained again on seeds"
        f" {', '.join(map(str, league.final_seeds))} of its own, mean test macro-F1"
        if league.rules == "fair"
        else "classic_optuna, the original's rule: Optuna keeps its best test score of all its trials (it"
        " sees what nobody should see); Oh-LoRA's one training has the same seed",
        f"{ORACLE}: the best of all params scored on a subset, known by those scores: too good by chance",
    ]
    if any(isinstance(one, StudyEntry) and one.sampler != "random" for one in league.entries.values()):
        notes.append(
            "the first ten trials of TPE and GP are random search (n_startup_trials=10; an enqueued one"
            " counts), the same for all of them"
        )
    if any(one.kind == "portfolio" for one in league.entries.values()):
        notes.append(
            "portfolio: chosen greedily among what the predictor thinks best on known subsets, valued by its"
            " scores there"
        )
    if league.unseen:
        notes.append(
            "the predictor is fitted without the source that is played on, the grey encoders are of other"
            " images; the one encoder for colour has seen CIFAR-10's images, neither labels nor scores"
        )
    return notes


def published(job: PlayLeague, scores: pd.DataFrame, against: pd.DataFrame) -> list[dict[str, Any]]:
    """Her win rates beside those that others published, by dataset."""
    rows = []
    for dataset in dict.fromkeys(scores["dataset"]):
        theirs = job.league.published.get(source(dataset))
        if theirs is None:
            continue
        only = len(set(scores["dataset"])) == 1
        part = where(against, group=ALL if only else dataset, her_trials=0, rival=job.league.headline)
        rows += [
            {
                "dataset": dataset,
                "rival": row["rival"],
                "trials": row["trials"],
                "win_rate": row["win_rate"],
                "low": row["win_low"],
                "high": row["win_high"],
                "published": theirs,
            }
            for row in part.to_dict("records")
        ]
    return rows


def published_notes(rows: Sequence[dict[str, Any]]) -> list[str]:
    """One line a dataset: her win rates against the headline rival, and the published one."""
    notes = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == dataset]
        rates = ", ".join(f"{row['win_rate']:.1%} ({row['trials']})" for row in own)
        notes.append(
            f"{dataset}: she wins against {own[0]['rival']} (with so many trials) {rates}; published"
            f" {own[0]['published']:.1%}"
        )
    return notes


def shown_groups(scores: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """All, and the datasets where there are several."""
    names = [ALL, *(name for name in dict.fromkeys(scores["dataset"]) if name in set(table["group"]))]
    return names[:PANELS]


def figures(job: PlayLeague, tables: dict[str, pd.DataFrame], out: Path) -> list[Path]:
    scores, against, level = tables["scores"], tables["pairs"], job.league.bootstrap.level
    titles = dict(zip(scores["dataset"], scores["title"], strict=True))
    shown = {name: titles.get(name, "all subsets") for name in shown_groups(scores, against)}
    found = [
        plot_against(against, shown, "trials", level, out / "against_trials.png"),
        plot_against(against, shown, "searched_s", level, out / "against_seconds.png"),
        plot_regret(tables["standings"], shown, level, out / "regret.png"),
    ]
    if len(coverage := tables["calibration"]):
        found.append(plot_calibration(scores, coverage, level, out / "calibration.png"))
    return found


def glance_table(against: pd.DataFrame) -> Table:
    """Oh-LoRA without trials against everyone, on all subsets: a row a rival, a column a number of trials."""
    part = fewest(where(against, group=ALL))
    there = set(part["trials"])
    columns = [number for number in (0, *COLUMNS) if number in there] or sorted(there)
    title = "Oh-LoRA without trials against: her win rate, her macro-F1 less theirs"
    table = Table(title=title, padding=0)  # with more, 80 columns cut digits off
    table.add_column("rival", overflow="fold")
    for number in columns:
        table.add_column("no trials" if number == 0 else str(number), justify="right")
    for rival in dict.fromkeys(part["rival"]):
        rows = {row["trials"]: row for row in where(part, rival=rival).to_dict("records")}
        table.add_row(Text(rival), *(cell(rows[n]) if n in rows else "" for n in columns))
    table.caption = "* the interval of the difference leaves out 0"
    return table


def cell(row: Mapping[Any, Any]) -> str:
    mark = "*" if row["low"] > 0 or row["high"] < 0 else " "
    return f"{row['win_rate']:.0%} {row['difference']:+.3f}{mark}"


def group_table(job: PlayLeague, against: pd.DataFrame) -> Table:
    """Oh-LoRA without trials against the headline rival in every group of subsets."""
    glance = fewest(where(against, rival=job.league.headline))
    table = Table(title=f"Oh-LoRA without trials against {job.league.headline}")
    names = ("subsets of", "number", "wins", "difference", f"{job.league.bootstrap.level:.0%} interval")
    for name in names:
        table.add_column(name, justify="left" if name == "subsets of" else "right")
    for group in dict.fromkeys(glance["group"]):
        row = max(where(glance, group=group).to_dict("records"), key=lambda one: one["trials"])
        table.add_row(
            Text(group),
            str(row["subsets"]),
            f"{row['win_rate']:.0%}",
            f"{row['difference']:+.4f}",
            "" if math.isnan(row["low"]) else f"{row['low']:+.4f} to {row['high']:+.4f}",
        )
    return table


def level_table(scores: pd.DataFrame, breaks: pd.DataFrame) -> Table | None:
    """How many trials each rival needs to be level with her choice without any."""
    if breaks.empty:
        return None
    shown = shown_groups(scores, breaks)
    table = Table(title="Trials at which a rival is level with Oh-LoRA without any: by mean / by win rate")
    table.add_column("rival")
    for group in shown:
        table.add_column(Text(group), justify="right")
    own = fewest(breaks)
    for rival in dict.fromkeys(own["rival"]):
        level = {row["group"]: row for row in where(own, rival=rival).to_dict("records")}
        table.add_row(Text(rival), *(level_cell(level[group]) for group in shown))
    return table


def level_cell(row: Mapping[Any, Any]) -> str:
    """By mean; by win rate behind a stroke where that is another number."""
    words = [f">{row['most']}" if pd.isna(n) else str(n) for n in (row["by_mean"], row["by_win_rate"])]
    return words[0] if words[0] == words[1] else " / ".join(words)


def goal_table(reached: Sequence[dict[str, Any]]) -> Table | None:
    if not reached:
        return None
    table = Table(title="Goals")
    for name in ("goal", "found", "met"):
        table.add_column(name)
    for goal in reached:
        table.add_row(Text(goal["asked"]), Text(goal["found"]), "yes" if goal["met"] else "no")
    return table
