"""What lies beyond the ends of the ranges where fixed answers sit: python benchmarks/range_ends.py [SUBSETS]

Batches of 512 images and no weight decay at all are no part of the space. On SUBSETS `varied` subsets each of
MNIST, Fashion-MNIST and CIFAR-10 (12; sweep seeds the shipped table has not) the dataset's fixed answer is
trained with them, and with batches of 128, two seeds each. Writes docs/results/range_ends.json: mean test
macro-F1 less the fixed answer's own, with 95 % bootstrap intervals over subsets.
"""

from __future__ import annotations

import itertools
import os
import platform
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from choice_rules import interval
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

import ohlora.door  # noqa: F401  (the resolvers conf/ uses)
from ohlora.build import build
from ohlora.datasets.subset import Subset, draw_valid_seeds
from ohlora.durable import write_json
from ohlora.hardware import Hardware
from ohlora.predictor.fixed import fixed_answer
from ohlora.predictor.predictor import load
from ohlora.progress import progress
from ohlora.provenance import current_commit
from ohlora.space import Params
from ohlora.trials.drivers import score_test, train
from ohlora.trials.protocol import Protocol

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "results" / "range_ends.json"
DATASETS = ("mnist", "fashion", "cifar10")
FIRST_SEED = 490_000
SEEDS = (1, 2)  # added to the subset's
CHANGES: dict[str, Params] = {
    "batch_size=128": {"batch_size": 128},
    "batch_size=512": {"batch_size": 512},
    "weight_decay=0": {"weight_decay": 0.0},
}


def main() -> None:
    torch.set_num_threads(1)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    answers = {}
    settings = {name: game(name) for name in DATASETS}
    hardware = build(settings[DATASETS[0]].hardware)
    for name, cfg in settings.items():
        parts = {key: build(cfg[key]) for key in ("dataset", "space", "protocol")}
        family, data = build(cfg.subset.family), parts["dataset"].load()
        answer = fixed_answer(load(cfg.paths.predictor), parts["space"], data.name)
        answers[name] = answer
        drawn = draw_valid_seeds(family, data, FIRST_SEED, Path(cfg.paths.cache_dir))
        with progress(count, f"subsets of {data.title}") as advance:
            for _, subset in itertools.islice(drawn, count):
                own = mean_f1(answer, subset, parts["protocol"], hardware)
                for change, params in CHANGES.items():
                    other = mean_f1({**answer, **params}, subset, parts["protocol"], hardware)
                    found[name, change].append(other - own)
                advance()
    report = {
        "command": f"python benchmarks/range_ends.py {count}",
        "commit": current_commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, 1 thread",
        "precision": hardware.resolve()[1],
        "subsets_per_dataset": count,
        "fixed_answers": answers,
        "less_the_fixed_answer": {
            group: {change: told([d for name in names for d in found[name, change]]) for change in CHANGES}
            for group, names in {"all": DATASETS, **{name: (name,) for name in DATASETS}}.items()
        },
    }
    write_json(OUT, report)
    for change, one in report["less_the_fixed_answer"]["all"].items():
        print(f"{change:20s} {one['difference']:+.4f} {one['interval']} on {one['subsets']} subsets")


def game(dataset: str) -> DictConfig:
    """The settings of trials on varied subsets of a dataset."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("train", overrides=[f"dataset={dataset}", "subset=varied", "paths.run_dir=unused"])


def mean_f1(params: Params, subset: Subset, protocol: Protocol, hardware: Hardware) -> float:
    """Mean test macro-F1 over SEEDS."""
    seeds = [subset.recipe.seed + more for more in SEEDS]
    return float(np.mean([score_test(train(params, subset, protocol, seed, hardware))[2] for seed in seeds]))


def told(differences: list[float]) -> dict:
    values = np.array(differences)
    return {"subsets": len(values), "difference": round(values.mean(), 4), "interval": interval(values)}


if __name__ == "__main__":
    main()
