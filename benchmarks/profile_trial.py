"""Where a trial's time goes on one CPU core, beside what the core can do.

    OHLORA_DATA=... python benchmarks/profile_trial.py

Trains a stack of eight trials a batch size on MNIST subsets for 50 steps and 2 validations, once timed
and once under torch's profiler, and measures the core's rate of matrix products (of the first trained
convolution's shape, and large) and of
memory. Writes docs/results/profile_cpu.json.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from torch.profiler import ProfilerActivity, profile

import ohlora.door  # noqa: F401  (the resolvers conf/ uses)
from ohlora.build import build
from ohlora.datasets.subset import draw_valid_seeds
from ohlora.durable import write_json
from ohlora.provenance import current_commit
from ohlora.records.record import TrialKey
from ohlora.trials.protocol import Budget
from ohlora.trials.stack_members import StackedTrial
from ohlora.trials.stacked import train_stacked

ROOT = Path(__file__).resolve().parents[1]
MEMBERS = 8
SUBSETS = 4
# Multiply-adds of an image, forward: whitening 5x5 stride 2 on one channel, 3x3 on 14x14, 3x3 on 7x7, head.
FORWARD = 14 * 14 * 25 * 32 + 14 * 14 * 9 * 32 * 32 + 7 * 7 * 9 * 32 * 64 + 1024 * 10
# Backward: of the first trained convolution the weights only, of the second and the head also the inputs.
BACKWARD = 14 * 14 * 9 * 32 * 32 + 2 * 7 * 7 * 9 * 32 * 64 + 2 * 1024 * 10
KINDS = {
    "convolutions": ("convolution",),
    "pooling": ("pool",),
    "random masks": ("bernoulli",),
    "normalisation and activation": ("batch_norm", "threshold", "clamp_min", "leaky_relu"),
    "gathering and augmenting": ("index",),
    "copies and casts": ("copy_", "cat", "fill_", "clone", "contiguous", "constant_pad"),
    "optimiser": ("_fused_adam",),
    "heads and loss": ("addmm", "aten::mm", "softmax", "nll_loss", "cross_entropy"),
}


def rate(work: float, run: Callable[[], Any], times: int = 15) -> float:
    """`work` a second, the median of `times` runs."""
    run()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return work / statistics.median(seconds)


def machine_rates() -> dict[str, float]:
    """What one core does: billions of operations or bytes a second."""
    rates = {}
    for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        square = torch.randn(1024, 1024).to(dtype)
        rates[f"matrix product 1024, {name}, GFLOP/s"] = rate(2 * 1024**3, lambda s=square: s @ s) / 1e9
        pixels, kernel = torch.randn(32 * 196, 288).to(dtype), torch.randn(288, 32).to(dtype)
        product = rate(2 * 32 * 196 * 288 * 32, lambda p=pixels, k=kernel: p @ k)
        rates[f"matrix product of the first convolution, {name}, GFLOP/s"] = product / 1e9
    source = torch.zeros(64 * 2**20)
    target = torch.empty_like(source)
    rates["memory, copying 256 MB, GB/s"] = rate(2 * source.nbytes, lambda: target.copy_(source)) / 1e9
    return {name: round(value, 1) for name, value in rates.items()}


def main() -> None:
    torch.set_num_threads(1)
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("train", overrides=["dataset=mnist", "paths.run_dir=unused", "hardware.device=cpu"])
    space, protocol, hardware, family = (
        build(part) for part in (cfg.space, cfg.protocol, cfg.hardware, cfg.subset.family)
    )
    draws = draw_valid_seeds(family, build(cfg.dataset).load(), 400_000, Path(cfg.paths.cache_dir))
    subsets = [next(draws)[1] for _ in range(SUBSETS)]
    protocol = replace(protocol, budget=Budget(epochs=1e-9, min_steps=50, checks=2, patience=99))
    rates = machine_rates()
    peak = rates["matrix product 1024, bf16, GFLOP/s"]
    results = {}
    for batch_size in (16, 32, 64, 128):
        trials = []
        for seed, params in enumerate(space.points(MEMBERS, seed=2)):
            subset = subsets[seed % SUBSETS]
            same = {**params, "batch_size": batch_size, "activation": "relu"}
            key = TrialKey(subset.recipe, family.fingerprint, protocol.fingerprint, same, seed)
            trials.append(StackedTrial(key, subset, space.fingerprint))
        list(train_stacked(trials, protocol, hardware))
        cpu = time.process_time()
        outcomes = list(train_stacked(trials, protocol, hardware))
        cpu = time.process_time() - cpu
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            list(train_stacked(trials, protocol, hardware))
        parts: dict[str, float] = defaultdict(float)
        for event in seen.key_averages():
            kind = next((k for k, words in KINDS.items() if any(w in event.key for w in words)), "rest")
            parts[kind] += event.self_cpu_time_total / 1e6
        total = sum(parts.values())
        # An image of each batch is trained on, less what small batches lack; validations and the test are
        # forward only.
        trained = sum(out.record.epochs * out.record.n_train for _, out in outcomes)
        scored = sum(len(out.curve) * len(one.subset.val) + len(one.subset.test) for one, out in outcomes)
        flop = 2 * (trained * (FORWARD + BACKWARD) + scored * FORWARD)
        results[f"batch_size {batch_size}"] = {
            "cpu_s_per_trial": round(cpu / MEMBERS, 2),
            "share": {k: round(v / total, 3) for k, v in sorted(parts.items(), key=lambda kv: -kv[1])},
            "GFLOP_per_trial": round(flop / MEMBERS / 1e9, 1),
            "GFLOP_per_s": round(flop / cpu / 1e9, 1),
            "of_peak_bf16": round(flop / cpu / 1e9 / peak, 3),
            "cpu_s_per_trial_at_peak": round(flop / MEMBERS / 1e9 / peak, 2),
        }
        print(batch_size, json.dumps(results[f"batch_size {batch_size}"]), flush=True)
    report = {
        "command": "python benchmarks/profile_trial.py",
        "commit": current_commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, 1 thread",
        "rates": rates,
        "results": results,
    }
    path = ROOT / "docs" / "results" / "profile_cpu.json"
    write_json(path, report)
    print(json.dumps(rates, indent=2))


if __name__ == "__main__":
    main()
