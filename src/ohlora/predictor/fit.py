"""`train.py model=hp_predictor`: the target table becomes Oh-LoRA's instinct, judged on unseen subsets."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from lightning.pytorch.loggers import Logger
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingRegressor

from ohlora.datasets.families import Family
from ohlora.datasets.readers import DatasetReader
from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.features.table import add_features
from ohlora.hardware import Hardware
from ohlora.predictor.model import PredictorSettings
from ohlora.predictor.predictor import Predictor, fit, standardised, with_noise
from ohlora.predictor.report import plot_scatter
from ohlora.predictor.table import FEATURE, PredictorTable, folds, predictor_table
from ohlora.processes import is_main, process_count, rank, start_processes, summed, world_size
from ohlora.records.table import of_one_game, read_table
from ohlora.space import Space
from ohlora.tracking import log_picture, log_table
from ohlora.trainer import TrainerSettings
from ohlora.trials.protocol import Protocol

# Fits on some rows, predicts others: (train, test) -> macro-F1 [test rows].
Method = Callable[[PredictorTable, PredictorTable], np.ndarray]


@dataclass(frozen=True)
class FitPredictor:
    """Fit the predictor on a table and report how it does on subsets it never saw."""

    tables: list[str]
    space: Space
    settings: PredictorSettings
    protocol: Protocol
    features: list[str]  # name patterns of the feature groups in use
    ablation: dict[str, list[str]] | None  # name -> patterns: feature groups weighed against each other
    target: str
    folds: int
    seed: int
    datasets: Mapping[str, DatasetReader]
    families: Mapping[str, Family]
    encoders: str
    cache_dir: str
    save_to: str | None  # a folder: keep the predictor there as well
    output_dir: str
    hardware: Hardware
    trainer: TrainerSettings  # its `devices`: processes that share the fits
    logger: Logger

    def run(self) -> float:
        """Return the mean rank correlation within unseen subsets, -1 to 1."""
        devices = self.trainer.devices
        count = len(devices) if isinstance(devices, tuple) else devices  # which cards is nothing to a CPU
        processes = process_count(count, torch.device("cpu"))
        self.hardware.use_threads()
        console, out = Console(), Path(self.output_dir)
        frame = self._frame()
        table = predictor_table(frame, self.space, self.target, self.features)
        if table.n_groups < 2 * self.folds:
            raise OhloraError(
                f"the table has {table.n_groups} subsets; {self.folds} folds need {2 * self.folds} or more"
            )
        console.print(f"{len(frame)} trials on {table.n_groups} subsets, {len(table.feature_names)} features")
        methods: dict[str, Method] = {
            "predictor": self._ensemble,
            "hyperparameters only": lambda a, b: self._ensemble(blind(a), blind(b)),
            "gradient-boosted trees": boosted_trees,
            "mean": lambda a, b: np.full(len(b.target), a.target.mean()),
        }
        held_out = folds(table.group, self.folds, self.seed)
        weighed = {name: (method, table) for name, method in methods.items()}
        for name, patterns in (self.ablation or {}).items():
            part = predictor_table(frame, self.space, self.target, patterns)
            weighed[f"features: {name}"] = (self._ensemble, part)
        start_processes(processes)
        final = fit(table, self.space, self.settings, self.seed) if is_main() else None
        predictions = cross_predict_each(weighed, held_out)
        if final is None:
            return math.nan  # the first process reports what all have fitted
        scores = {name: judge(weighed[name][1], prediction) for name, prediction in predictions.items()}
        noise = float(np.sqrt(np.mean((predictions["predictor"] - table.target) ** 2)))
        report = {
            "trials": len(frame),
            "subsets": table.n_groups,
            "per_dataset": frame.groupby("dataset").size().to_dict(),
            "features": list(self.features),
            "held_out": f"{self.folds} folds by subset, seed {self.seed}",
            "scores": scores,
        }
        card = {
            "report": report,
            "protocol": self.protocol.fingerprint,
            "tables": [Path(t).name for t in self.tables],
        }
        final = with_noise(final, noise, card)
        final.save(out, "hp_predictor")
        if self.save_to:
            final.save(Path(self.save_to), "hp_predictor")
        write_json(out / "report.json", report)
        picture = plot_scatter(table, predictions["predictor"], out / "scatter.png")
        log_picture(self.logger, "predictor_scatter", picture)
        rows = pd.DataFrame([{"method": name, **values} for name, values in scores.items()])
        log_table(self.logger, "predictor_report", rows)
        own = scores["predictor"]
        self.logger.log_metrics(own)
        console.print(report_table(scores))
        console.print(f"predictor: {out / 'hp_predictor.safetensors'}")
        console.print(f"play with it: python battle.py paths.predictor={out.as_posix()}")
        return own["within_subset_rank"]

    def _frame(self) -> pd.DataFrame:
        drawn = {name: family.fingerprint for name, family in self.families.items()}
        frame = of_one_game(read_table(self.tables), self.protocol.fingerprint, drawn)
        described = frame.filter(regex=f"^{re.escape(FEATURE)}")
        if described.shape[1] and not described.isna().any(axis=None):
            return frame
        return add_features(frame, self.datasets, self.families, Path(self.encoders), Path(self.cache_dir))

    def _ensemble(self, train: PredictorTable, test: PredictorTable) -> np.ndarray:
        predictor = fit(train, self.space, self.settings, self.seed)
        return predict_rows(predictor, test)


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
    weighed: Mapping[str, tuple[Method, PredictorTable]], held_out: list[np.ndarray]
) -> dict[str, np.ndarray]:
    """Each row's prediction by each method on its table.

    Several processes deal the fits out, so that each fit is the one a single process would make: one
    takes a second or so, and gradients sent to and fro at every step would cost more than they save.
    """
    predictions = {name: np.zeros(len(table.target)) for name, (_, table) in weighed.items()}
    # The first process has the fit on all rows behind it, so the second is served first.
    for turn, (name, mask) in enumerate(itertools.product(weighed, held_out), start=1):
        if turn % world_size() == rank():
            method, table = weighed[name]
            predictions[name][mask] = method(table.rows(~mask), table.rows(mask))
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
        ranks.append(rank_correlation(scores, guesses) if np.ptp(guesses) > 1e-9 else 0.0)
        chosen = scores[guesses == guesses.max()].mean()  # ties: any of them
        regrets.append(scores.max() - chosen)
    flat = np.ptp(prediction) < 1e-9
    return {
        "pearson": 0.0 if flat else float(np.corrcoef(table.target, prediction)[0, 1]),
        "spearman": 0.0 if flat else rank_correlation(table.target, prediction),
        "mean_absolute_error": float(np.abs(table.target - prediction).mean()),
        "within_subset_rank": float(np.mean(ranks)) if ranks else 0.0,
        "regret": float(np.mean(regrets)) if regrets else 0.0,
    }


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rho, ties sharing their rank."""
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def report_table(scores: dict[str, dict[str, float]]) -> Table:
    table = Table(title="on subsets never seen in fitting")
    table.add_column("method")
    for name in next(iter(scores.values())):
        table.add_column(name.replace("_", " "), justify="right")
    for name, values in scores.items():
        table.add_row(name, *(f"{value:.3f}" for value in values.values()))
    return table
