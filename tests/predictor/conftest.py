"""A table whose truth is known, and a predictor fitted on it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ohlora.predictor.jobs import PredictorSettings
from ohlora.predictor.predictor import Predictor, fit, with_noise
from ohlora.predictor.table import PredictorTable, predictor_table
from ohlora.space import Params, Space

SETTINGS = PredictorSettings(
    members=4,
    width=48,
    dropout=0.0,
    within_weight=2.0,
    learning_rate=1e-2,
    weight_decay=0.01,
    epochs=60,
    subsets_per_batch=4,
)


def true_f1(space: Space, params: Params, ease: float) -> float:
    """Highest at a learning rate that depends on the subset's ease; less dropout is better."""
    rate = space.within["learning_rate"].position(params["learning_rate"])  # type: ignore[arg-type]
    return float(0.95 - 0.7 * (rate - 0.3 - 0.5 * ease) ** 2 - 0.2 * float(params["dropout_fc"]) - 0.2 * ease)


def made_table(space: Space, subsets: int, trials: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for subset in range(subsets):
        ease = rng.random()
        for _ in range(trials):
            params = space.sample(rng)
            rows.append(
                {
                    "dataset": "made",
                    "family": "varied",
                    "seed": subset,
                    "feature.ease": ease,
                    "feature.noise": rng.random(),
                    **{f"params.{name}": value for name, value in params.items()},
                    "test_f1": true_f1(space, params, ease) + rng.normal(0, 0.005),
                }
            )
    frame = pd.DataFrame(rows)
    frame["feature.noise"] = frame.groupby("seed")["feature.noise"].transform("first")
    return frame


@pytest.fixture(scope="session")
def frame(space: Space) -> pd.DataFrame:
    return made_table(space, subsets=48, trials=12, seed=0)


@pytest.fixture(scope="session")
def table(frame: pd.DataFrame, space: Space) -> PredictorTable:
    return predictor_table(frame, space, "test_f1", ["*"])


@pytest.fixture(scope="session")
def predictor(table: PredictorTable, space: Space) -> Predictor:
    return with_noise(fit(table, space, SETTINGS, seed=0), 0.02, {"made": "in a test"})
