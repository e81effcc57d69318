"""Which weights `ohlora fit` should keep, on folders of 60 to 300 images: python benchmarks/kept_weights.py 8

Each folder is cut from MNIST, Fashion-MNIST or CIFAR-10 as subset=varied does (seeds from 31000 up, 8 of
each), a fifth set aside to validate, trained with the advice and scored on the test images. What is compared:
the best validation loss with the trial's patience; the lowest mean of three losses; the last weights; those
after a training on all images; and after one of twice the length.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from torch import Tensor

from ohlora.assets import assets_dir
from ohlora.build import build
from ohlora.classify.fitting import joined, scaled, unwatched
from ohlora.conf_files import CONF
from ohlora.datasets.families import WholeDataset
from ohlora.datasets.images import ImageData
from ohlora.datasets.subset import Subset, TooFewImages
from ohlora.hardware import Hardware
from ohlora.predictor.advice import advise_on
from ohlora.predictor.predictor import Predictor
from ohlora.space import Params
from ohlora.trials.drivers import Check, LastWeights, Weights, score_test, train
from ohlora.trials.protocol import Protocol

CPU = Hardware(device="cpu", precision="32", threads=1)
CACHE = Path("outputs/benchmarks")
DATASETS = ("mnist", "fashion", "cifar10")
WHOLE = WholeDataset("none", val_share=0.2, max_val_images=5000)
IMAGES = range(60, 301)
RESAMPLES = 5000


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
        "best loss": best_with_patience(losses, protocol.budget.patience),
        "mean of three": best_mean(losses),
    }
    found = {"last": score_test(training)[2]}
    for rule, check in kept.items():
        training.module.load_state_dict(every.checks[check])
        found[rule] = score_test(training)[2]
    learned = replace(subset, train=joined(subset.train, subset.val))
    for rule, times in (("last, all images", 1), ("last, all images, twice as long", 2)):
        longer = unwatched(scaled(protocol, times))
        found[rule] = score_test(train(params, learned, longer, 0, CPU, stopping=LastWeights()))[2]
    return found


def main(each: int) -> None:
    torch.set_num_threads(1)
    predictor = Predictor.load(assets_dir(), "hp_predictor")
    rows: list[dict[str, float]] = []
    for name in DATASETS:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose("train", [f"dataset={name}", "paths.run_dir=run"])
        data, family, protocol = (build(part) for part in (cfg.dataset, cfg.subset.family, cfg.protocol))
        data = data.load()
        seed = 31000
        while len(rows) < each * (DATASETS.index(name) + 1):
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
            rows.append(scores(advice.params, subset, protocol))
            print(name, seed, len(drawn.train), rows[-1], flush=True)
    rng = np.random.default_rng(0)
    first = np.array([row["best loss"] for row in rows])
    for rule in rows[0]:
        more = np.array([row[rule] for row in rows]) - first
        draws = more[rng.integers(0, len(more), (RESAMPLES, len(more)))].mean(axis=1)
        low, high = np.quantile(draws, (0.025, 0.975))
        print(f"{rule:32} {first.mean() + more.mean():.3f}  {more.mean():+.4f} [{low:+.4f}, {high:+.4f}]")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
