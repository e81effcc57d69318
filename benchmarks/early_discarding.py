"""What giving up trials whose learning curve lags saves, and costs: python benchmarks/early_discarding.py 10

Trials of that many subsets of each of MNIST, Fashion-MNIST and CIFAR-10 (seeds from 34,000 up, 16 params of
the default space each) are trained to their end with every validation kept and scored on test; then each
rule is played over the curves, trials in the order they were drawn. The median rule gives a trial up at a
check where its best validation macro-F1 so far is below the median of the earlier trials' at that check
(Golovin et al. 2017, Google Vizier, section 3.2.2); `margin` gives it up where it lags the best of them by so
much. A trial given up keeps the test score of its best weights so far.

Saved is the share of optimiser steps, lost the best test macro-F1 of a subset that a sweep would have missed
(its pick being the best validation score), error what giving up does to the scores a predictor learns from.
Writes docs/results/early_discarding.json.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from torch import Tensor

from ohlora.build import build
from ohlora.conf_files import CONF
from ohlora.datasets.subset import TooFewImages
from ohlora.durable import write_json
from ohlora.hardware import Hardware
from ohlora.provenance import current_commit
from ohlora.trials.drivers import Check, EarlyStopping, Weights, score_test, train

CPU = Hardware(device="cpu", precision="32", threads=1)
CACHE = Path("outputs/benchmarks")
OUT = Path("docs/results/early_discarding.json")
DATASETS = ("mnist", "fashion", "cifar10")
FIRST_SEED = 34_000
PARAMS = 16
CHECKS = (2, 3, 5)  # the first check, of ten, at which a trial may be given up


@dataclass
class EveryCheck(EarlyStopping):
    """Stops as a trial does; keeps the best weights as they were at each check."""

    best: list[dict[str, Tensor]] = field(default_factory=list)

    def see(self, weights: Weights, check: Check) -> bool:
        stop = super().see(weights, check)
        self.best.append(self.weights or {name: one.clone() for name, one in weights().items()})
        return stop


@dataclass(frozen=True)
class Curve:
    """A trial at each of its checks."""

    steps: list[int]
    val_f1: list[float]  # of the weights that would be kept
    test_f1: list[float]  # of the same


def trained(params, subset, protocol, seed: int) -> Curve:
    every = EveryCheck(protocol.budget.patience)
    training = train(params, subset, protocol, seed, CPU, stopping=every)
    losses = np.array([point["val_loss"] for point in every.curve])
    kept = [
        int(np.argmin(np.where(np.isfinite(losses[: k + 1]), losses[: k + 1], np.inf)))
        for k in range(len(losses))
    ]
    scores: dict[int, float] = {}
    for k in sorted(set(kept)):
        training.module.load_state_dict(every.best[k])
        scores[k] = score_test(training)[2]
    steps = [int(point["step"]) for point in every.curve]
    return Curve(steps, [every.curve[k]["val_f1"] for k in kept], [scores[k] for k in kept])


def median_rule(earlier: Sequence[float], now: float) -> bool:
    return now < float(np.median(earlier))


def margin(by: float) -> Callable[[Sequence[float], float], bool]:
    return lambda earlier, now: now < max(earlier) - by


RULES = {"median": median_rule, **{f"margin {by}": margin(by) for by in (0.05, 0.1, 0.2)}}


def end_of(curve: Curve, earlier: Sequence[Curve], first: int, gives_up) -> int:
    """The check at which a trial ends."""
    for k in range(first - 1, len(curve.steps) - 1):
        rivals = [max(one.val_f1[: k + 1]) for one in earlier]
        if len(rivals) >= 3 and gives_up(rivals, max(curve.val_f1[: k + 1])):
            return k
    return len(curve.steps) - 1


def played(subsets: Sequence[Sequence[Curve]], first: int, gives_up) -> dict[str, float | list[float]]:
    steps = taken = given_up = trials = 0
    lost, errors = [], []
    for curves in subsets:
        ends = [end_of(curve, curves[:i], first, gives_up) for i, curve in enumerate(curves)]
        steps += sum(curve.steps[-1] for curve in curves)
        taken += sum(curve.steps[end] for curve, end in zip(curves, ends, strict=True))
        given_up += sum(end < len(curve.steps) - 1 for curve, end in zip(curves, ends, strict=True))
        trials += len(curves)
        whole = max(curves, key=lambda curve: curve.val_f1[-1])
        pick = max(zip(curves, ends, strict=True), key=lambda one: one[0].val_f1[one[1]])
        lost.append(whole.test_f1[-1] - pick[0].test_f1[pick[1]])
        errors += [
            curve.test_f1[-1] - curve.test_f1[end]
            for curve, end in zip(curves, ends, strict=True)
            if end < len(curve.steps) - 1
        ]
    draws = np.random.default_rng(0).integers(0, len(lost), (10_000, len(lost)))
    low, high = np.quantile(np.array(lost)[draws].mean(1), (0.025, 0.975))
    return {
        "saved": round(1 - taken / steps, 3),
        "given_up": round(given_up / trials, 3),
        "lost": round(float(np.mean(lost)), 4),
        "lost_interval": [round(float(low), 4), round(float(high), 4)],
        "score_error": round(float(np.mean(np.abs(errors))) if errors else 0.0, 4),
    }


def main(each: int) -> None:
    torch.set_num_threads(1)
    subsets: list[list[Curve]] = []
    for name in DATASETS:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose("train", [f"dataset={name}", "paths.run_dir=run"])
        data, family, protocol, space = (
            build(part) for part in (cfg.dataset, cfg.subset.family, cfg.protocol, cfg.space)
        )
        data, seed = data.load(), FIRST_SEED
        while len(subsets) < each * (DATASETS.index(name) + 1):
            seed += 1
            try:
                subset = family.draw(data, seed, CACHE)
            except TooFewImages:
                continue
            points = space.points(PARAMS, seed=seed)
            subsets.append([trained(params, subset, protocol, i) for i, params in enumerate(points)])
            print(f"{name} {seed}: {len(subset.train)} images", flush=True)
    rules = {
        f"{rule}, from check {first}": played(subsets, first, gives_up)
        for rule, gives_up in RULES.items()
        for first in CHECKS
    }
    for rule, told in rules.items():
        print(f"{rule:28} {told}")
    report = {
        "command": f"python benchmarks/early_discarding.py {each}",
        "commit": current_commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, 1 thread, fp32",
        "subsets": len(subsets),
        "trials": len(subsets) * PARAMS,
        "rules": rules,
    }
    write_json(OUT, report)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
