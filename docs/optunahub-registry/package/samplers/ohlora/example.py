"""Tunes learning rate and dropout of one's own classifier, starting from what is known of such images.

$ python example.py my_images  # a folder with one folder of images for each class
"""

from __future__ import annotations

import math
import sys

import optuna
import optunahub

from ohlora import advise


def objective(trial: optuna.Trial) -> float:
    learning_rate = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    dropout = trial.suggest_float("dropout_fc", 0.0, 0.5)
    # Train here and return the macro-F1 on validation images; this stands in for it.
    return 0.9 - 0.1 * math.log10(learning_rate / 1e-3) ** 2 - 0.1 * dropout


def main(folder: str) -> None:
    advice = advise(folder)
    module = optunahub.load_module("samplers/ohlora")
    sampler = module.OhLoRASampler(
        advice.predictor, advice.space, advice.features, seed=0, names={"lr": "learning_rate"}
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=20)
    print(study.best_value, study.best_params)


if __name__ == "__main__":
    main(sys.argv[1])
