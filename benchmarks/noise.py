"""What chance does to a trial's score, and what is left to know near the best: python benchmarks/noise.py

repeats       trials of one subset with the same params and other seeds, by how far their mean lies below the
              best such mean of the subset: the standard deviation of the test score, and of the part that
              validation shares (the same weights, other images), which is the luck of a training
differences   the standard deviation of validation less test score of a trial, as
              scale * (images / 300)^images * (4 f1 (1 - f1))^level, f1 the mean of both (maximum likelihood)
near_best     of a subset's best trials by a predictor that never saw it (halves of the subsets): the standard
              deviation of their test scores around the subset's mean, of the part that validation shares
              (params, and the luck of a training), and of what is predicted of it; the correlation of
              predicted and test

All in macro-F1 over the table that ships. Writes docs/results/noise.json.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from choice_rules import SEED, halves, job_of
from few_shot import trials

from ohlora.durable import write_json
from ohlora.predictor.calibration import best_rows, correlation, log_spread, within
from ohlora.predictor.cross_fit import predict_rows
from ohlora.predictor.jobs import FitPredictor
from ohlora.predictor.predictor import fit
from ohlora.predictor.table import PredictorTable
from ohlora.provenance import current_commit

BELOW_BEST = (0.0, 0.02, 0.1, 1.0)  # macro-F1
SHARES = (0.4, 0.2, 0.1)  # of a subset's trials
OUT = Path("docs/results/noise.json")


def shared_sd(a: np.ndarray, b: np.ndarray) -> float:
    """Standard deviation of what two scores have in common; 0 where they have nothing."""
    return float(np.sqrt(max(np.mean(a * b), 0.0)))


def around_mean(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Values less their group's mean, scaled so that mean squares are unbiased variances."""
    count = np.bincount(group)[group]
    return within(values, group) * np.sqrt(count / (count - 1))


def repeats(table: PredictorTable, val: np.ndarray) -> list[dict]:
    same = np.column_stack([table.group, table.params])
    which = np.unique(same, axis=0, return_inverse=True)[1]
    rows = np.flatnonzero(np.bincount(which)[which] > 1)
    group = np.unique(which[rows], return_inverse=True)[1]
    test, mean = table.target[rows], (np.bincount(group, table.target[rows]) / np.bincount(group))[group]
    best = np.zeros(table.n_groups)
    np.maximum.at(best, table.group[rows], mean)
    below = best[table.group[rows]] - mean
    by_test, by_val = around_mean(test, group), around_mean(val[rows], group)
    found = []
    for low, high in pairwise(BELOW_BEST):
        some = (below >= low) & (below < high)
        if not some.any():
            continue
        sd, luck = shared_sd(by_test[some], by_test[some]), shared_sd(by_test[some], by_val[some])
        told = rounded({"sd": sd, "shared_with_validation": luck})
        found.append({"below_best": [low, high], "trials": int(some.sum()), **told})
    return found


def differences(table: PredictorTable, val: np.ndarray, images: np.ndarray) -> dict:
    f1 = ((val + table.target) / 2).clip(0.01, 0.99)
    inputs = np.column_stack([np.ones(len(f1)), np.log(images / 300), np.log(4 * f1 * (1 - f1))])
    constant, by_images, by_level = log_spread(inputs, val - table.target)
    return rounded({"scale": float(np.exp(constant)), "images": float(by_images), "level": float(by_level)})


def near_best(job: FitPredictor, table: PredictorTable, val: np.ndarray) -> list[dict]:
    predicted = np.zeros(len(val))
    for mask in halves(table):
        chooser = fit(table.rows(~mask), job.space, job.settings, SEED)
        predicted[mask] = predict_rows(chooser, table.rows(mask))
    found = []
    for share in SHARES:
        rows = best_rows(table, predicted, share)
        rows = rows[np.bincount(table.group[rows], minlength=table.n_groups)[table.group[rows]] > 1]
        group = np.unique(table.group[rows], return_inverse=True)[1]
        test, by_val, guess = (around_mean(one[rows], group) for one in (table.target, val, predicted))
        sd, alike = shared_sd(test, test), correlation(test, guess)
        told = {"sd": sd, "shared_with_validation": shared_sd(test, by_val), "predicted": alike * sd}
        found.append({"share": share, "trials": len(rows), **rounded({**told, "correlation": alike})})
    return found


def rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def main() -> None:
    torch.set_num_threads(1)
    job = job_of([])
    table, val, _ = trials(job)
    images = np.exp(table.features[:, table.feature_names.index("counts.log_images")])
    report = {
        "commit": current_commit(),
        "repeats": repeats(table, val),
        "differences": differences(table, val, images),
        "near_best": near_best(job, table, val),
    }
    for name, found in report.items():
        print(name, *(found if isinstance(found, list) else [found]), sep="\n  ", flush=True)
    write_json(OUT, report)


if __name__ == "__main__":
    main()
