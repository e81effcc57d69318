"""What promises earn where they were trained: python benchmarks/favourites.py [TABLE ...]

Trials of `chooser=favourites` on subsets that no table had: the fixed answer of the dataset and what single
members of a predictor like best, one training each. Of a subset's trials the predictor that ships prefers the
one it expects most of. Told are what that one promises over the fixed answer and what it earned, macro-F1 on
test, where only promises above a margin are followed: mean, 95 % bootstrap interval over subsets, share
followed, share won (not followed: half); and by dataset, size and batch size what it expects too much.
Subsets that it has learned from, or without the fixed answer, are left out. Writes
docs/results/favourites.json.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from choice_rules import interval, job_of
from few_shot import trials

from ohlora.durable import write_json
from ohlora.predictor.predictor import Predictor, load, standardised
from ohlora.predictor.table import PredictorTable
from ohlora.provenance import current_commit

MARGINS = (0.0, 0.005, 0.01, 0.015, 0.02)
SIZES = (0, 300, 1000, 10_000)  # training images
SMALL = 64  # batch size from which on a batch is a large one
OUT = Path("docs/results/favourites.json")


def judged(predictor: Predictor, table: PredictorTable, params: list[dict]) -> pd.DataFrame:
    """A row a trial: what was expected and scored; of subsets that `predictor` has not learned from."""
    images = np.exp(table.features[:, table.feature_names.index("counts.log_images")])
    rows = []
    for group in range(table.n_groups):
        own = np.flatnonzero(table.group == group)
        raw = torch.from_numpy(table.features[own[:1]]).float()
        vector = standardised(raw, predictor.mean, predictor.std)
        dataset = str(table.datasets[own[0]])
        fixed = [params[i] == predictor.card["fixed_answers"].get(dataset) for i in own]
        if torch.isclose(predictor.known, vector, atol=1e-4).all(1).any() or not any(fixed):
            continue
        expected = predictor.on(vector).members(table.params[own]).mean(0).numpy()
        rows += [
            {
                "subset": group,
                "dataset": dataset,
                "images": float(images[i]),
                "batch_size": params[i]["batch_size"],
                "fixed": is_fixed,
                "expected": float(f1),
                "scored": float(table.target[i]),
            }
            for i, is_fixed, f1 in zip(own, fixed, expected, strict=True)
        ]
    return pd.DataFrame(rows)


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


def main(tables: list[str]) -> None:
    torch.set_num_threads(1)
    table, _, params = trials(job_of(tables))
    frame = judged(load(), table, params)
    if frame.empty:
        sys.exit("no subset has the fixed answer and is new to the predictor")
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
    main(sys.argv[1:] or ["docs/results/target_table/favourites.parquet"])
