"""What the predictor's promises earn over a fixed answer: python benchmarks/promises.py

Over a table's own trials, as few_shot.py has them: on each subset with eight trials or more, the trial that
the predictor prefers against the fixed answer among them, which is the trial with the highest mean
prediction over known subsets of its dataset. The predictor was fitted on other subsets (halves, dataset by
dataset), or on other datasets (halves of the datasets); there the known subsets are those of the dataset most
like the subset.

Told: what is promised and what is earned (macro-F1 on test) by size of the promise, and what is earned on
average over all subsets where only promises above a margin are followed, with 95 % intervals over subsets.
A match asks thousands of params, not sixteen or so, so promises there are larger than these and worth less.
Writes docs/results/promises.json.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from choice_rules import halves, interval, job_of
from few_shot import Pool, pools, trials

from ohlora.durable import write_json
from ohlora.predictor.cross_fit import source_folds
from ohlora.provenance import current_commit

LEAST, MOST = 8, 10_000  # trials of a subset, subsets of a dataset
AVERAGED = 40  # known subsets that a fixed answer is averaged over
MARGINS = (0.0, 0.005, 0.01, 0.015, 0.02, 0.03)
OUT = Path("docs/results/promises.json")


def fixed(pool: Pool) -> int:
    """The trial that is best on average over known subsets of the pool's dataset, or the one most like it."""
    predictor = pool.predictor
    dataset = pool.dataset
    if dataset not in predictor.known_datasets:
        dataset = predictor.on(pool.vector).nearest_dataset()
    rows = [i for i, name in enumerate(predictor.known_datasets) if name == dataset]
    rows = rows[:: max(1, len(rows) // AVERAGED)]
    return int(predictor.on_each(predictor.known[rows], pool.encoded).mean(dim=(0, 1)).argmax())


def compared(pool: Pool) -> dict:
    expected = pool.belief([]).mean(pool.encoded)
    own, plain = int(expected.argmax()), fixed(pool)
    return {
        "promised": float(expected[own] - expected[plain]),
        "earned": float(pool.test[own] - pool.test[plain]),
        "familiar": pool.predictor.on(pool.vector).familiar,
    }


def told(rows: pd.DataFrame) -> dict:
    departing = rows[rows.promised > 0]
    return {
        "subsets": len(rows),
        "familiar": round(float(rows.familiar.mean()), 3),
        "by_promise": [
            {
                "promised": [low, high],
                "subsets": len(some),
                "earned": round(float(some.earned.mean()), 4),
                "interval": interval(some.earned.to_numpy()),
            }
            for low, high in pairwise([*MARGINS, 1.0])
            if len(some := departing.loc[departing.promised.between(low, high, inclusive="right")])
        ],
        "by_margin": [
            {
                "margin": margin,
                "followed": round(float((rows.promised > margin).mean()), 3),
                "earned": round(float(earned.mean()), 4),
                "interval": interval(earned),
            }
            for margin in MARGINS
            for earned in [np.where(rows.promised > margin, rows.earned, 0.0)]
        ],
    }


def main() -> None:
    torch.set_num_threads(1)
    job = job_of([])
    table, val, params = trials(job)
    report: dict[str, Any] = {"commit": current_commit()}
    cuts = {"subsets_unseen": halves(table), "datasets_unseen": source_folds(table.datasets, 2)}
    for part, masks in cuts.items():
        found = [pools(job, table, mask, val, params, LEAST, MOST) for mask in masks]
        report[part] = told(pd.DataFrame([compared(pool) for some in found for pool in some]))
        print(part, report[part], flush=True)
    write_json(OUT, report)


if __name__ == "__main__":
    main()
