"""Augmentation moves pixels and invents none."""

from __future__ import annotations

import pytest
import torch

from ohlora.trials.augment import augment


def ramp(n: int = 64, channels: int = 1, height: int = 12, width: int = 12) -> torch.Tensor:
    """Every pixel of an image has its own value, above 0."""
    return torch.arange(1, height * width + 1).float().reshape(1, 1, height, width).repeat(n, channels, 1, 1)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_none_hands_back_the_images():
    images = ramp()
    assert augment(images, "none") is images


@pytest.mark.parametrize("kind", ["shift", "flip", "shift_flip"])
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 8, 8), (3, 32, 32), (3, 9, 20), (1, 1, 1)])
def test_shape_and_values_stay(kind, channels, height, width):
    images = ramp(16, channels, height, width)
    moved = augment(images, kind)
    assert moved.shape == images.shape
    assert set(moved.unique().tolist()) <= set(images.unique().tolist())
    assert all(torch.equal(moved[:, 0], moved[:, c]) for c in range(channels)), "channels move together"


def test_flip_mirrors_about_half_of_the_images():
    images = ramp(400)
    moved = augment(images, "flip")
    mirrored = (moved == images.flip(3)).flatten(1).all(1)
    assert (mirrored | (moved == images).flatten(1).all(1)).all()
    assert 150 < mirrored.sum() < 250


def test_shift_moves_by_a_twelfth_of_the_side_at_most_and_each_image_its_own_way():
    images = ramp(400, height=24, width=24)
    offset = augment(images, "shift")[:, 0, 12, 12] - images[0, 0, 12, 12]
    steps = {(int(o) + 24 * 2 + 2) // 24 - 2 for o in offset.tolist()}
    assert steps == {-2, -1, 0, 1, 2}
    assert len(offset.unique()) == 25


def test_both_together_do_both():
    moved = augment(ramp(400, height=24, width=24), "shift_flip")[:, 0]
    slope = (moved[:, 12, 13] - moved[:, 12, 12]).unique().tolist()
    assert slope == [-1, 1]
    assert len(moved[:, 12, 12].unique()) > 5
