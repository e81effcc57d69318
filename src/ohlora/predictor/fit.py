"""The work of `model=hp_predictor`: fit the predictor on a table, judge it on held-out subsets."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingRegressor
from torch import Tensor

from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.features.describe import encoders_digest
from ohlora.features.table import add_features, describable, made_today
from ohlora.predictor.calibration import (
    VIEWS,
    Calibration,
    Errors,
    HeldOut,
    Known,
    as_views,
    calibrate,
    correlation,
    of_views,
    order_near_the_best,
    predicted_views,
)
from ohlora.predictor.fixed import best_on_average, fixed_answers
from ohlora.predictor.foreign import SCORE, read_foreign
from ohlora.predictor.jobs import FitPredictor, PredictorSettings
from ohlora.predictor.predictor import NAME, Predictor, fit, standardised, with_noise
from ohlora.predictor.report import plot_scatter
from ohlora.predictor.table import PredictorTable, folds, predictor_table
from ohlora.processes import is_main, process_count, rank, start_processes, summed, world_size
from ohlora.progress import progress
from ohlora.records.table import comparable_rows, read_table
from ohlora.space import Space
from ohlora.tracking import log_picture, log_table

# Fits on some rows, predicts others: (train, test) -> macro-F1 [test rows].
Method = Callable[[PredictorTable, PredictorTable], np.ndarray]


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
    held_out = folds(table.group, job.folds, job.seed)
    sources = source_folds(table.datasets, job.folds)
    weighed = {name: (method, table) for name, method in methods.items()}
    for name, patterns in (job.ablation or {}).items():
        part = predictor_table(frame, game.space, game.target, patterns)
        weighed[f"features: {name}"] = (ensemble, part)
    start_processes(processes)
    final = fit(table, game.space, job.settings, job.seed) if is_main() else None
    views = partial(predict_views, game.space, job.settings, job.seed)
    known = cross_views(views, table, held_out)
    unseen = cross_views(views, table, sources) if len(sources) > 1 else None
    predictions = cross_predict_each(weighed, held_out)
    if final is None:
        return math.nan  # the first process reports what all have fitted
    scores = {"predictor": judge(table, known.own)}
    scores |= {name: judge(weighed[name][1], prediction) for name, prediction in predictions.items()}
    calibration, errors = calibrate(table, final.known_subsets, known, unseen)
    report = {
        "trials": len(frame),
        "subsets": table.n_groups,
        "per_dataset": frame.groupby("dataset").size().to_dict(),
        "features": list(game.features),
        "held_out": f"{job.folds} folds by subset, seed {job.seed}",
        "scores": scores,
        "scores_on_sources_held_out": judge(table, unseen.own) if unseen else None,
        "order_near_the_best": {
            name: order_near_the_best(table, held, calibration)
            for name, held in (("subsets held out", known), ("sources held out", unseen))
            if held is not None
        },
    }
    card = {
        "report": report,
        "protocol": frame["protocol"].iloc[0] if "protocol" in frame else job.protocol.fingerprint,
        "tables": [Path(t).name for t in job.tables],
        # Features that do not say what made them may be of any encoders.
        "encoders": encoders_digest(Path(job.encoders)) if "features_version" in frame else None,
        "fixed_answer": best_on_average(final, game.space, job.seed),
        "fixed_answers": fixed_answers(final, game.space, job.seed, frame),
    }
    final = trusted(final, table, known, (calibration, errors), card)
    final.save(out, NAME)
    if job.save_to:
        final.save(Path(job.save_to), NAME)
    write_json(out / "report.json", report)
    picture = plot_scatter(table, known.own, out / "scatter.png")
    log_picture(job.logger, "predictor_scatter", picture)
    rows = pd.DataFrame([{"method": name, **values} for name, values in scores.items()])
    log_table(job.logger, "predictor_report", rows)
    log_table(job.logger, "predictor_predictions", prediction_rows(table, known, unseen))
    own, on_sources = scores["predictor"], report["scores_on_sources_held_out"] or {}
    job.logger.log_metrics({**own, **{f"sources/{name}": value for name, value in on_sources.items()}})
    console.print(report_table(scores))
    console.print(f"predictor: {out / 'hp_predictor.safetensors'}")
    if job.columns is None:
        console.print(f"play with it: python battle.py paths.predictor={out.as_posix()}")
    return own["within_subset_rank"]


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
    if made_today(frame, Path(job.encoders)):
        return frame
    frame = describable(frame, job.datasets, job.families)
    return add_features(frame, job.datasets, job.families, Path(job.encoders), Path(job.cache_dir))


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


def source_folds(datasets: np.ndarray, count: int) -> list[np.ndarray]:
    """At most `count` boolean masks of held-out rows, whole datasets each, the large ones apart."""
    names, sizes = np.unique(datasets, return_counts=True)
    by_size = names[np.argsort(-sizes, kind="stable")]
    return [np.isin(datasets, by_size[i::count]) for i in range(min(count, len(names)))]


def trusted(
    predictor: Predictor,
    table: PredictorTable,
    known: HeldOut,
    found: tuple[Calibration, Errors],
    card: dict[str, Any],
) -> Predictor:
    """The predictor with what held-out subsets said of it in its card."""
    calibration, errors = found
    told = {**card, "calibration": asdict(calibration)}
    noise = float(np.sqrt(np.mean((known.own - table.target) ** 2)))
    return with_noise(predictor, noise, told, errors)


def cross_views(views: Method, table: PredictorTable, held_out: list[np.ndarray]) -> HeldOut:
    """What fits without a part of the subsets say of that part."""
    return of_views(cross_predict_each({"": (views, table)}, held_out, columns=VIEWS)[""])


def predict_views(
    space: Space, settings: PredictorSettings, seed: int, train: PredictorTable, test: PredictorTable
) -> np.ndarray:
    """As columns, what the ensemble fitted on `train` says of `test`: by own features, by neighbours'."""
    fitted = fit(train, space, settings, seed)
    vectors = standardised(torch.from_numpy(test.features).float(), fitted.mean, fitted.std)

    def mean(vector: Tensor, params: np.ndarray) -> np.ndarray:
        return fitted.members(vector, params).mean(dim=0).numpy()

    return as_views(predicted_views(mean, Known(fitted.known), vectors, test))


def ensemble_predictions(
    space: Space, settings: PredictorSettings, seed: int, train: PredictorTable, test: PredictorTable
) -> np.ndarray:
    return predict_rows(fit(train, space, settings, seed), test)


def predict_rows(predictor: Predictor, table: PredictorTable) -> np.ndarray:
    """Expected macro-F1 of every row."""
    vectors = standardised(torch.from_numpy(table.features).float(), predictor.mean, predictor.std)
    return predictor.members(vectors, table.params).mean(dim=0).numpy()


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


def cross_predict(method: Method, table: PredictorTable, held_out: list[np.ndarray]) -> np.ndarray:
    """Each row predicted by a fit that saw no trial of its subset."""
    return cross_predict_each({"": (method, table)}, held_out)[""]


def cross_predict_each(
    weighed: Mapping[str, tuple[Method, PredictorTable]],
    held_out: list[np.ndarray],
    columns: int | None = None,
) -> dict[str, np.ndarray]:
    """Each row's prediction by each method on its table; with `columns`, that many of each row.

    Several processes deal the fits out, so that each fit is the one a single process would make: one
    takes a second or so, and gradients sent to and fro at every step would cost more than they save.
    """
    wide = () if columns is None else (columns,)
    predictions = {name: np.zeros((len(table.target), *wide)) for name, (_, table) in weighed.items()}
    # The first process has the fit on all rows behind it, so the second is served first.
    turns = enumerate(itertools.product(weighed, held_out), start=1)
    mine = [fold for turn, fold in turns if turn % world_size() == rank()]
    shown = progress(len(mine), "fits without a part of the subsets") if is_main() else nullcontext(None)
    with shown as advance:
        for name, mask in mine:
            method, table = weighed[name]
            predictions[name][mask] = method(table.rows(~mask), table.rows(mask))
            if advance:
                advance()
    return {name: summed(torch.from_numpy(part)).numpy() for name, part in predictions.items()}


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


def prediction_rows(table: PredictorTable, known: HeldOut, unseen: HeldOut | None) -> pd.DataFrame:
    """What each trial earned, and what fits said of it that saw no trial of its subset, or of its source."""
    columns = {"dataset": table.datasets, "subset": table.group, "earned": table.target}
    columns["predicted"] = known.own
    if unseen:
        columns["predicted_source_unseen"] = unseen.own
    return pd.DataFrame(columns)


def report_table(scores: dict[str, dict[str, float]]) -> Table:
    table = Table(title="on subsets never seen in fitting")
    table.add_column("method")
    for name in next(iter(scores.values())):
        table.add_column(name.replace("_", " "), justify="right")
    for name, values in scores.items():
        table.add_row(name, *(f"{value:.3f}" for value in values.values()))
    return table
