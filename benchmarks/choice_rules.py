"""Which rule turns predictions into a choice that earns what it promises: python benchmarks/choice_rules.py

Cross-fitted: the subsets are halved, by dataset; a predictor fitted on one half chooses for the subsets of
the other, and the predictor fitted on these values what was chosen. Earned and promised are macro-F1 over
the params that are best on average on the chooser's own subsets of that dataset, means over subsets with
95 % bootstrap intervals; only what is earned is said by somebody who did not choose. Tables may be named,
else it is the one that ships. Writes docs/results/choice_rules.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from torch import Tensor

from ohlora.build import build
from ohlora.conf_files import CONF
from ohlora.predictor.calibration import Known
from ohlora.predictor.fit import own_table
from ohlora.predictor.fixed import best_on_average
from ohlora.predictor.jobs import FitPredictor
from ohlora.predictor.predictor import Predictor, fit, standardised
from ohlora.predictor.search import space_row
from ohlora.predictor.study_model import climb
from ohlora.predictor.table import PredictorTable, predictor_table
from ohlora.space import Space

SEED = 0
RESAMPLES = 10_000
MOST = 40  # subsets of a dataset, in each half
JITTERS = 6
JITTER = 0.05  # of each hyperparameter's range
OUT = Path("docs/results/choice_rules.json")


@dataclass(frozen=True)
class Rule:
    """What is maximised: a mean of own and neighbours' predictions, less a multiple of their spread."""

    share: float  # of the subset's own prediction
    neighbours: int = 32
    bound: float = 0.0  # standard deviations over the members
    smooth: bool = False  # over the neighbourhood of the params

    def worth(self, chooser: Predictor, vector: Tensor, encoded: np.ndarray) -> np.ndarray:
        members = self.share * chooser.members(vector, encoded) if self.share else 0.0
        if self.share < 1:
            near = Known(chooser.known).near(vector, self.neighbours)
            members = members + (1 - self.share) * chooser.members(near, encoded)
        assert isinstance(members, Tensor)
        return (members.mean(0) - self.bound * members.std(0)).numpy()


RULES = {
    "own": Rule(1.0),
    "own 0.75": Rule(0.75),
    "own 0.5": Rule(0.5),
    "own 0.25": Rule(0.25),
    "32 neighbours": Rule(0.0),
    "128 neighbours": Rule(0.0, neighbours=128),
    "own 0.5, 128 neighbours": Rule(0.5, neighbours=128),
    "own 0.5, lower bound by 1": Rule(0.5, bound=1.0),
    "own 0.5, lower bound by 2": Rule(0.5, bound=2.0),
    "own 0.5, smoothed": Rule(0.5, smooth=True),
}


def choose(rule: Rule, chooser: Predictor, space: Space, vector: Tensor, rng: np.random.Generator):
    def worth(positions: np.ndarray) -> np.ndarray:
        if not rule.smooth:
            return rule.worth(chooser, vector, space.encode_positions(positions))
        moved = positions[None] + rng.normal(0, JITTER, (JITTERS, *positions.shape))
        encoded = space.encode_positions(np.clip(moved, 0, 1).reshape(-1, positions.shape[1]))
        return rule.worth(chooser, vector, encoded).reshape(JITTERS, -1).mean(0)

    return space.at(climb(worth, np.empty((0, len(space.free))), rng))


def halves(table: PredictorTable) -> tuple[np.ndarray, np.ndarray]:
    """Masks of rows: each dataset's subsets fall into two halves."""
    rng = np.random.default_rng(SEED)
    first = np.zeros(len(table.group), bool)
    for dataset in np.unique(table.datasets):
        groups = np.unique(table.group[table.datasets == dataset])
        first |= np.isin(table.group, rng.permutation(groups)[::2])
    return first, ~first


def some_of(part: PredictorTable) -> list[int]:
    """At most MOST subsets of each dataset: choosing takes longer than fitting."""
    datasets = np.array([part.datasets[part.group == g][0] for g in range(part.n_groups)])
    return [int(g) for name in np.unique(datasets) for g in np.flatnonzero(datasets == name)[:MOST]]


def compared(chooser: Predictor, valuer: Predictor, part: PredictorTable, space: Space) -> Iterator[dict]:
    """One row for each subset of `part`, which `valuer` was fitted on."""
    fixed = {
        d: best_on_average(chooser, space, SEED, d)
        for d in np.unique(part.datasets)
        if d in chooser.known_datasets
    }
    for g in some_of(part):
        row = int(np.flatnonzero(part.group == g)[0])
        dataset = str(part.datasets[row])
        if dataset not in fixed:
            continue
        raw = torch.from_numpy(part.features[row : row + 1]).float()
        seen, judged = (standardised(raw, one.mean, one.std) for one in (chooser, valuer))
        base = space_row(space, fixed[dataset])
        level = float(valuer.members(judged, base).mean())
        found: dict = {"dataset": dataset}
        for name, rule in RULES.items():
            params = choose(rule, chooser, space, seen, np.random.default_rng(SEED))
            chosen = space_row(space, params)
            promised = rule.worth(chooser, seen, chosen) - rule.worth(chooser, seen, base)
            earned = float(valuer.members(judged, chosen).mean()) - level
            found[name] = (earned, float(promised[0]), float(params["learning_rate"]))
        yield found


def interval(values: np.ndarray) -> list[float]:
    draws = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    return [round(float(q), 4) for q in np.quantile(values[draws].mean(1), (0.025, 0.975))]


def summary(rows: list[dict], pick: Callable[[dict], bool] = lambda row: True) -> dict:
    some = [row for row in rows if pick(row)]
    told = {}
    for name in RULES:
        earned, promised, rate = (np.array([row[name][i] for row in some]) for i in range(3))
        told[name] = {
            "earned": round(float(earned.mean()), 4),
            "interval": interval(earned),
            "promised": round(float(promised.mean()), 4),
            "correlation": round(float(np.corrcoef(earned, promised)[0, 1]), 3),
            "learning_rate": [float(f"{q:.2g}") for q in np.quantile(rate, (0.1, 0.5, 0.9))],
        }
    return {"subsets": len(some), "rules": told}


def job_of(tables: list[str]) -> FitPredictor:
    """What fits the predictor, on these tables or on the one that ships."""
    overrides = [
        "model=hp_predictor",
        "paths.run_dir=run",
        *([f"tables=[{','.join(tables)}]"] if tables else []),
    ]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return build(compose("train", overrides).job)


def main(tables: list[str]) -> None:
    torch.set_num_threads(1)
    job = job_of(tables)
    table = predictor_table(own_table(job), job.space, job.target, job.features)
    first, second = halves(table)
    fits = [fit(table.rows(mask), job.space, job.settings, SEED) for mask in (first, second)]
    rows = [
        row
        for chooser, valuer, mask in ((*fits, second), (*fits[::-1], first))
        for row in compared(chooser, valuer, table.rows(mask), job.space)
    ]
    report = {"all": summary(rows)}
    for dataset in sorted({row["dataset"] for row in rows}):
        report[dataset] = summary(rows, lambda row, d=dataset: row["dataset"] == d)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for part, told in report.items():
        print(f"{part}: {told['subsets']} subsets")
        for name, values in told["rules"].items():
            print(f"  {name:28} {values}")


if __name__ == "__main__":
    main(sys.argv[1:])
