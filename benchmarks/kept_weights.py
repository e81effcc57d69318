"""Which weights `ohlora fit` should keep, on folders of 60 to 300 images: python benchmarks/kept_weights.py 8

Each folder is cut from MNIST, Fashion-MNIST or CIFAR-10 as subset=varied does (seeds from 31000 up, 8 of
each), a fifth set aside to validate, trained with the advice and scored on the test images. What is compared:
the best validation loss with the trial's patience; the lowest mean of three losses; the last weights; those
after a training on all images; and after one of twice the length. Told are the mean test macro-F1 by rule
and what it gains over another rule: mean, 95 % bootstrap interval over folders, how many folders gain, and
the folder that loses most. Writes docs/results/kept_weights.json, for 8 in some ten minutes of a core.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from choice_rules import interval
from hydra import compose, initialize_config_dir
from torch import Tensor

from ohlora.assets import assets_dir
from ohlora.build import build
from ohlora.classify.fitting import joined, scaled, unwatched
from ohlora.conf_files import CONF
from ohlora.datasets.families import WholeDataset
from ohlora.datasets.images import ImageData
from ohlora.datasets.subset import Subset, TooFewImages
from ohlora.durable import write_json
from ohlora.hardware import Hardware
from ohlora.predictor.advice import advise_on
from ohlora.predictor.predictor import Predictor
from ohlora.provenance import current_commit
from ohlora.space import Params
from ohlora.trials.drivers import Check, LastWeights, Weights, score_test, train
from ohlora.trials.protocol import Protocol

CPU = Hardware(device="cpu", precision="32", threads=1)
CACHE = Path("outputs/benchmarks")
DATASETS = ("mnist", "fashion", "cifar10")
WHOLE = WholeDataset("none", val_share=0.2, max_val_images=5000)
IMAGES = range(60, 301)
OUT = Path("docs/results/kept_weights.json")
BEST, MEAN, LAST = "best loss", "mean of three", "last"
ALL, TWICE = "last, all images", "last, all images, twice as long"
COMPARED = ((MEAN, BEST), (LAST, BEST), (ALL, BEST), (TWICE, BEST), (ALL, LAST), (TWICE, ALL))


@dataclass
class EveryCheck(LastWeights):
    """Trains to the end and keeps the weights of every validation."""

    checks: list[dict[str, Tensor]] = field(default_factory=list)

    def see(self, weights: Weights, check: Check) -> bool:
        self.checks.append({name: tensor.clone() for name, tensor in weights().items()})
        return super().see(weights, check)


def best_with_patience(losses: list[float], patience: int) -> int:
    """The check whose weights a trial keeps."""
    best = 0
    for check, loss in enumerate(losses):
        if loss < losses[best]:
            best = check
        elif check - best >= patience:
            break
    return best


def best_mean(losses: list[float], over: int = 3) -> int:
    means = [np.mean(losses[i - over + 1 : i + 1]) for i in range(over - 1, len(losses))]
    return int(np.argmin(means)) + over - 1


def scores(params: Params, subset: Subset, protocol: Protocol) -> dict[str, float]:
    """Test macro-F1 by rule."""
    every = EveryCheck()
    training = train(params, subset, protocol, 0, CPU, stopping=every)
    losses = [point["val_loss"] for point in every.curve]
    kept = {
        BEST: best_with_patience(losses, protocol.budget.patience),
        MEAN: best_mean(losses),
    }
    found = {LAST: score_test(training)[2]}
    for rule, check in kept.items():
        training.module.load_state_dict(every.checks[check])
        found[rule] = score_test(training)[2]
    learned = replace(subset, train=joined(subset.train, subset.val))
    for rule, times in ((ALL, 1), (TWICE, 2)):
        longer = unwatched(scaled(protocol, times))
        found[rule] = score_test(train(params, learned, longer, 0, CPU, stopping=LastWeights()))[2]
    return found


def gain(rule: str, over: str, folders: Sequence[dict]) -> dict:
    more = np.array([one["test_f1"][rule] - one["test_f1"][over] for one in folders])
    return {
        "rule": rule,
        "over": over,
        "gain": round(float(more.mean()), 4),
        "interval": interval(more),
        "folders_that_gain": int((more > 0).sum()),
        "worst": round(float(more.min()), 4),
    }


def main(each: int) -> None:
    torch.set_num_threads(1)
    predictor = Predictor.load(assets_dir(), "hp_predictor")
    folders: list[dict] = []
    for name in DATASETS:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose("train", [f"dataset={name}", "paths.run_dir=run"])
        data, family, protocol = (build(part) for part in (cfg.dataset, cfg.subset.family, cfg.protocol))
        data = data.load()
        seed = 31000
        while len(folders) < each * (DATASETS.index(name) + 1):
            seed += 1
            try:
                drawn = family.draw(data, seed, CACHE)
                if len(drawn.train) not in IMAGES:
                    continue
                whole = ImageData(f"{data.name}_{seed}", "", drawn.class_names, drawn.train, drawn.test)
                subset = WHOLE.draw(whole, 0, CACHE)
            except TooFewImages:
                continue
            advice = advise_on(subset, data, predictor, predictor.space, assets_dir() / "encoders")
            found = scores(advice.params, subset, protocol)
            rounded = {rule: round(score, 4) for rule, score in found.items()}
            folders.append({"dataset": name, "seed": seed, "images": len(drawn.train), "test_f1": rounded})
            print(folders[-1], flush=True)
    means = {
        rule: round(float(np.mean([one["test_f1"][rule] for one in folders])), 4)
        for rule in (BEST, MEAN, LAST, ALL, TWICE)
    }
    gains = [gain(rule, over, folders) for rule, over in COMPARED]
    print(means, *gains, sep="\n")
    report = {
        "command": f"python benchmarks/kept_weights.py {each}",
        "commit": current_commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, 1 thread, fp32",
        "mean_test_f1": means,
        "gains": gains,
        "folders": folders,
    }
    write_json(OUT, report)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
