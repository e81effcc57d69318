"""Other cameras: colours, blur and holes change, the face's properties do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ohlora.face.drawing.generator import to_network
from ohlora.laboratory.networks.augment import compressed, cut, soften, turn_hue
from ohlora.laboratory.networks.settings import Augmentation

ALL = Augmentation(
    light=0.2,
    hue=0.5,
    noise=0.05,
    blur_share=0.5,
    jpeg_share=0.5,
    jpeg_quality=(40, 60),
    cutout_share=1.0,
    cutout_side=0.4,
)


@pytest.fixture(scope="module")
def images(batch):
    return to_network(batch.images)


def drawn(augmentation, images, seed=0):
    return augmentation.draw(images, torch.Generator().manual_seed(seed))


def test_the_same_seed_is_the_same_picture(images):
    first, seen = drawn(ALL, images)
    again, seen_again = drawn(ALL, images)
    assert torch.equal(first, again)
    assert torch.equal(seen, seen_again)
    assert not torch.equal(first, drawn(ALL, images, seed=1)[0])


def test_pixels_stay_in_range_and_holes_are_told(images):
    changed, visible = drawn(ALL, images)
    assert changed.abs().max() <= 1
    assert 0.5 < visible.float().mean() < 0.999
    hole = changed.masked_fill(visible[:, None], 0)
    assert (hole.amax((2, 3)) * hole.amin((2, 3))).abs().max() == 0  # one colour each


def test_nothing_asked_for_changes_nothing(images, still):
    changed, visible = drawn(still, images)
    assert torch.allclose(changed, images, atol=1e-6)
    assert visible.all()


@pytest.mark.parametrize("angle", [0.7, -2.0])
def test_a_turned_hue_keeps_brightness_and_turns_back(images, angle):
    turned = turn_hue(images, torch.full((len(images),), angle))
    assert torch.allclose(turned.mean(1), images.mean(1), atol=1e-5)
    assert (turned - images).abs().mean() > 0.02
    assert torch.allclose(turn_hue(turned, torch.full((len(images),), -angle)), images, atol=1e-5)


def test_a_third_of_a_turn_swaps_the_channels():
    red = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    turned = turn_hue(red, torch.tensor([2 * torch.pi / 3]))
    assert turned.flatten().tolist() == pytest.approx([0, 1, 0], abs=1e-6)


def test_blur_and_jpeg_lose_detail_but_not_brightness(images):
    for spoilt in (soften(images), compressed(images, 30)):
        assert 0.003 < (spoilt - images).abs().mean() < 0.2
        assert (spoilt.mean((1, 2, 3)) - images.mean((1, 2, 3))).abs().max() < 0.02
    assert compressed(images[:0], 30).shape == images[:0].shape


def test_a_hole_is_as_large_as_asked_and_inside():
    visible = cut(torch.zeros(1, 3, 21, 21), torch.tensor([[0.5, 0.25]]), torch.tensor([[1.0, 0.0]]))
    rows, columns = (~visible[0]).nonzero().T
    assert (int(rows.min()), int(rows.max())) == (10, 19)
    assert (int(columns.min()), int(columns.max())) == (0, 4)


def test_light_alone_moves_brightness(images, still):
    lit, _ = drawn(replace(still, light=0.3), images)
    assert (lit.mean((1, 2, 3)) - images.mean((1, 2, 3))).abs().max() > 0.02
