"""The table's own report: chance, chosen params, held numbers, pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ohlora.features.table_report import chosen, held_fixed, noise_floor, plot_effects, plot_scores
from ohlora.records.older import fill_older
from ohlora.seeds import CHOSEN_SEEDS, REPEAT_SEEDS


@pytest.fixture(scope="module")
def frame(space, classic_space) -> pd.DataFrame:
    """Six subsets of 16 evenly spread trials, half of them classic; four more each near the best."""
    rng = np.random.default_rng(0)
    rows = []
    for subset in range(6):
        dataset = ("mnist", "digits")[subset % 2]
        for i in range(20):
            params = (classic_space if i % 2 else space).sample(rng)
            rows.append(
                {
                    "dataset": dataset,
                    "family": "varied",
                    "seed": subset,
                    "trial_seed": 100 * subset + i + (CHOSEN_SEEDS if i >= 16 else 0),
                    "n_train": 100 * (subset + 1),
                    "val_f1": 0.5,
                    "test_f1": 0.2 + 0.1 * subset + 50 * params["learning_rate"],
                    **{f"params.{name}": value for name, value in params.items()},
                }
            )
    return fill_older(pd.DataFrame(rows))


def repeated(frame: pd.DataFrame, test_sd: float, seeds: int = 5) -> pd.DataFrame:
    """The first 40 trials under more seeds, their scores moved by chance."""
    rng = np.random.default_rng(1)
    parts = [frame]
    for again in range(1, seeds):
        part = frame.head(40).copy()
        part["trial_seed"] += again * REPEAT_SEEDS
        part["test_f1"] += rng.normal(0, test_sd, len(part))
        part["val_f1"] += rng.normal(0, 2 * test_sd, len(part))
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    table.loc[:39, "test_f1"] += rng.normal(0, test_sd, 40)
    table.loc[:39, "val_f1"] += rng.normal(0, 2 * test_sd, 40)
    return table


def test_the_noise_floor_is_the_spread_over_seeds(frame):
    floor = noise_floor(repeated(frame, test_sd=0.02))
    assert (floor["params"], floor["trials"]) == (40, 200)
    assert floor["test_f1_sd"] == pytest.approx(0.02, rel=0.15)
    assert floor["val_f1_sd"] == pytest.approx(0.04, rel=0.15)


def test_without_repeats_there_is_none(frame):
    assert noise_floor(frame) == {"params": 0, "trials": 0}


def test_chosen_params_and_held_ones_are_told_by_the_record(frame):
    assert chosen(frame).sum() == 6 * 4
    assert held_fixed(frame, "weight_decay").sum() == 60
    assert not held_fixed(frame, "learning_rate").any()


def test_pictures_are_drawn(frame, space, tmp_path):
    for path in (plot_scores(frame, tmp_path / "s.png"), plot_effects(frame, space, tmp_path / "e.png")):
        with Image.open(path) as picture:
            assert picture.size[0] > 400
            assert len(set(picture.convert("L").tobytes())) > 20
