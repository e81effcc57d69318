"""Test accuracy with 2,000 training images, and the cost of a trial, five seeds a dataset.

    OHLORA_DATA=... python benchmarks/accuracy.py

Writes docs/results/accuracy.json. Hyperparameters: HYPERPARAMETERS below, chosen on sweep seeds.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir

import ohlora.door  # noqa: F401  (the resolvers conf/ uses)
from ohlora.build import build
from ohlora.durable import write_json
from ohlora.provenance import current_commit
from ohlora.trials.drivers import train_and_score

ROOT = Path(__file__).resolve().parents[1]
SEEDS = range(500_000, 500_005)
# What the goals were set against: the original project's ImageNet-pretrained ResNet-18.
GOALS = {"mnist": 0.978, "fashion": 0.86, "cifar10": 0.60}
COMMON = {
    "dropout_conv_early": 0.0,
    "dropout_conv_late": 0.0,
    "dropout_fc": 0.1,
    "learning_rate": 3e-3,
    "activation": "leaky_relu",
    "optimizer": "adamw",
    "scheduler": "cosine",
    "weight_decay": 0.03,
    "batch_size": 32,
    "label_smoothing": 0.1,
}
HYPERPARAMETERS = {
    "mnist": {**COMMON, "augmentation": "shift"},
    "fashion": {
        **COMMON,
        "dropout_conv_early": 0.05,
        "dropout_conv_late": 0.1,
        "learning_rate": 4e-3,
        "weight_decay": 0.1,
        "batch_size": 16,
        "label_smoothing": 0.05,
        "augmentation": "shift",
    },
    "cifar10": {**COMMON, "augmentation": "shift_flip"},
}


def main() -> None:
    torch.set_num_threads(1)
    results = {}
    for name, goal in GOALS.items():
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = compose("train", overrides=[f"dataset={name}", "subset=balanced", "paths.run_dir=unused"])
        parts = {key: build(cfg[key]) for key in ("dataset", "space", "protocol", "hardware")}
        family = build(cfg.subset.family)
        data = parts["dataset"].load()
        params = parts["space"].check(HYPERPARAMETERS[name])
        accuracy, f1, cpu_s = [], [], []
        subsets = [family.draw(data, seed, Path(cfg.paths.cache_dir)) for seed in SEEDS]
        for seed, subset in zip(SEEDS, subsets, strict=True):
            started = time.process_time()
            outcome = train_and_score(
                params,
                subset,
                family.fingerprint,
                parts["space"].fingerprint,
                parts["protocol"],
                seed,
                parts["hardware"],
            )
            cpu_s.append(time.process_time() - started)
            accuracy.append((outcome.test_logits.argmax(1) == outcome.test_labels).float().mean().item())
            f1.append(outcome.record.test_f1)
        results[name] = {
            "title": data.title,
            "accuracy_mean": float(np.mean(accuracy)),
            "accuracy_sd": float(np.std(accuracy, ddof=1)),
            "macro_f1_mean": float(np.mean(f1)),
            "goal": goal,
            "cpu_s_mean": float(np.mean(cpu_s)),
            "train_images": len(subsets[-1].train),
            "test_images": len(subsets[-1].test),
            "params": params,
        }
        r = results[name]
        print(
            f"{data.title:16s} accuracy {r['accuracy_mean']:.4f} +- {r['accuracy_sd']:.4f} (goal {goal}),"
            f" {r['cpu_s_mean']:.1f} CPU-s a trial, {r['test_images']} test images",
            flush=True,
        )
    report = {
        "command": "python benchmarks/accuracy.py",
        "commit": current_commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, 1 thread",
        "seeds": list(SEEDS),
        "results": results,
    }
    path = ROOT / "docs" / "results" / "accuracy.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, report)
    sys.exit(any(r["accuracy_mean"] < r["goal"] for r in results.values()))


if __name__ == "__main__":
    main()
