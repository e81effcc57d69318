"""OhLoRASampler beside Optuna's random search and TPE, on objectives whose best is known.

    OMP_NUM_THREADS=1 python benchmarks/sampler.py [seeds] [objective ...]

The predictor that ships, features of subsets it knows. Scores are given to the studies with noise (SD 0.01)
and told here without it, of the trial whose noisy score is best. Writes docs/results/sampler.json when all
objectives were run.

lr_4e-3 ... lr_1e-4   the whole space; best at that learning rate, some other hyperparameters matter a little
loss_1e-4             the same as a loss to minimise, on another scale
two_1e-4              a study of learning_rate and batch_size alone
similar               what the predictor expects on another subset: it is nearly right
reversed              1 - what the predictor expects: it is misleading on purpose
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import optuna
import torch

from ohlora.durable import write_json
from ohlora.predictor.predictor import Predictor, load
from ohlora.predictor.sampler import OhLoRASampler
from ohlora.predictor.search import search
from ohlora.predictor.study_space import distribution
from ohlora.provenance import current_commit
from ohlora.space import Params

ROOT = Path(__file__).resolve().parents[1]
TRIALS = 20
NOISE = 0.01
TOLD = (1, 2, 3, 4, 6, 8, 10, 15, 20)  # trials
# All keywords: Optuna 4.9 and 5.0 differ in what is the default.
TPE = {"n_startup_trials": 10, "n_ei_candidates": 24, "group": False, "constant_liar": False}

Objective = Callable[[Params], float]


def best_at(rate: float, params: Params) -> float:
    """0.97 at best."""
    apart = math.log10(float(params["learning_rate"]) / rate)
    return (
        0.97
        - 0.12 * apart**2
        - 0.1 * float(params["dropout_fc"]) / 0.6
        - 0.05 * (params["augmentation"] == "none")
        - 0.02 * abs(math.log2(float(params["batch_size"]) / 32))
        - 0.04 * (params["optimizer"] == "adam")
    )


def two_at(rate: float, params: Params) -> float:
    return 1 - 0.61 * math.log10(float(params["learning_rate"]) / rate) ** 2


def expected(predictor: Predictor, subset: int, params: Params) -> float:
    row = np.array([predictor.space.encode(params)])
    return float(predictor.members(predictor.known[subset : subset + 1], row).mean())


def reversed_expectation(predictor: Predictor, subset: int, params: Params) -> float:
    return 1 - expected(predictor, subset, params)


def objectives(predictor: Predictor, subset: int) -> dict[str, Objective]:
    other = (subset + len(predictor.known) // 2) % len(predictor.known)
    return {
        **{f"lr_{rate}": partial(best_at, float(rate)) for rate in ("4e-3", "1e-3", "3e-4", "1e-4")},
        "loss_1e-4": partial(best_at, 1e-4),
        "two_1e-4": partial(two_at, 1e-4),
        "similar": partial(expected, predictor, other),
        "reversed": partial(reversed_expectation, predictor, subset),
    }


def best_so_far(
    sampler: optuna.samplers.BaseSampler,
    objective: Objective,
    own: Params,
    names: list[str],
    loss: bool,
    predictor: Predictor,
    seed: int,
) -> np.ndarray:
    """The score, without noise, of the trial that looks best after each trial."""
    study = optuna.create_study(sampler=sampler, direction="minimize" if loss else "maximize")
    axes = {name: distribution(predictor.space.free[name]) for name in names}
    rng = np.random.default_rng(seed)
    true, noisy = [], []
    for _ in range(TRIALS):
        trial = study.ask(axes)
        true.append(objective({**own, **trial.params}))
        noisy.append(true[-1] + NOISE * rng.normal())
        study.tell(trial, 30 - 7 * noisy[-1] if loss else noisy[-1])
    return np.array([true[int(np.argmax(noisy[: n + 1]))] for n in range(TRIALS)])


def compare(name: str, predictor: Predictor, seeds: int) -> dict[str, object]:
    """Mean over seeds, each with the features of another known subset."""
    rows: dict[str, list[np.ndarray]] = {"ohlora": [], "random": [], "tpe": []}
    seconds = 0.0
    for seed in range(seeds):
        subset = seed * len(predictor.known) // seeds
        raw = predictor.known[subset] * predictor.std + predictor.mean
        features = dict(zip(predictor.feature_names, raw.tolist(), strict=True))
        own = search(predictor, predictor.space, predictor.vector(features), seed).params
        names = ["learning_rate", "batch_size"] if name.startswith("two") else list(predictor.space.free)
        run = partial(
            best_so_far,
            objective=objectives(predictor, subset)[name],
            own=own,
            names=names,
            loss=name.startswith("loss"),
            predictor=predictor,
            seed=seed,
        )
        started = time.process_time()
        rows["ohlora"].append(run(OhLoRASampler(predictor, predictor.space, features, seed)))
        seconds += time.process_time() - started
        rows["random"].append(run(optuna.samplers.RandomSampler(seed=1000 + seed)))
        rows["tpe"].append(run(optuna.samplers.TPESampler(seed=1000 + seed, multivariate=True, **TPE)))
    mean = {who: np.mean(runs, axis=0) for who, runs in rows.items()}
    apart = np.array(rows["ohlora"])[:, -1] - np.array(rows["random"])[:, -1]
    draws = apart[np.random.default_rng(0).integers(seeds, size=(2000, seeds))].mean(axis=1)
    return {
        "best_after": {who: {str(n): round(float(one[n - 1]), 4) for n in TOLD} for who, one in mean.items()},
        "ohlora_minus_random_at_20": round(float(apart.mean()), 4),
        "interval_95": np.quantile(draws, (0.025, 0.975)).round(4).tolist(),
        # At every number of trials: the fewest more that bring her to where random search is.
        "trials_behind_random": max(
            int(np.argmax(np.r_[mean["ohlora"], np.inf][n:] >= mean["random"][n])) for n in range(TRIALS)
        ),
        "cpu_s_per_trial": round(seconds / seeds / TRIALS, 3),
    }


def main() -> None:
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    predictor = load()
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    everything = list(objectives(predictor, 0))
    names = sys.argv[2:] or everything
    results = {}
    for name in names:
        results[name] = compare(name, predictor, seeds)
        print(name, *(f"{key}: {value}" for key, value in results[name].items()), sep="\n  ", flush=True)
    if names == everything:
        report = {
            "command": f"python benchmarks/sampler.py {seeds}",
            "commit": current_commit(),
            "optuna": optuna.__version__,
            "noise": NOISE,
            "results": results,
        }
        write_json(ROOT / "docs" / "results" / "sampler.json", report)


if __name__ == "__main__":
    main()
