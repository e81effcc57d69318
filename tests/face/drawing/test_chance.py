"""Random numbers that are the same everywhere and for ever."""

from __future__ import annotations

import numpy as np
import pytest

from ohlora.face.drawing.chance import normal, uniform, words

KEYS = np.arange(4000)


def test_the_numbers_of_today_are_those_of_tomorrow():
    assert words([0, 1], "a", 2).tolist() == [
        [14891601539326232501, 17413144970116959992],
        [15553990387693500625, 1071035943067061503],
    ]
    assert normal([7], "identity", 2).tolist() == [[-0.2843780517578125, -0.257476806640625]]


def test_a_number_depends_on_its_own_key_alone():
    all_at_once = uniform(KEYS, "x", 3)
    assert (uniform(KEYS[::-7], "x", 3) == all_at_once[::-7]).all()
    assert (uniform(KEYS, "x", 2) == all_at_once[:, :2]).all()


@pytest.mark.parametrize(("draw", "mean", "variance"), [(uniform, 0.5, 1 / 12), (normal, 0, 1)])
def test_moments(draw, mean, variance):
    values = draw(KEYS, "moments", 10)
    assert values.mean() == pytest.approx(mean, abs=0.01)
    assert values.var() == pytest.approx(variance, rel=0.02)


def test_keys_positions_and_streams_are_strangers():
    one, other = normal(KEYS, "one", 4), normal(KEYS, "other", 4)
    table = np.concatenate([one, other, np.roll(one, 1, axis=0)], axis=1)
    correlations = np.corrcoef(table.T) - np.eye(12)
    assert np.abs(correlations).max() < 0.07  # 4.4 standard errors


def test_normals_look_normal():
    values = normal(KEYS, "shape", 25).ravel()
    for quantile, z in ((0.0228, -2), (0.1587, -1), (0.5, 0), (0.9772, 2)):
        assert (values < z).mean() == pytest.approx(quantile, abs=0.005)
