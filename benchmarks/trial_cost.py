"""CPU seconds of a trial on 1,000 training images at size=default, over points of the default space.

    OHLORA_DATA=... python benchmarks/trial_cost.py

Writes docs/results/trial_cost.json. 1,000 test images and 400 validation images are scored as well.
"""

from __future__ import annotations

import os
import platform
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
POINTS = 16


def main() -> None:
    torch.set_num_threads(1)
    results = {}
    for name in ("mnist", "fashion", "cifar10"):
        settings = [
            f"dataset={name}", "subset=balanced", "subset.family.train_images=[1000,1000]",
            "subset.family.val_share=0.4", "subset.family.test_images=1000", "paths.run_dir=unused",
        ]  # fmt: skip
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = compose("train", overrides=settings)
        space, protocol, hardware, family = (
            build(part) for part in (cfg.space, cfg.protocol, cfg.hardware, cfg.subset.family)
        )
        data = build(cfg.dataset).load()
        subset = family.draw(data, 500_000, Path(cfg.paths.cache_dir))
        seconds = []
        for seed, params in enumerate([*space.points(POINTS, seed=0)]):
            started = time.process_time()
            train_and_score(params, subset, family.fingerprint, space.fingerprint, protocol, seed, hardware)
            seconds.append(time.process_time() - started)
        seconds = seconds[1:]  # the first pays for torch's own start
        results[data.title] = {
            "cpu_s_mean": float(np.mean(seconds)),
            "cpu_s_sd": float(np.std(seconds, ddof=1)),
            "cpu_s_max": max(seconds),
        }
        r = results[data.title]
        spread = f"{r['cpu_s_mean']:.2f} +- {r['cpu_s_sd']:.2f} CPU-s"
        print(f"{data.title:16s} {spread} (max {r['cpu_s_max']:.2f})", flush=True)
    report = {
        "command": "python benchmarks/trial_cost.py",
        "commit": current_commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, 1 thread",
        "train_images": 1000,
        "points": POINTS - 1,
        "results": results,
    }
    path = ROOT / "docs" / "results" / "trial_cost.json"
    write_json(path, report)


if __name__ == "__main__":
    main()
