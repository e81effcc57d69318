"""Trials an hour: the sweep's driver with one and two workers, the lean loop, one Trainer.fit a trial.

    OHLORA_DATA=... python benchmarks/throughput.py [trials a dataset] [cpu | cuda]

The same trials in turn: the default space on varied subsets of MNIST, Fashion-MNIST and CIFAR-10, at
size=default, eight trials a subset, in the precision that hardware.precision=auto takes; every eighth again
under Lightning's Trainer with conf/trainer/auto, conf/callbacks/default and the CSV logger, in one process
with torch's own number of threads. Where bf16 is native the sweep's driver is measured in fp32 too, which
stands for a machine without it. Imports and drawing are left out. Writes
docs/results/throughput_<device>.json.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import platform
import queue
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from hydra import compose, initialize_config_dir

import ohlora.door  # noqa: F401  (the resolvers conf/ uses)
from ohlora.build import build
from ohlora.datasets.subset import draw_valid_seeds
from ohlora.durable import write_json
from ohlora.hardware import Hardware
from ohlora.provenance import current_commit
from ohlora.records.record import TrialKey, TrialRecord
from ohlora.trials.drivers import train_and_score
from ohlora.trials.stack_members import StackedTrial
from ohlora.trials.stacked import train_stacked

ROOT = Path(__file__).resolve().parents[1]
DATASETS = ("mnist", "fashion", "cifar10")
FIRST_SEED = 400_000  # far from the target table's subsets, below the league's
EACH = 8  # trials a subset
SWEEP, TRAINER = "stacked", "Trainer.fit"


class Plan(NamedTuple):
    """What is measured: a driver in an arithmetic, and each worker's part of the trials."""

    driver: str  # stacked | lean | trainer
    precision: str
    parts: tuple[slice, ...]


def prepared(count: int, out: Path, device: str, precision: str) -> tuple[list[StackedTrial], Any, Any]:
    """The trials, the protocol and the config."""
    trials, protocol, cfg = [], None, None
    for name in DATASETS:
        settings = [f"dataset={name}", f"paths.run_dir={out}"]
        settings += [f"hardware.device={device}", f"hardware.precision={precision}"]
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = compose("train", overrides=settings)
        space, family = (build(part) for part in (cfg.space, cfg.subset.family))
        protocol = build(cfg.protocol)
        data = build(cfg.dataset).load()
        draws = draw_valid_seeds(family, data, FIRST_SEED, Path(cfg.paths.cache_dir))
        subsets = [subset for _, subset in islice(draws, math.ceil(count / EACH))]
        for seed, params in enumerate(space.points(count, seed=1)):
            subset = subsets[seed // EACH]
            key = TrialKey(subset.recipe, family.fingerprint, protocol.fingerprint, params, seed)
            trials.append(StackedTrial(key, subset, space.fingerprint))
    return trials, protocol, cfg


def work(plan: Plan, count: int, device: str, part: slice, barrier: Any, answers: Any) -> None:
    """One worker: prepare, wait for the others, train its part."""
    torch.set_num_threads(os.cpu_count() or 1 if plan.driver == "trainer" else 1)
    with tempfile.TemporaryDirectory() as out:
        trials, protocol, cfg = prepared(count, Path(out), device, plan.precision)
        mine = trials[part]
        hardware: Hardware = build(cfg.hardware)

        def alone(trial: StackedTrial, settings: dict[str, Any] | None = None) -> TrialRecord:
            arguments = (trial.key.params, trial.subset, trial.key.subset_fingerprint, trial.space, protocol)
            return train_and_score(*arguments, trial.key.seed, hardware, settings).record

        def watched(trial: StackedTrial) -> TrialRecord:
            callbacks = list(build(cfg.callbacks).values())
            settings = {**build(cfg.trainer).arguments(), "callbacks": callbacks, "logger": build(cfg.logger)}
            return alone(trial, {**settings, "default_root_dir": out})

        alone(mine[0])  # torch's own start
        barrier.wait()
        started, cpu = time.perf_counter(), time.process_time()
        if plan.driver == "stacked":
            records = [outcome.record for _, outcome in train_stacked(mine, protocol, hardware)]
        else:
            records = [watched(trial) if plan.driver == "trainer" else alone(trial) for trial in mine]
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    answers.put((wall, cpu, {record.key.digest: record.test_f1 for record in records}))


def measure(plan: Plan, count: int, device: str) -> tuple[dict[str, Any], dict[str, float]]:
    """Trials an hour of workers side by side, and every trial's test macro-F1."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(len(plan.parts)), context.Queue()
    workers = [
        context.Process(target=work, args=(plan, count, device, part, barrier, answers))
        for part in plan.parts
    ]
    for worker in workers:
        worker.start()
    done: list[Any] = []
    while len(done) < len(workers):
        try:
            done.append(answers.get(timeout=5))
        except queue.Empty:
            if any(worker.exitcode for worker in workers):
                for worker in workers:
                    worker.kill()
                sys.exit(f"a worker of {plan.driver} failed")
    for worker in workers:
        worker.join()
    scores = {digest: f1 for _, _, part in done for digest, f1 in part.items()}
    wall = max(seconds for seconds, _, _ in done)
    result = {
        "workers": len(plan.parts),
        "precision": plan.precision,
        "trials": len(scores),
        "trials_per_hour": round(3600 * len(scores) / wall),
        "cpu_s_per_trial": round(sum(cpu for _, cpu, _ in done) / len(scores), 2),
    }
    print(f"{plan.driver:8s} {json.dumps(result)}", flush=True)
    return result, scores


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    device = sys.argv[2] if len(sys.argv) > 2 else "cpu"
    with tempfile.TemporaryDirectory() as out:
        trials, _, cfg = prepared(count, Path(out), device, "auto")  # a missing dataset ends it here
    _, precision = build(cfg.hardware).resolve()
    every, half = slice(None), (slice(0, None, 2), slice(1, None, 2))
    if device == "cpu":
        plans = {
            SWEEP: Plan("stacked", precision, half),
            "stacked, one worker, every second trial": Plan("stacked", precision, half[:1]),
            "lean": Plan("lean", precision, half),
            TRAINER: Plan("trainer", precision, (slice(0, None, 8),)),
        }
    else:
        plans = {
            SWEEP: Plan("stacked", precision, (every,)),
            "lean, every eighth trial": Plan("lean", precision, (slice(0, None, 8),)),
            TRAINER: Plan("trainer", precision, (slice(0, None, 32),)),
        }
    if precision != "32":
        plans["stacked, fp32"] = plans[SWEEP]._replace(precision="32")
    results, scores = {}, {}
    for name, plan in plans.items():
        results[name], scores[name] = measure(plan, count, device)
    pairs = np.array([(scores[SWEEP][digest], f1) for digest, f1 in scores[TRAINER].items()])
    gap = pairs[:, 0] - pairs[:, 1]
    cuda = torch.cuda.get_device_name() if device != "cpu" else ""
    report = {
        "command": f"python benchmarks/throughput.py {count} {device}",
        "commit": current_commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores {cuda}, torch {torch.__version__}",
        "mix": f"{count} trials each of {', '.join(DATASETS)}; {EACH} a subset",
        "mean_train_images": round(float(np.mean([len(trial.subset.train) for trial in trials]))),
        "results": results,
        "stacked_over_trainer": round(
            results[SWEEP]["trials_per_hour"] / results[TRAINER]["trials_per_hour"], 2
        ),
        "test_f1_stacked_minus_trainer": {
            "mean": float(gap.mean()),
            "largest": float(np.abs(gap).max()),
            "pairs": len(gap),
        },
    }
    path = ROOT / "docs" / "results" / f"throughput_{torch.device(device).type}.json"
    write_json(path, report)
    print(json.dumps({k: v for k, v in report.items() if k != "results"}, indent=2))


if __name__ == "__main__":
    main()
