"""A folder of results -> what a report shows of it; told by the files that each kind of run leaves."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ohlora.errors import OhloraError
from ohlora.features.table_report import plot_scores
from ohlora.records.table import read_table
from ohlora.report.numbers import charts, last_values, logged
from ohlora.report.results import Chart, Figure, Result, Table

SECTIONS = (
    *("Matches", "Leagues", "Predictors", "Target tables", "Sweeps", "Tables of trials", "Trials watched"),
    *("Encoders", "Classifiers", "Advice", "Voice: training", "Voice: measured", "Her face", "Chat"),
    "Other runs",
)
DOTS = 3000  # of a scatter plot
ROWS = 60  # of a table on the page
Found = tuple[str, Result]  # the section, and what goes there


def read_folder(folder: Path, names: set[str], work: Path) -> Found | None:
    """What one folder holds; None: nothing of ours. Pictures that no run has drawn are drawn in `work`.

    Raises OhloraError, OSError, KeyError, TypeError or ValueError where a file is damaged.
    """
    for marker, read in MARKERS.items():
        if marker in names:
            return read(folder, folder / marker)
    if "report.json" in names and (found := read_report(folder, folder / "report.json")):
        return found
    if names & {"trials.parquet", "journal"}:
        return table_of_trials(folder, work)
    if reports := sorted(name for name in names if name.endswith(".report.json")):
        return face_network(folder, reports)
    if any(name.startswith("csv") for name in names) or "tensorboard" in names:
        return other_run(folder)
    return None


def result(folder: Path, marker: Path, title: str, summary: Mapping[str, Any], **parts: Any) -> Result:
    return Result(title, folder, marker.stat().st_mtime, summary, **parts)


def content_of(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError("no JSON object")
    return content


def figures(folder: Path, **names: str) -> list[Figure]:
    """Those of the pictures that are there, by title."""
    found = [
        Figure(title.replace("_", " "), folder / name)
        for title, name in names.items()
        if (folder / name).is_file()
    ]
    return found


def table_of(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Rows as a table; of very many the first."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    note = f" (first {ROWS} of {len(rows)})" if len(rows) > ROWS else ""
    return Table(title + note, columns, [[row.get(name) for name in columns] for row in rows[:ROWS]])


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def match(folder: Path, marker: Path) -> Found:
    told = content_of(marker)
    attempts, subset = told["attempts"], told["subset"] or {}
    hers, others = attempts[0], attempts[1:]
    best = max(others, key=lambda one: one["test_f1"])
    of = {
        "validation F1": [one["val_f1"] for one in attempts],
        "test F1": [one["test_f1"] for one in attempts],
        "verdict": ["", *(verdict.replace("_", " ") for verdict in told["verdicts"])],
        **{name: [one["params"].get(name) for one in attempts] for name in hers["params"]},
    }
    who = [one["contestant"] + f" ({number})" * (number > 0) for number, one in enumerate(attempts)]
    compared = Table("attempts", ["", *who], [[name, *values] for name, values in of.items()])
    title = f"{told['dataset']['title']}: {hers['contestant']} against {best['contestant']}"
    summary = {
        "dataset": told["dataset"]["title"],
        "challenger": best["contestant"],
        "rules": told["rules"],
        "challenger's F1": best["test_f1"],
        "Oh-LoRA's F1": hers["test_f1"],
        "winner": told["winner"],
    }
    facts = {
        "subset": f"{subset.get('family')} {subset.get('seed')}",
        "training images": sum(subset.get("class_counts") or [0]),
        "classes": len(subset.get("class_names") or []),
        "she had expected": told["predicted_f1"],
        "her line": told.get("line"),
        "commit": told["commit"],
    }
    numbers = {name: points for name, points in logged(folder).items() if name.endswith("val_f1")}
    drawn = charts(numbers)
    shown = figures(folder, subset="contact_sheet.png", her_face="ohlora.png")
    shown += [] if drawn else figures(folder, curves="curves.png")
    parts = {"facts": facts, "charts": drawn, "figures": shown, "tables": [compared]}
    return "Matches", result(folder, marker, title, summary, **parts)


def trial(folder: Path, marker: Path) -> Found:
    told = content_of(marker)
    curve = told["curve"]
    params = {name.removeprefix("params."): told[name] for name in told if name.startswith("params.")}
    summary = {
        "dataset": told["dataset"],
        "subset": f"{told['family']} {told['seed']}",
        "validation F1": told["val_f1"],
        "test F1": told["test_f1"],
        "steps": told["steps"],
        "seconds": told["elapsed_s"],
    }
    lines = {
        name: [(p["step"], p[name]) for p in curve if p[name] is not None]
        for name in ("train_loss", "val_loss", "val_f1")
    }
    drawn = [
        Chart("loss", "optimiser steps", {name: lines[name] for name in ("train_loss", "val_loss")}),
        Chart("validation macro-F1", "optimiser steps", {"val_f1": lines["val_f1"]}, unit_range=True),
    ]
    facts = {**params, "device": told["device"], "precision": told["precision"], "commit": told["commit"]}
    shown = figures(folder, confusion="confusion.png", subset="contact_sheet.png")
    title = f"{told['dataset']}: test macro-F1 {told['test_f1']:.3f}"
    return "Trials watched", result(folder, marker, title, summary, facts=facts, charts=drawn, figures=shown)


def classifier(folder: Path, marker: Path) -> Found:
    card = content_of(marker)
    scores, images = card["scores"], card["scores"].get("images", {})
    summary = {
        "images of": card["subset"]["title"],
        "classes": len(card["class_names"]),
        "training images": images.get("train"),
        "validation F1": scores.get("val_f1"),
        "test F1": scores["test_f1"],
    }
    low, high = scores.get("test_f1_95") or (None, None)
    facts = {
        "test macro-F1, 95 %": None if low is None else f"{low:.3f} to {high:.3f}",
        "expected": scores.get("expected_f1"),
        **card["params"],
        "command": card.get("command"),
        "commit": card.get("commit"),
    }
    shown = figures(folder, curve="curve.png", confusion="confusion.png", mistakes="mistakes.png")
    wrong = csv_rows(folder / "mistakes.csv") if (folder / "mistakes.csv").is_file() else []
    tables = [table_of("mistakes on test images", wrong)] if wrong else []
    title = f"{card['subset']['title']}: test macro-F1 {scores['test_f1']:.3f}"
    return "Classifiers", result(folder, marker, title, summary, facts=facts, figures=shown, tables=tables)


def advice(folder: Path, marker: Path) -> Found:
    told = content_of(marker)
    images, expected = told["images"], told["expected"]
    summary = {
        "images of": images["title"],
        "classes": len(images["classes"]),
        "training images": images["train"],
        "expected F1": expected["macro_f1"],
        "95 %": "{:.2f} to {:.2f}".format(*expected["interval_95"]),
    }
    gains = {effect["name"]: effect["gain"] for effect in told["effects"]}
    rows = [
        {"hyperparameter": name, "value": value, "gain on the worst value": gains.get(name)}
        for name, value in told["params"].items()
    ]
    parts = {
        "notes": told["notes"],
        "figures": figures(folder, what_moved_the_choice="advice.png"),
        "tables": [table_of("advice", rows)],
    }
    return "Advice", result(folder, marker, images["title"], summary, **parts)


def sweep(folder: Path, marker: Path) -> Found:
    rows, numbers = csv_rows(marker), logged(folder)
    best = max(rows, key=lambda row: float(row["val_f1"]))
    summary = {
        "subsets": len(rows),
        "trials trained here": len(numbers.get("trial/val_f1", [])),
        "best validation F1": float(best["val_f1"]),
        "of subset": best["subset"],
    }
    trials = {
        name.partition("/")[2]: numbers[name] for name in ("trial/val_f1", "trial/test_f1") if name in numbers
    }
    drawn = [Chart("each trial's macro-F1", "trials", trials, dots=True, unit_range=True)] if trials else []
    if len(numbers.get("best_val_f1", [])) > 1:
        lines = {"best_val_f1": numbers["best_val_f1"]}
        drawn.append(Chart("best validation macro-F1 so far", "trials", lines, unit_range=True))
    tables = [table_of("each subset's best", rows)]
    return "Sweeps", result(folder, marker, folder.name, summary, charts=drawn, tables=tables)


def table_of_trials(folder: Path, work: Path) -> Found:
    return of_trials(folder, work, read_table([folder]))


def of_trials(folder: Path, work: Path, frame: Any) -> Found:
    """A table folder by its rows, a DataFrame."""
    marker = folder / "trials.parquet"
    groups = [
        {
            "dataset": name,
            "family": family,
            "subsets": part["seed"].nunique(),
            "trials": len(part),
            "validation F1, mean": part["val_f1"].mean(),
            "best": part["val_f1"].max(),
            "diverged": int((part["status"] == "diverged").sum()),
            "seconds a trial": part["elapsed_s"].mean(),
        }
        for (name, family), part in frame.groupby(["dataset", "family"])
    ]
    summary = {
        "trials": len(frame),
        "subsets": len(frame[["dataset", "family", "seed"]].drop_duplicates()),
        "datasets": frame["dataset"].nunique(),
        "best validation F1": frame["val_f1"].max(),
    }
    picture = plot_scores(frame, work / f"scores_{len(list(work.iterdir()))}.png")
    rates = frame[["params.learning_rate", "val_f1", "dataset"]].dropna()
    rates = rates.sample(min(len(rates), DOTS), random_state=0).sort_values("params.learning_rate")
    dots = {
        str(name): list(zip(part["params.learning_rate"], part["val_f1"], strict=True))
        for name, part in rates.groupby("dataset")
    }
    title = "validation macro-F1 by learning rate"
    marker = marker if marker.is_file() else folder / "journal"
    parts = {
        "charts": [Chart(title, "learning rate", dots, dots=True, unit_range=True, log_x=True)],
        "figures": [Figure("test macro-F1 of all trials", picture)],
        "tables": [table_of("by dataset", groups)],
    }
    return "Tables of trials", result(folder, marker, folder.name, summary, **parts)


def target_table(folder: Path, marker: Path) -> Found:
    card = content_of(marker)
    counts = {name: value for name, value in card["counts"].items() if not isinstance(value, dict)}
    rows = [{"dataset": name, **part} for name, part in card["per_dataset"].items()]
    facts = {
        **{f"noise: {name}": value for name, value in card["noise_floor"].items()},
        "commit": card["commit"],
    }
    drawn = figures(folder, scores="scores.png", what_each_hyperparameter_does="effects.png")
    title = f"{counts['trials']:,} trials on {counts['subsets']:,} subsets"
    tables = [table_of("by dataset", rows)]
    return "Target tables", result(folder, marker, title, counts, facts=facts, figures=drawn, tables=tables)


def read_report(folder: Path, marker: Path) -> Found | None:
    """A report.json, whose keys tell whose it is."""
    told = content_of(marker)
    if "league" in told:
        return league(folder, marker, told)
    if "predictor" in told.get("scores", {}):
        return predictor(folder, marker, told)
    if told.get("kind") == "ohlora.encoder" or "codes" in told.get("scores", {}):
        return encoder(folder, marker, told)
    if "stage" in told and "losses" in told:
        return language_model(folder, marker, told)
    if "header" in told and "rows" in told:
        return acceptance(folder, marker, told)
    if "retrieval" in told and "answerers" in told:
        return chat(folder, marker, told)
    if told and all(isinstance(one, dict) and "raw lines" in one for one in told.values()):
        return voice(folder, marker, told)
    return None


def league(folder: Path, marker: Path, told: dict[str, Any]) -> Found:
    summary = {"league": told["league"], "complete": told["complete"], "planned": told["planned"]}
    every = [row for row in told.get("glance", []) if row["group"] == "all"]
    most = {row["rival"]: row for row in sorted(every, key=lambda row: row["trials"])}
    rows = [
        {
            "rival": row["rival"],
            "its trials": row["trials"],
            "her win rate": row["win_rate"],
            "her F1 less its": row["difference"],
            # None where a dataset has one subset only.
            "95 %": "" if row["low"] is None else f"{row['low']:+.3f} to {row['high']:+.3f}",
        }
        for row in most.values()
    ]
    if head := most.get(told["settings"]["headline"]):
        summary |= {f"difference to {head['rival']}": head["difference"], "win rate": head["win_rate"]}
    tables = [table_of("Oh-LoRA without trials against each rival with all of its", rows)] if rows else []
    if goals := told.get("goals"):
        tables.append(table_of("goals", [{**goal, "met": "yes" if goal["met"] else "no"} for goal in goals]))
    shown = figures(
        folder,
        win_rate_and_difference_by_trials="against_trials.png",
        by_seconds="against_seconds.png",
        regret="regret.png",
        calibration="calibration.png",
    )
    parts = {
        "facts": {name: told[name] for name in ("command", "commit")},
        "notes": told["notes"],
        "figures": shown,
        "tables": tables,
    }
    title = f"{told['league']}: {told['complete']} of {told['planned']} subsets"
    return "Leagues", result(folder, marker, title, summary, **parts)


def predictor(folder: Path, marker: Path, told: dict[str, Any]) -> Found:
    own = told["scores"]["predictor"]
    summary = {"trials": told["trials"], "subsets": told["subsets"], **own}
    rows = [{"method": name, **scores} for name, scores in told["scores"].items()]
    if sources := told.get("scores_on_sources_held_out"):
        rows.append({"method": "predictor, whole sources unseen", **sources})
    facts = {"held out": told["held_out"], "features": ", ".join(told["features"])}
    drawn = list(predicted_against_earned(folder))
    title = f"{told['trials']:,} trials, Pearson {own['pearson']:.3f}"
    parts = {
        "facts": facts,
        "charts": drawn,
        "figures": figures(folder, predicted_against_earned="scatter.png"),
        "tables": [table_of("on subsets that no fit has seen", rows)],
    }
    return "Predictors", result(folder, marker, title, summary, **parts)


def predicted_against_earned(folder: Path) -> Iterator[Chart]:
    """Dots of what CSV runs keep of the held-out predictions, a colour a dataset."""
    for path in sorted(folder.glob("csv*/predictor_predictions.csv")):
        frame = pd.read_csv(path)
        frame = frame.sample(min(len(frame), DOTS), random_state=0).sort_values("earned")
        dots = {
            str(name): list(zip(part["earned"], part["predicted"], strict=True))
            for name, part in frame.groupby("dataset")
        }
        title = "predicted macro-F1, subset unseen"
        yield Chart(title, "macro-F1 earned", dots, dots=True, unit_range=True)


def encoder(folder: Path, marker: Path, told: dict[str, Any]) -> Found:
    codes, rebuilt = told["scores"]["codes"], told["scores"]["reconstructions"]
    summary = {
        "dataset": told["dataset"],
        "training images": told["training_images"],
        "5-NN accuracy": codes["neighbour_accuracy"],
        "of pixels": codes["neighbour_accuracy_of_pixels"],
        "different / same distance": codes["different_over_same"],
        "PSNR, dB": rebuilt["psnr"],
    }
    facts = {**told["training"], "command": told.get("command"), "commit": told.get("commit")}
    shown = figures(
        folder, reconstructions="reconstructions.png", codes="codes.png", nearest_pairs="nearest_pairs.png"
    )
    drawn = charts(logged(folder))
    title = f"{told['dataset']}: 5-nearest-neighbour accuracy {codes['neighbour_accuracy']:.3f}"
    return "Encoders", result(folder, marker, title, summary, facts=facts, charts=drawn, figures=shown)


def language_model(folder: Path, marker: Path, told: dict[str, Any]) -> Found:
    lines = {name: points for name, points in told["losses"].items() if points}
    summary = {
        "stage": told["stage"],
        "steps": told["steps"],
        "seconds": told["elapsed_s"],
        "held-out loss": told["eval_loss"],
        "bits a character": told.get("bits_a_character"),
    }
    facts = {name: told.get(name) for name in ("model", "parameters", "rows", "device", "command", "commit")}
    drawn = [Chart("loss, nats a token", "optimiser steps", lines)] if lines else []
    shown = [] if drawn else figures(folder, losses="losses.png")
    return "Voice: training", result(
        folder, marker, told["stage"], summary, facts=facts, charts=drawn, figures=shown
    )


def voice(folder: Path, marker: Path, told: dict[str, Any]) -> Found:
    first = next(iter(told))
    wrong = "raw lines with a known contradiction"
    summary = {
        "narrator": first,
        "shown lines": told[first].get("shown lines"),
        wrong: told[first].get(wrong),
    }
    rows = [{"quantity": key, **{name: one.get(key) for name, one in told.items()}} for key in told[first]]
    tables = [table_of("measured", rows)]
    for path in sorted(folder.glob("sample_*.json")):
        spoken = json.loads(path.read_text(encoding="utf-8"))
        lines = [{"line": one["line"], "verdicts": " ".join(one["verdicts"])} for one in spoken[:20]]
        tables.append(table_of(f"lines of {path.stem.removeprefix('sample_')}", lines))
    return "Voice: measured", result(folder, marker, folder.name, summary, tables=tables)


def acceptance(folder: Path, marker: Path, told: dict[str, Any]) -> Found:
    names = ("subject", "quantity", "value", "verdict")
    verdicts = [row["verdict"] for row in told["rows"]]
    summary = {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}
    rows = [{name: row[name] for name in names} for row in told["rows"]]
    parts = {"notes": told["header"], "tables": [table_of("gates and targets", rows)]}
    return "Her face", result(folder, marker, "acceptance", summary, **parts)


def face_network(folder: Path, names: Sequence[str]) -> Found:
    cards = {name.removesuffix(".report.json"): content_of(folder / name) for name in names}
    rows = [
        {"network": name, "score": key, "value": value}
        for name, card in cards.items()
        for key, value in card["scores"].items()
        if isinstance(value, int | float)
    ]
    shown = [figure for name in [*cards, "passed"] for figure in figures(folder, **{name: f"{name}.png"})]
    summary = {"networks": ", ".join(cards)}
    parts = {"charts": charts(logged(folder)), "figures": shown, "tables": [table_of("scores", rows)]}
    return "Her face", result(folder, folder / names[0], ", ".join(cards), summary, **parts)


def chat(folder: Path, marker: Path, told: dict[str, Any]) -> Found:
    keys = ("hit@1", "hit@5", "mrr", "balanced_accuracy", "query_cpu_ms")
    rows = [
        {"retriever": name, **{key: one.get(key) for key in keys}} for name, one in told["retrieval"].items()
    ]
    summary = {"hit@1": rows[0]["hit@1"], "moods": told["moods"]["classifier"]}
    parts = {
        "facts": {"commit": told["commit"], **{f"kills: {name}": one for name, one in told["kills"].items()}},
        "figures": figures(folder, moods="moods.png"),
        "tables": [table_of("memory", rows)],
    }
    return "Chat", result(folder, marker, "chat", summary, **parts)


def other_run(folder: Path) -> Found | None:
    numbers = logged(folder)
    if not numbers:
        return None
    values = last_values(numbers)
    marker = next(iter([*sorted(folder.glob("csv*/metrics.csv")), folder / "tensorboard"]))
    rows = [{"metric": name, "last value": value} for name, value in values.items()]
    summary = {"metrics": len(numbers), "steps": max(points[-1][0] for points in numbers.values())}
    parts = {"charts": charts(numbers), "tables": [table_of("last values", rows)]}
    return "Other runs", result(folder, marker, folder.name, summary, **parts)


MARKERS: dict[str, Callable[[Path, Path], Found]] = {
    "match.json": match,
    "trial.json": trial,
    "classifier.json": classifier,
    "advice.json": advice,
    "winners.csv": sweep,
    "target_table.json": target_table,
}
DAMAGED = (OhloraError, OSError, KeyError, TypeError, ValueError, IndexError, AttributeError)
