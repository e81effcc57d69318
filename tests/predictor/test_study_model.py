"""The model of a study on made trials: whom it trusts, and that its fit is a fit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from ohlora.predictor.study_model import Model, Points, Scores, StudyModel, climb

COLUMNS = ["rate", "rate_is_not_alone", "kind", "kind"]


def predicted(at: np.ndarray) -> np.ndarray:
    return 0.9 - 0.6 * (at[:, 0] - 0.8) ** 2


def points(count: int, seed: int = 0) -> Points:
    at = np.random.default_rng(seed).random((count, 4))
    return Points(at, predicted(at))


def model(
    seen: Points, signed: np.ndarray, maximised: bool = True, pending: Points | None = None
) -> StudyModel:
    return StudyModel(seen, Scores.of(signed, maximised), COLUMNS, 0.15, pending)


@pytest.mark.parametrize(
    "scale", [lambda f: f, lambda f: 100 * f, lambda f: 7 * f - 30, lambda f: 1e6 * f - 2e6]
)
class TestTrust:
    def test_stays_where_the_predictor_is_right_but_for_the_level(self, scale):
        seen = points(8)
        assert model(seen, scale(seen.predicted - 0.05)).trust > 0.8

    def test_goes_where_it_is_wrong(self, scale):
        seen = points(8)
        assert model(seen, scale(0.9 - 0.6 * (seen.at[:, 0] - 0.1) ** 2)).trust < 0.3

    def test_the_best_is_looked_for_where_trials_say(self, scale):
        seen = points(14)
        fitted = model(seen, scale(0.9 - 0.6 * (seen.at[:, 0] - 0.1) ** 2))

        def worth(at: np.ndarray) -> np.ndarray:
            return fitted.improvement(Points(at, predicted(at)), fitted.trust)

        assert climb(worth, seen.at, np.random.default_rng(0))[0] < 0.35


@pytest.mark.parametrize("follows", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_the_gradient_is_that_of_the_loss(follows, known):
    seen = points(9)
    scores = Scores(seen.predicted + 0.1 * np.sin(9 * seen.at[:, 1]), known)
    fitted = Model(seen, scores, np.array([0, 1, 2, 2]), 0.15, follows)
    for seed in range(3):
        at = np.random.default_rng(seed).normal(0, 0.7, len(fitted.centres))
        numeric = approx_fprime(at, lambda moved: fitted._loss(moved)[0], 1e-6)
        assert fitted._loss(at)[1] == pytest.approx(numeric, abs=1e-3)


def test_a_trial_under_way_is_not_tried_again():
    seen, pending = points(5), points(1, seed=9)
    free, waiting = model(seen, seen.predicted), model(seen, seen.predicted, pending=pending)
    assert waiting.improvement(pending, 0.0)[0] < 0.5 * free.improvement(pending, 0.0)[0]


def test_the_same_point_twice_and_one_score_for_all_can_be_fitted():
    at = np.full((6, 4), 0.5)
    for value in (0.0, 0.5, -1e300):
        fitted = model(Points(at, predicted(at)), np.full(6, value))
        assert np.isfinite(fitted.improvement(points(5), fitted.trust)).all()
