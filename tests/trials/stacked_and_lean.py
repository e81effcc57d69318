"""Trains trials both ways and prints what differs, as JSON; run by test_stacked.py in a process of its own.

MKL rounds fp32 products by where memory happens to lie unless MKL_CBWR=COMPATIBLE is set before its start;
oneDNN's AVX-512 convolutions add up in an order that hangs on the number of channels, grouped or not, on some
processors (Zen 4), its AVX2 ones do not (ONEDNN_MAX_CPU_ISA=AVX2).
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import torch

import ohlora.door  # noqa: F401
from ohlora.datasets.families import SubsetFamily
from ohlora.datasets.images import Split
from ohlora.datasets.readers import Digits
from ohlora.hardware import Hardware
from ohlora.records.record import TrialKey
from ohlora.trials.drivers import train_and_score
from ohlora.trials.protocol import Budget, CnnSettings, Protocol
from ohlora.trials.stack_members import StackedTrial
from ohlora.trials.stacked import train_stacked

SAME = ("status", "val_f1", "test_f1", "val_loss", "steps", "epochs", "n_train", "n_classes", "trial")


def main(cache: str) -> None:
    torch.set_num_threads(1)
    protocol = Protocol(CnnSettings(5, 16, (32, 64), 4), Budget(epochs=1, min_steps=18, checks=6, patience=2))
    hardware = Hardware("cpu", "32", 1)
    family = SubsetFamily(
        name="exact", classes=(3, 10), train_images=(300, 600), train_images_log=True, imbalance=(1, 3),
        keep_share=(0.8, 1.0), colour_keep_share=(0.8, 1.0), val_share=0.4, val_images=(50, 120),
        test_images=200, min_train_per_class=3, min_val_per_class=2, min_test_per_class=5,
    )  # fmt: skip
    data = Digits().load()
    subsets = []
    for seed in (3, 5, 8):
        subset = family.draw(data, seed, Path(cache))
        assert len(subset.train) >= 256
        # Whole batches: beside larger ones, a small last batch would be padded, and convolutions would
        # add up in another order.
        whole = Split(subset.train.images[:256], subset.train.labels[:256])
        subsets.append(dataclasses.replace(subset, train=whole))
    trials = []
    for seed in range(18):
        params = {
            "dropout_conv_early": (0.0, 0.1, 0.3)[seed % 3],
            "dropout_conv_late": (0.2, 0.0)[seed % 2],
            "dropout_fc": (0.5, 0.0, 0.25)[seed % 3],
            "learning_rate": (1e-3, 6e-3, 2e-4)[seed % 3],
            "activation": "relu" if seed < 12 else "leaky_relu",
            "optimizer": ("adam", "adamw")[seed % 2],
            "scheduler": ("cosine", "exp_90", "exp_80", "exp_98")[seed % 4],
            "weight_decay": (1e-2, 1e-4)[seed % 2],
            "batch_size": (16, 64, 128)[seed // 6],
            "label_smoothing": (0.0, 0.1, 0.0737)[seed % 3],
            "augmentation": ("none", "shift", "flip", "shift_flip")[seed % 4],
        }
        subset = subsets[seed % 3]
        trials.append(StackedTrial(TrialKey(subset.recipe, "f", "p", params, seed), subset, "s"))
    stacked = {trial.key.seed: out for trial, out in train_stacked(trials, protocol, hardware, members=4)}
    differ = {}
    for trial in trials:
        seed = trial.key.seed
        lean = train_and_score(trial.key.params, trial.subset, "f", "s", protocol, seed, hardware)
        one, other = lean.record.row(), stacked[seed].record.row()
        names = [n for n in SAME if one[n] != other[n] and n != "trial"]
        weights, others = lean.module.state_dict(), stacked[seed].module.state_dict()
        # num_batches_tracked counts nothing here: momentum is given.
        names += [n for n, w in weights.items() if w.dim() and not torch.equal(w, others[n])]
        if not torch.equal(lean.test_logits, stacked[seed].test_logits):
            names.append("test_logits")
        for step, other_step in zip(lean.curve, stacked[seed].curve, strict=True):
            names += [n for n in ("step", "val_loss", "val_f1") if step[n] != other_step[n]]
        if names:
            differ[seed] = names
    print(json.dumps({"trials": len(stacked), "differ": differ}))


if __name__ == "__main__":
    main(sys.argv[1])
