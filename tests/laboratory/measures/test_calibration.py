"""A curve that rises through scattered readings, and is clipped at its ends."""

from __future__ import annotations

import pytest
import torch

from ohlora.errors import OhloraError
from ohlora.face.trained.stylegan.calibration import Curve, Scale
from ohlora.laboratory.measures.calibration import rising_curve
from ohlora.space import Real


@pytest.fixture(scope="module")
def scattered():
    chance = torch.Generator().manual_seed(0)
    coordinates = torch.randn(900, generator=chance)
    truth = torch.tanh(coordinates) * 3 + 10
    return coordinates, truth + 0.3 * torch.randn(900, generator=chance)


def test_a_curve_rises_and_follows_the_truth(scattered):
    curve = rising_curve("eyes", *scattered)
    assert bool((curve.coordinates.diff() > 0).all())
    assert bool((curve.readings.diff() > 0).all())
    inside = torch.linspace(-1, 1, 9)
    assert float((curve.reading(inside) - (torch.tanh(inside) * 3 + 10)).abs().max()) < 0.35
    torch.testing.assert_close(curve.coordinate(curve.reading(inside)), inside, atol=1e-4, rtol=0)


def test_beyond_what_was_seen_it_stands_still(scattered):
    curve = rising_curve("eyes", *scattered)
    assert torch.equal(curve.coordinate(torch.tensor([-99.0, 99.0])), curve.coordinates[[0, -1]])


def test_level_stretches_are_crossed_in_steps_not_in_a_leap(scattered):
    coordinates, _ = scattered
    curve = rising_curve("mouth", coordinates, coordinates.clamp(0, 0.4))
    steps = curve.coordinate(torch.linspace(float(curve.readings[0]), float(curve.readings[-1]), 101)).diff()
    assert float(steps.max()) < 0.5 * float(curve.coordinates[-1] - curve.coordinates[0])


@pytest.mark.parametrize("turned", [-1.0, 0.0])
def test_readings_that_do_not_rise_are_refused(turned, scattered):
    coordinates, _ = scattered
    with pytest.raises(OhloraError, match="scores of yaw do not rise along its direction"):
        rising_curve("yaw", coordinates, turned * coordinates)


def test_openings_go_from_end_to_end_and_angles_are_rad():
    curve = Curve(torch.tensor([-2.0, 0.0, 2.0]), torch.tensor([0.01, 0.02, 0.05]))
    eyes = Scale(Real(0, 1), curve, is_angle=False)
    wanted = torch.tensor([0.0, 0.25, 1.0])
    torch.testing.assert_close(eyes.reading(wanted), torch.tensor([0.01, 0.02, 0.05]))
    torch.testing.assert_close(eyes.coordinate(wanted), torch.tensor([-2.0, 0.0, 2.0]))
    torch.testing.assert_close(eyes.value(eyes.reading(wanted)), wanted)
    yaw = Scale(Real(-0.6, 0.6), Curve(curve.coordinates, torch.tensor([-0.2, 0.0, 0.2])), is_angle=True)
    torch.testing.assert_close(yaw.coordinate(torch.tensor([0.1, 0.6])), torch.tensor([1.0, 2.0]))


def test_a_damaged_curve_is_refused():
    with pytest.raises(OhloraError, match="readings do not rise"):
        Curve(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0]))
