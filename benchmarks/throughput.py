"""Trials an hour: the sweep's driver with one and two workers, the lean loop, one Trainer.fit a trial.

    OHLORA_DATA=... python benchmarks/throughput.py [trials a dataset] [cpu | cuda]

The same trials in turn: the default space on varied subsets of MNIST, Fashion-MNIST and CIFAR-10, at
size=default, eight trials a subset; every eighth again under Lightning's Trainer with conf/trainer/auto,
conf/callbacks/default and the CSV logger, in one process with torch's own number of threads. Imports and
drawing are left out. Writes docs/results/throughput_<device>.json.
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
from typing import Any

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


def prepared(count: int, out: Path, device: str) -> tuple[list[StackedTrial], Any, Any]:
    """The trials, the protocol and the config."""
    trials, protocol, cfg = [], None, None
    for name in DATASETS:
        settings = [f"dataset={name}", f"paths.run_dir={out}", f"hardware.device={device}"]
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


def work(driver: str, count: int, device: str, part: slice, barrier: Any, answers: Any) -> None:
    """One worker: prepare, wait for the others, train its part."""
    torch.set_num_threads(os.cpu_count() or 1 if driver == "trainer" else 1)
    with tempfile.TemporaryDirectory() as out:
        trials, protocol, cfg = prepared(count, Path(out), device)
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
        if driver == "stacked":
            records = [outcome.record for _, outcome in train_stacked(mine, protocol, hardware)]
        else:
            records = [watched(trial) if driver == "trainer" else alone(trial) for trial in mine]
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    answers.put((wall, cpu, {record.key.digest: record.test_f1 for record in records}))


def measure(
    driver: str, count: int, device: str, parts: list[slice]
) -> tuple[dict[str, Any], dict[str, float]]:
    """Trials an hour of workers side by side, and every trial's test macro-F1."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(len(parts)), context.Queue()
    workers = [
        context.Process(target=work, args=(driver, count, device, part, barrier, answers)) for part in parts
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
                sys.exit(f"a worker of {driver} failed")
    for worker in workers:
        worker.join()
    scores = {digest: f1 for _, _, part in done for digest, f1 in part.items()}
    wall = max(seconds for seconds, _, _ in done)
    result = {
        "workers": len(parts),
        "trials": len(scores),
        "trials_per_hour": round(3600 * len(scores) / wall),
        "cpu_s_per_trial": round(sum(cpu for _, cpu, _ in done) / len(scores), 2),
    }
    print(f"{driver:8s} {json.dumps(result)}", flush=True)
    return result, scores


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    device = sys.argv[2] if len(sys.argv) > 2 else "cpu"
    with tempfile.TemporaryDirectory() as out:
        trials, _, _ = prepared(count, Path(out), device)  # before any worker: a missing dataset ends it here
    results, scores = {}, {}
    whole, halves = [slice(None)], [slice(0, None, 2), slice(1, None, 2)]
    plans = {
        "stacked, two workers": ("stacked", halves),
        "stacked, one worker, every second trial": ("stacked", halves[:1]),
        "lean, two workers": ("lean", halves),
        "Trainer.fit, one process, every eighth trial": ("trainer", [slice(0, None, 8)]),
    }
    if device != "cpu":
        plans = {
            "stacked": ("stacked", whole),
            "lean, every eighth trial": ("lean", [slice(0, None, 8)]),
            "Trainer.fit, every 32nd trial": ("trainer", [slice(0, None, 32)]),
        }
    for name, (driver, parts) in plans.items():
        results[name], f1 = measure(driver, count, device, parts)
        scores.setdefault(driver, f1)
    trials_per_hour = [result["trials_per_hour"] for result in results.values()]
    pairs = np.array([(scores["stacked"][digest], f1) for digest, f1 in scores["trainer"].items()])
    gap = pairs[:, 0] - pairs[:, 1]
    cuda = torch.cuda.get_device_name() if device != "cpu" else ""
    report = {
        "command": f"python benchmarks/throughput.py {count} {device}",
        "commit": current_commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores {cuda}, torch {torch.__version__}",
        "mix": f"{count} trials each of {', '.join(DATASETS)}; {EACH} a subset",
        "mean_train_images": round(float(np.mean([len(trial.subset.train) for trial in trials]))),
        "results": results,
        "stacked_over_trainer": round(trials_per_hour[0] / trials_per_hour[-1], 2),
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
