"""The work of `model=hp_predictor`: fit the predictor on a table, judge it on held-out subsets."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning.pytorch.loggers import Logger
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingRegressor

from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.features.describe import encoders_digest
from ohlora.features.table import with_features
from ohlora.predictor.calibration import correlation, order_near_the_best
from ohlora.predictor.cross_fit import CrossFit, Method, cross_fit, cross_predict_each, ensemble_predictions
from ohlora.predictor.foreign import SCORE, read_foreign
from ohlora.predictor.jobs import FitPredictor
from ohlora.predictor.predictor import NAME
from ohlora.predictor.report import plot_scatter
from ohlora.predictor.table import PredictorTable, folds, predictor_table
from ohlora.processes import process_count, start_processes
from ohlora.records.table import comparable_rows, read_table
from ohlora.space import Space
from ohlora.tracking import log_picture, log_table


def fit_predictor(job: FitPredictor) -> float:
    """Return the mean rank correlation within unseen subsets, -1 to 1."""
    devices = job.trainer.devices
    count = len(devices) if isinstance(devices, tuple) else devices  # which cards is nothing to a CPU
    processes = process_count(count, torch.device("cpu"))
    job.hardware.use_threads()
    console, out = Console(), Path(job.output_dir)
    frame, game = table_to_fit(job)
    ensemble = partial(ensemble_predictions, game.space, job.settings, job.seed)
    table = predictor_table(frame, game.space, game.target, game.features)
    if table.n_groups < 2 * job.folds:
        raise OhloraError(
            f"the table has {table.n_groups} subsets; {job.folds} folds need {2 * job.folds} or more"
        )
    console.print(f"{len(frame)} trials on {table.n_groups} subsets, {len(table.feature_names)} features")
    methods: dict[str, Method] = {
        "hyperparameters only": lambda a, b: ensemble(blind(a), blind(b)),
        "gradient-boosted trees": boosted_trees,
        "mean": lambda a, b: np.full(len(b.target), a.target.mean()),
    }
    weighed = {name: (method, table) for name, method in methods.items()}
    for name, patterns in (job.ablation or {}).items():
        part = predictor_table(frame, game.space, game.target, patterns)
        weighed[f"features: {name}"] = (ensemble, part)
    start_processes(processes)
    fitted = cross_fit(table, game.space, job.settings, job.seed, job.folds)
    predictions = cross_predict_each(weighed, folds(table.group, job.folds, job.seed))
    if fitted is None:
        return math.nan  # the first process reports what all have fitted
    scores = {"predictor": judge(table, fitted.known.own)}
    scores |= {name: judge(weighed[name][1], prediction) for name, prediction in predictions.items()}
    report = {
        "trials": len(frame),
        "subsets": table.n_groups,
        "per_dataset": frame.groupby("dataset").size().to_dict(),
        "features": list(game.features),
        "held_out": f"{job.folds} folds by subset, seed {job.seed}",
        "scores": scores,
        **held_out_report(fitted),
    }
    card = {
        "report": report,
        "protocol": frame["protocol"].iloc[0] if "protocol" in frame else job.protocol.fingerprint,
        "tables": [Path(t).name for t in job.tables],
        # Features that do not say what made them may be of any encoders.
        "encoders": encoders_digest(Path(job.encoders)) if "features_version" in frame else None,
    }
    final = fitted.calibrated(game.space, job.seed, frame, card)
    for folder in filter(None, (out, job.save_to)):
        final.save(Path(folder), NAME)
    write_json(out / "report.json", report)
    picture = plot_scatter(table, fitted.known.own, out / "scatter.png")
    log_report(job.logger, report, fitted, picture)
    console.print(report_table(scores))
    console.print(f"predictor: {out / 'hp_predictor.safetensors'}")
    if job.columns is None:
        console.print(f"play with it: python battle.py paths.predictor={out.as_posix()}")
    return scores["predictor"]["within_subset_rank"]


@dataclass(frozen=True)
class Game:
    """What a table's trials were about: hyperparameters, the score, what datasets are described by."""

    space: Space
    target: str
    features: Sequence[str]  # name patterns


def table_to_fit(job: FitPredictor) -> tuple[pd.DataFrame, Game]:
    """The rows to learn from, with the features of their subsets."""
    if job.columns is not None:
        foreign = read_foreign(job.tables, Path(job.columns))
        return foreign.frame, Game(foreign.space, SCORE, ["*"])
    return own_table(job), Game(job.space, job.target, job.features)


def own_table(job: FitPredictor) -> pd.DataFrame:
    drawn = {name: family.fingerprint for name, family in job.families.items()}
    frame = read_table(job.tables)
    frame = comparable_rows(frame, protocol_to_fit(frame, job.protocol.fingerprint), drawn)
    return with_features(frame, job.datasets, job.families, Path(job.encoders), Path(job.cache_dir))


def protocol_to_fit(frame: pd.DataFrame, today: str) -> str:
    """The protocol of the trials to learn from: today's where there are such, else the table's only one.

    So size=smoke, whose own trials are too short to learn from, fits a small predictor on the table that
    ships. The predictor's card has the protocol it was fitted on.
    """
    found = sorted(set(frame["protocol"])) if "protocol" in frame else []
    if len(found) != 1 or found[0] == today:
        return today
    warnings.warn(
        f"the table's trials are all of protocol {found[0]}, not {today}: the predictor learns that"
        " game, and its card says so",
        stacklevel=2,
    )
    return found[0]


def blind(table: PredictorTable) -> PredictorTable:
    """The same rows, nothing to be seen of their subsets."""
    return PredictorTable(
        ("nothing",),
        np.zeros((len(table.target), 1)),
        table.params,
        table.target,
        table.group,
        table.datasets,
    )


def boosted_trees(train: PredictorTable, test: PredictorTable) -> np.ndarray:
    model = HistGradientBoostingRegressor(max_iter=400, learning_rate=0.06, random_state=0)
    model.set_params(early_stopping=False)
    model.fit(np.hstack([train.features, train.params]), train.target)
    return model.predict(np.hstack([test.features, test.params]))


def judge(table: PredictorTable, prediction: np.ndarray) -> dict[str, float]:
    """Pearson, Spearman, mean absolute error, and what counts in a battle: the order inside a subset.

    `within_subset_rank` is the mean over subsets of Spearman's rho; `regret` the mean loss of playing
    the trial predicted best instead of the one that was best, in macro-F1. Correlations of a constant
    prediction count as 0.
    """
    ranks, regrets = [], []
    for g in range(table.n_groups):
        rows = table.group == g
        scores, guesses = table.target[rows], prediction[rows]
        if rows.sum() < 4 or np.ptp(scores) < 1e-9:
            continue
        ranks.append(rank_correlation(scores, guesses))
        chosen = scores[guesses == guesses.max()].mean()  # ties: any of them
        regrets.append(scores.max() - chosen)
    return {
        "pearson": correlation(table.target, prediction),
        "spearman": rank_correlation(table.target, prediction),
        "mean_absolute_error": float(np.abs(table.target - prediction).mean()),
        "within_subset_rank": float(np.mean(ranks)) if ranks else 0.0,
        "regret": float(np.mean(regrets)) if regrets else 0.0,
    }


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rho, ties sharing their rank; 0 where one of them is constant."""
    return correlation(rankdata(a), rankdata(b))


def held_out_report(fitted: CrossFit) -> dict[str, Any]:
    """How fits do on sources they did not see, and how well they order what is near the best."""
    found, _ = fitted.calibration
    parts = {"subsets held out": fitted.known, "sources held out": fitted.unseen}
    return {
        "scores_on_sources_held_out": judge(fitted.table, fitted.unseen.own) if fitted.unseen else None,
        "order_near_the_best": {
            name: order_near_the_best(fitted.table, held_out, found)
            for name, held_out in parts.items()
            if held_out is not None
        },
    }


def log_report(logger: Logger, report: Mapping[str, Any], fitted: CrossFit, picture: Path) -> None:
    """The report for whoever keeps it: scores, a row a method, a row a trial, the picture."""
    log_picture(logger, "predictor_scatter", picture)
    rows = pd.DataFrame([{"method": name, **values} for name, values in report["scores"].items()])
    log_table(logger, "predictor_report", rows)
    log_table(logger, "predictor_predictions", prediction_rows(fitted))
    on_sources = report["scores_on_sources_held_out"] or {}
    told = {f"sources/{name}": value for name, value in on_sources.items()}
    logger.log_metrics({**report["scores"]["predictor"], **told})


def prediction_rows(fitted: CrossFit) -> pd.DataFrame:
    """What each trial earned, and what fits said of it that saw no trial of its subset, or of its source."""
    table = fitted.table
    columns = {"dataset": table.datasets, "subset": table.group, "earned": table.target}
    columns["predicted"] = fitted.known.own
    if fitted.unseen:
        columns["predicted_source_unseen"] = fitted.unseen.own
    return pd.DataFrame(columns)


def report_table(scores: dict[str, dict[str, float]]) -> Table:
    table = Table(title="on subsets never seen in fitting")
    table.add_column("method")
    for name in next(iter(scores.values())):
        table.add_column(name.replace("_", " "), justify="right")
    for name, values in scores.items():
        table.add_row(name, *(f"{value:.3f}" for value in values.values()))
    return table
