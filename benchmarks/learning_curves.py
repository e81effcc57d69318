"""What more subsets and more datasets teach the predictor: python benchmarks/learning_curves.py

The ensemble that ships (its own prediction, without the neighbours' share), fitted on a part of one half of
the table and judged by the trials of the other half, both ways round. Halves of the subsets, dataset by
dataset: the part is a share of the subsets of each dataset. Halves of the datasets, then unseen: the part is
some of the datasets, all their trials, DRAWS times. Told: mean over fits of Pearson, rank within a subset,
order among the near-best trials (best NEAR_BEST of a subset by a fit on all of the half) and regret, and the
standard deviation over fits. Writes docs/results/learning_curves.json.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from choice_rules import SEED, halves, job_of

from ohlora.durable import write_json
from ohlora.predictor.calibration import NEAR_BEST, best_rows, correlation, within
from ohlora.predictor.cross_fit import predict_rows, source_folds
from ohlora.predictor.fit import judge, own_table
from ohlora.predictor.jobs import FitPredictor
from ohlora.predictor.predictor import fit
from ohlora.predictor.table import PredictorTable, predictor_table
from ohlora.provenance import current_commit

SHARES = (0.125, 0.25, 0.5, 1.0)
DATASETS = (1, 2, 4, 7)
DRAWS = 3
OUT = Path("docs/results/learning_curves.json")


def shares(table: PredictorTable) -> Iterator[tuple[float, np.ndarray]]:
    """(share, rows of that share of each dataset's subsets), the whole first."""
    rng = np.random.default_rng(SEED)
    orders = [rng.permutation(np.unique(table.group[table.datasets == d])) for d in np.unique(table.datasets)]
    for share in reversed(SHARES):
        kept = np.concatenate([order[: max(1, round(share * len(order)))] for order in orders])
        yield share, np.isin(table.group, kept)


def numbers(table: PredictorTable) -> Iterator[tuple[int, np.ndarray]]:
    """(number, rows of so many of the datasets), the whole first."""
    names = np.unique(table.datasets)
    rng = np.random.default_rng(SEED)
    for number in reversed(DATASETS):
        for _ in range(1 if number >= len(names) else DRAWS):
            yield min(number, len(names)), np.isin(table.datasets, rng.permutation(names)[:number])


def judged(job: FitPredictor, table: PredictorTable, held_out: np.ndarray, unseen: bool) -> Iterator[dict]:
    rest, judge_by = table.rows(~held_out), table.rows(held_out)
    near: np.ndarray | None = None
    for size, rows in (numbers if unseen else shares)(rest):
        part = rest.rows(rows)
        predicted = predict_rows(fit(part, job.space, job.settings, SEED), judge_by)
        if near is None:
            near = best_rows(judge_by, predicted, NEAR_BEST)
        group = judge_by.group[near]
        order = correlation(within(judge_by.target[near], group), within(predicted[near], group))
        sizes = {"size": size, "subsets": part.n_groups, "trials": len(part.target)}
        row = {**sizes, **judge(judge_by, predicted), "order_near_the_best": order}
        print(row, flush=True)
        yield row


def told(rows: list[dict]) -> list[dict]:
    found = []
    for size in sorted({row["size"] for row in rows}):
        some = [row for row in rows if row["size"] == size]
        one: dict = {"size": size, "fits": len(some)}
        for name in [name for name in some[0] if name != "size"]:
            values = np.array([row[name] for row in some])
            one |= {name: round(float(values.mean()), 4), f"{name}_sd": round(float(values.std()), 4)}
        found.append(one)
    return found


def main() -> None:
    torch.set_num_threads(1)
    job = job_of([])
    table = predictor_table(own_table(job), job.space, job.target, job.features)
    report: dict = {"commit": current_commit()}
    for name, masks, unseen in (
        ("subsets_unseen", halves(table), False),
        ("datasets_unseen", source_folds(table.datasets, 2), True),
    ):
        report[name] = told([row for mask in masks for row in judged(job, table, mask, unseen)])
        print(name, *report[name], sep="\n  ", flush=True)
    write_json(OUT, report)


if __name__ == "__main__":
    main()
