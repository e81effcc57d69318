"""Learning-rate schedules."""

from __future__ import annotations

import pytest

from ohlora.schedules import SCHEDULES, one_cycle


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_starts_at_one_and_never_rises(name):
    factors = [SCHEDULES[name](p / 50) for p in range(51)]
    assert factors[0] == 1
    assert factors == sorted(factors, reverse=True)
    expected = 0 if name == "cosine" else (int(name[-2:]) / 100) ** 30
    assert factors[-1] == pytest.approx(expected, abs=1e-9)


def test_one_cycle_rises_and_falls_to_nothing():
    curve = [one_cycle(i / 100) for i in range(101)]
    assert max(curve) == pytest.approx(1.0)
    assert curve[0] < 0.1
    assert curve[-1] < 1e-6
