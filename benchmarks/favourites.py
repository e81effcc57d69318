"""What promises earn where they were trained: python benchmarks/favourites.py

Trials of `chooser=favourites` in the table that ships: the fixed answer of the dataset and what single
members of a predictor like best, one training each. A predictor fitted without half of each dataset's subsets
judges that half, both ways round. Of a subset's trials it prefers the one it expects most of. Told are what
that one promises over the fixed answer and what it earned, macro-F1 on test, where only promises above a
margin are followed: mean, 95 % bootstrap interval over subsets, share followed, share won (not followed:
half); and by dataset, size and batch size what is expected too much. The fixed answer is the params tried on
most subsets of the dataset. Writes docs/results/favourites.json.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from choice_rules import halves, interval, job_of
from few_shot import Pool, pools, trials

from ohlora.durable import write_json
from ohlora.predictor.fit import own_table
from ohlora.predictor.fixed import tried_most
from ohlora.provenance import current_commit

MARGINS = (0.0, 0.005, 0.01, 0.015, 0.02)
SIZES = (0, 300, 1000, 10_000)  # training images
SMALL = 64  # batch size from which on a batch is a large one
LEAST, MOST = 2, 10_000  # trials of a subset, subsets of a dataset
OUT = Path("docs/results/favourites.json")


def judged(pool: Pool, fixed: dict) -> Iterator[dict]:
    """A row a trial of a subset: what was expected and scored."""
    predicted = pool.predictor.on(pool.vector).members(pool.encoded).mean(0)
    images = np.exp(pool.features[pool.predictor.feature_names.index("counts.log_images")])
    for params, expected, scored in zip(pool.params, predicted.tolist(), pool.test.tolist(), strict=True):
        yield {
            "subset": pool.seed,
            "dataset": pool.dataset,
            "images": float(images),
            "batch_size": params["batch_size"],
            "fixed": params == fixed,
            "expected": expected,
            "scored": scored,
        }


def preferred(trials: pd.DataFrame) -> dict:
    """What the trial of highest expectation promises and earns over the subset's fixed answer."""
    fixed, best = trials.loc[trials.fixed].iloc[0], trials.loc[trials.expected.idxmax()]
    return {
        "dataset": fixed.dataset,
        "images": fixed.images,
        "promised": best.expected - fixed.expected,
        "earned": best.scored - fixed.scored,
    }


def by_margin(subsets: pd.DataFrame) -> list[dict]:
    found = []
    for margin in MARGINS:
        followed = subsets.promised.to_numpy() > margin
        earned = np.where(followed, subsets.earned, 0.0)
        found.append(
            {
                "margin": margin,
                "followed": round(float(followed.mean()), 3),
                "earned": round(float(earned.mean()), 4),
                "interval": interval(earned),
                "won": round(float(((earned > 0) + 0.5 * (earned == 0)).mean()), 3),
            }
        )
    return found


def parts(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    sizes = pd.cut(frame.images, SIZES, labels=[f"up to {size}" for size in SIZES[1:]])
    return {
        "all": frame,
        **{str(name): part for name, part in frame.groupby("dataset")},
        **{f"{name} images": part for name, part in frame.groupby(sizes, observed=True)},
    }


def main() -> None:
    torch.set_num_threads(1)
    job = job_of([])
    table, val, params = trials(job)
    learned = own_table(job)
    fixed = {str(name): tried_most(learned, job.space, name) for name in np.unique(table.datasets)}
    rows: list[dict] = []
    for half in halves(table):
        for pool in pools(job, table, half, val, params, LEAST, MOST):
            answer = fixed[pool.dataset]
            if answer in pool.params:
                rows += judged(pool, answer)
    frame = pd.DataFrame(rows)
    subsets = pd.DataFrame([preferred(some) for _, some in frame.groupby("subset")])
    frame["too_much"] = frame.expected - frame.scored
    frame["batch"] = np.where(frame.batch_size >= SMALL, f"{SMALL} and more", f"below {SMALL}")
    report = {
        "commit": current_commit(),
        "trials": len(frame),
        "subsets": len(subsets),
        "preferred": {
            name: {"subsets": len(some), "by_margin": by_margin(some)}
            for name, some in parts(subsets).items()
        },
        "expected_too_much": {
            name: {
                str(batch): {"trials": len(some), "mean": round(float(some.too_much.mean()), 4)}
                for batch, some in part.groupby("batch")
            }
            for name, part in parts(frame).items()
        },
    }
    for name, part in report["preferred"].items():
        print(name, part, report["expected_too_much"][name], flush=True)
    write_json(OUT, report)


if __name__ == "__main__":
    main()
