"""Which kind of model should predict: python benchmarks/predictors.py [method ...]

    pip install lightgbm catboost gpytorch

The ensemble that ships beside gradient boosting, a Gaussian process with a deep kernel, and mixtures, fitted
on one half and judged on the other: halves of the subsets, dataset by dataset, and halves of the datasets,
which are then unseen. Judged by the trials of the other half (correlation, order within a subset, regret,
order near the best) and by the choice: of CANDIDATES params each method takes the one it expects most of, and
what that earns over the ensemble's best params on average is said by methods fitted on the other half, each
kind in turn, as a judge may favour its own. Means over subsets with 95 % bootstrap intervals; `cpu_seconds`
are of all that a method fits on one half (trees: three models). Writes docs/results/predictors.json when all
were run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from choice_rules import SEED, halves, interval, job_of, some_of
from torch import Tensor, nn

from ohlora.durable import write_json
from ohlora.predictor.calibration import NEAR_BEST, Known, best_rows, correlation, within
from ohlora.predictor.cross_fit import source_folds
from ohlora.predictor.fit import judge, own_table
from ohlora.predictor.jobs import FitPredictor
from ohlora.predictor.predictor import fit, standardised
from ohlora.predictor.table import PredictorTable, predictor_table
from ohlora.provenance import current_commit

CANDIDATES = 1024
NEIGHBOURS = 32
ROWS = 200_000  # predicted at a time
OUT = Path("docs/results/predictors.json")

# (features [n, features], encoded params [n, columns]) -> macro-F1 [n]
Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]
Fit = Callable[[FitPredictor, PredictorTable], dict[str, Predict]]


def ensemble(job: FitPredictor, train: PredictorTable) -> dict[str, Predict]:
    """By a subset's own features, and by the mean of its nearest known subsets'."""
    fitted = fit(train, job.space, job.settings, job.seed)
    known = Known(fitted.known)

    def own(features: np.ndarray, params: np.ndarray) -> np.ndarray:
        vectors = standardised(torch.from_numpy(features).float(), fitted.mean, fitted.std)
        return fitted.members(vectors, params).mean(0).double().numpy()

    def neighbours(features: np.ndarray, params: np.ndarray) -> np.ndarray:
        vectors = standardised(torch.from_numpy(features).float(), fitted.mean, fitted.std)
        each, place = torch.unique(vectors, dim=0, return_inverse=True)
        near = torch.cat([known.near(one[None], NEIGHBOURS) for one in each])
        return fitted.members(near[place], params).mean(0).double().numpy()

    return {"ensemble": own, "neighbours": neighbours}


def trees(library: str, job: FitPredictor, train: PredictorTable) -> dict[str, Predict]:
    """Gradient boosting, and two of them: for a subset's level, for the differences inside it."""
    inputs = np.hstack([train.features, train.params])
    order = within(train.target, train.group)
    whole, level, differences = (
        of_rows(boosted(library).fit(inputs, one)) for one in (train.target, train.target - order, order)
    )
    return {library: whole, f"{library}, level and order apart": lambda f, p: level(f, p) + differences(f, p)}


def of_rows(model) -> Predict:
    return lambda features, params: model.predict(np.hstack([features, params]))


def boosted(library: str):
    if library == "lightgbm":
        from lightgbm import LGBMRegressor  # pyright: ignore[reportMissingImports]

        return LGBMRegressor(
            n_estimators=800, learning_rate=0.03, num_leaves=31, min_child_samples=10, subsample=0.8,
            subsample_freq=1, colsample_bytree=0.6, reg_lambda=1.0, n_jobs=1, verbose=-1, random_state=SEED,
        )  # fmt: skip
    from catboost import CatBoostRegressor  # pyright: ignore[reportMissingImports]

    return CatBoostRegressor(
        iterations=1500, depth=7, learning_rate=0.05, thread_count=1, verbose=False, random_seed=SEED,
        allow_writing_files=False,
    )  # fmt: skip


def deep_kernel(job: FitPredictor, train: PredictorTable) -> dict[str, Predict]:
    """A Gaussian process on what a linear model of a subset's level leaves open.

    Sparse variational (Hensman et al. 2013), Matérn 5/2 over the params and four learned features of the
    subset (deep kernel learning, Wilson et al. 2016).
    """
    import gpytorch  # pyright: ignore[reportMissingImports]

    torch.manual_seed(SEED)
    mean, std = train.features.mean(0), train.features.std(0) + 1e-6
    level = ridge(train.features, train.target)

    def tensor(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).float()

    def inputs(features: np.ndarray, params: np.ndarray) -> Tensor:
        return tensor(np.hstack([((features - mean) / std).clip(-4, 4), params]))

    n_features = train.features.shape[1]
    rows = np.random.default_rng(SEED).permutation(len(train.target))
    x, y = inputs(train.features, train.params), tensor(train.target - level(train.features))

    class Process(gpytorch.models.ApproximateGP):
        def __init__(self, inducing: Tensor) -> None:
            distribution = gpytorch.variational.CholeskyVariationalDistribution(len(inducing))
            super().__init__(gpytorch.variational.VariationalStrategy(self, inducing, distribution))
            self.mean_module = gpytorch.means.ConstantMean()
            columns = 4 + train.params.shape[1]
            self.covar_module = gpytorch.kernels.ScaleKernel(
                gpytorch.kernels.MaternKernel(ard_num_dims=columns)
            )

        def forward(self, z: Tensor):
            return gpytorch.distributions.MultivariateNormal(self.mean_module(z), self.covar_module(z))

    seen = nn.Sequential(nn.Linear(n_features, 64), nn.SiLU(), nn.Dropout(0.1), nn.Linear(64, 4))

    def mapped(x: Tensor) -> Tensor:
        return torch.cat([seen(x[:, :n_features]), x[:, n_features:]], dim=1)

    process = Process(mapped(x[rows[:512]]).detach())
    likelihood = gpytorch.likelihoods.GaussianLikelihood()
    bound = gpytorch.mlls.PredictiveLogLikelihood(likelihood, process, num_data=len(y))
    modules = nn.ModuleList([process, likelihood, seen])
    optimizer = torch.optim.Adam(modules.parameters(), lr=1e-2)
    modules.train()
    for _ in range(25):
        for batch in torch.randperm(len(y)).split(512):
            optimizer.zero_grad()
            loss = -bound(process(mapped(x[batch])), y[batch])
            loss.backward()
            optimizer.step()
    modules.eval()

    @torch.no_grad()
    def predict(features: np.ndarray, params: np.ndarray) -> np.ndarray:
        part = inputs(features, params).split(4096)
        found = torch.cat([process(mapped(some)).mean for some in part])
        return level(features) + found.double().numpy()

    return {"gaussian process": predict}


def ridge(features: np.ndarray, target: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 12))).fit(features, target).predict


METHODS: dict[str, Fit] = {
    "ensemble": ensemble,
    "lightgbm": partial(trees, "lightgbm"),
    "catboost": partial(trees, "catboost"),
    "gaussian process": deep_kernel,
}
# Means of others' predictions; "neighbours" is the ensemble's for the mean of the nearest known subsets.
MIXTURES = {
    "ensemble, half neighbours'": ("ensemble", "neighbours"),
    "ensemble and catboost": ("ensemble", "catboost"),
}
JUDGES = ("ensemble", "catboost")


@dataclass(frozen=True)
class Side:
    """Half of a table with all that was fitted on it; choices are made for the other half's subsets."""

    table: PredictorTable
    fitted: dict[str, Predict]

    def predict(self, name: str, features: np.ndarray, params: np.ndarray) -> np.ndarray:
        parts = MIXTURES.get(name, (name,))
        found = np.zeros(len(params))
        for start in range(0, len(params), ROWS):
            rows = slice(start, start + ROWS)
            for part in parts:
                found[rows] += self.fitted[part](features[rows], params[rows]) / len(parts)
        return found


def side(job: FitPredictor, table: PredictorTable, names: Sequence[str], seconds: dict[str, float]) -> Side:
    fitted = {}
    for name in names:
        start = time.process_time()
        fitted |= METHODS[name](job, table)
        seconds[name] = seconds.get(name, 0.0) + time.process_time() - start
        print(f"  {name}: {time.process_time() - start:.0f} CPU s", flush=True)
    return Side(table, fitted)


def by_trials(names: Sequence[str], fits: Side, held_out: PredictorTable) -> dict[str, dict[str, float]]:
    """How the trials of subsets that were not fitted are predicted."""
    found = {}
    by_neighbours = fits.predict("neighbours", held_out.features, held_out.params)
    rows = best_rows(held_out, by_neighbours, NEAR_BEST)
    group = held_out.group[rows]
    target = within(held_out.target[rows], group)
    for name in names:
        predicted = fits.predict(name, held_out.features, held_out.params)
        near = correlation(target, within(predicted[rows], group))
        found[name] = {**judge(held_out, predicted), "order_near_the_best": near}
    return found


def by_choice(
    names: Sequence[str], chooser: Side, other: Side, candidates: np.ndarray, known: bool
) -> list[dict]:
    """A row for each subset of `other`: what each method's choice earns there, by each judge."""
    fixed = fixed_answers(chooser, candidates, known)
    rows = []
    for g in some_of(other.table):
        row = int(np.flatnonzero(other.table.group == g)[0])
        dataset = str(other.table.datasets[row]) if known else "all"
        features = np.repeat(other.table.features[row : row + 1], len(candidates), axis=0)
        worth = {one: other.predict(one, features, candidates) for one in JUDGES}
        found = {"dataset": str(other.table.datasets[row])}
        for name in names:
            best = int(chooser.predict(name, features, candidates).argmax())
            found |= {(name, one): values[best] - values[fixed[dataset]] for one, values in worth.items()}
        rows.append(found)
    return rows


def fixed_answers(chooser: Side, candidates: np.ndarray, known: bool) -> dict[str, int]:
    """Which candidate the ensemble expects most of on average, for each dataset or for all."""
    table = chooser.table
    totals: dict[str, np.ndarray] = {}
    for g in some_of(table):
        row = int(np.flatnonzero(table.group == g)[0])
        features = np.repeat(table.features[row : row + 1], len(candidates), axis=0)
        dataset = str(table.datasets[row]) if known else "all"
        totals[dataset] = totals.get(dataset, 0.0) + chooser.predict("ensemble", features, candidates)
    return {dataset: int(total.argmax()) for dataset, total in totals.items()}


def compared(
    job: FitPredictor, table: PredictorTable, masks: Sequence[np.ndarray], fitted: Sequence[str], known: bool
) -> dict:
    """Every method on each half, judged by and on the other."""
    seconds: dict[str, float] = {}
    first, second = (side(job, table.rows(mask), fitted, seconds) for mask in masks)
    names = [*first.fitted, *(name for name, parts in MIXTURES.items() if {*parts} <= {*first.fitted})]
    trials = [by_trials(names, first, second.table), by_trials(names, second, first.table)]
    encoded = job.space.encode_positions(
        np.random.default_rng(SEED).random((CANDIDATES, len(job.space.free)))
    )
    rows = [
        *by_choice(names, first, second, encoded, known),
        *by_choice(names, second, first, encoded, known),
    ]
    told = {}
    for name in names:
        both = [half[name] for half in trials]
        told[name] = {key: round(float(np.mean([one[key] for one in both])), 4) for key in both[0]}
        for one in JUDGES:
            earned = np.array([row[name, one] for row in rows])
            told[name][f"earned_by_{one}"] = {
                "mean": round(float(earned.mean()), 4),
                "interval": interval(earned),
            }
    each = {name: round(total / 2, 1) for name, total in seconds.items()}
    return {"subsets_chosen_for": len(rows), "cpu_seconds": each, "methods": told}


def main(asked: list[str]) -> None:
    torch.set_num_threads(1)
    job = job_of([])
    table = predictor_table(own_table(job), job.space, job.target, job.features)
    fitted = [*dict.fromkeys(["ensemble", "catboost", *asked])] if asked else [*METHODS]
    report = {"commit": current_commit(), "trials": len(table.target), "subsets": table.n_groups}
    print("subsets unseen", flush=True)
    report["subsets_unseen"] = compared(job, table, halves(table), fitted, known=True)
    print("datasets unseen", flush=True)
    masks = source_folds(table.datasets, 2)
    report["datasets_unseen"] = compared(job, table, masks, fitted, known=False)
    for part in ("subsets_unseen", "datasets_unseen"):
        print(f"{part}: {report[part]['subsets_chosen_for']} subsets")
        for name, values in report[part]["methods"].items():
            print(f"  {name:34} {values}")
    if not asked:
        write_json(OUT, report)


if __name__ == "__main__":
    main(sys.argv[1:])
