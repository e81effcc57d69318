"""Every term: nothing where the face is right, and the number its formula gives where it is not."""

from __future__ import annotations

import math

import pytest
import torch

from ohlora.face.drawing import classes
from ohlora.face.drawing.generator import to_network
from ohlora.laboratory.measures.scores import one_hot
from ohlora.laboratory.networks import losses

DRAWN = torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def images(batch):
    return to_network(batch.images)


def test_a_class_counts_once_however_small():
    maps = torch.zeros(1, 4, 4, dtype=torch.uint8)
    maps[0, 0, 0] = 4
    values = torch.where(maps == 4, 1.0, 0.0)
    assert float(losses.per_class_mean(values, maps)) == pytest.approx(0.5)
    assert float(losses.per_class_mean(1 - values, maps)) == pytest.approx(0.5)


class TestReconstruction:
    def test_is_nothing_for_the_truth(self, images, batch):
        assert float(losses.reconstruction(images, images, batch.label_maps)) == 0

    def test_an_evenly_wrong_picture_costs_its_distance(self, images, batch):
        assert float(losses.reconstruction(images + 0.25, images, batch.label_maps)) == pytest.approx(0.25)

    def test_a_lost_eye_costs_more_than_as_many_pixels_of_wall(self, images, batch):
        eye = batch.label_maps == 4
        wall = (batch.label_maps == 0) & (batch.label_maps.flatten(1).cumsum(1) == 0).view_as(eye)
        wall &= wall.flatten(1).cumsum(1).view_as(wall) <= eye.flatten(1).sum(1)[:, None, None]
        assert 0 < wall.sum() <= eye.sum()
        without_eye = torch.where(eye[:, None], images + 1, images)
        without_wall = torch.where(wall[:, None], images + 1, images)
        lost, spared = (
            losses.reconstruction(x, images, batch.label_maps) for x in (without_eye, without_wall)
        )
        assert lost > 5 * spared


def test_features_are_compared_level_by_level():
    wanted = [torch.ones(2, 3, 4, 4), 10 * torch.ones(2, 5, 2, 2)]
    assert float(losses.feature_distance(wanted, wanted)) == 0
    seen = [wanted[0] + 0.5, wanted[1] + 5]
    assert float(losses.feature_distance(seen, wanted)) == pytest.approx(0.5)


class TestKl:
    def test_is_nothing_for_the_prior(self):
        assert float(losses.kl_divergence(torch.zeros(3, 4), torch.zeros(3, 4), 0.0)) == 0

    def test_is_that_of_two_normals(self):
        mean, log_variance = torch.full((2, 3), 1.5), torch.full((2, 3), math.log(0.25))
        by_torch = torch.distributions.kl_divergence(
            torch.distributions.Normal(1.5, 0.5), torch.distributions.Normal(0.0, 1.0)
        )
        assert float(losses.kl_divergence(mean, log_variance, 0.0)) == pytest.approx(3 * float(by_torch))

    def test_free_bits_leave_a_small_divergence_alone(self):
        mean = torch.tensor([[0.1, 2.0]], requires_grad=True)
        loss = losses.kl_divergence(mean, torch.zeros(1, 2), 0.05)
        assert float(loss.detach()) == pytest.approx(0.05 + 2.0)
        loss.backward()
        assert mean.grad is not None
        assert mean.grad.tolist() == [[0.0, 2.0]]


def test_property_error_weighs_columns():
    measured, wanted = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]])
    assert float(losses.property_error(measured, wanted, torch.tensor([1.0, 1.0]))) == pytest.approx(0.5)
    assert float(losses.property_error(measured, wanted, torch.tensor([3.0, 1.0]))) == pytest.approx(0.75)
    assert float(losses.property_error(measured, wanted, torch.tensor([0.0, 1.0]))) == 0


def test_mask_cross_entropy(batch):
    maps = batch.label_maps
    assert float(losses.mask_cross_entropy(60 * one_hot(maps), maps)) == pytest.approx(0, abs=1e-4)
    blind = torch.zeros(len(batch), 11, 32, 32)
    assert float(losses.mask_cross_entropy(blind, maps)) == pytest.approx(math.log(11), rel=1e-5)


class TestLatentLeak:
    def test_sees_a_latent_that_is_a_condition(self):
        c = torch.randn(400, 3, generator=DRAWN)
        strangers = torch.randn(400, 2, generator=DRAWN)
        assert float(losses.latent_leak(strangers, c)) < 0.02
        assert float(losses.latent_leak(-5 * c[:, :1] + 2, c)) == pytest.approx(1 / 3, abs=0.02)

    def test_a_latent_or_a_condition_that_never_moves_leaks_nothing(self):
        assert float(losses.latent_leak(torch.zeros(8, 2), torch.randn(8, 3))) == 0
        assert float(losses.latent_leak(torch.randn(8, 2), torch.zeros(8, 3))) == 0


def test_squares_of_the_original():
    assert float(losses.squared_mean(torch.tensor([[2.0, 0.0]]))) == 2
    assert float(losses.squared_log_variance(torch.tensor([[0.0, -2.0]]))) == 2
    assert float(losses.not_named(torch.tensor([1.0, 0.5]))) == pytest.approx(0.125)


class TestOpponents:
    def test_what_one_wants_the_other_does_not(self):
        sure, unsure = torch.full((4,), 20.0), torch.zeros(4)
        assert float(losses.fooled(sure)) < 1e-6
        assert float(losses.told_apart(sure, -sure)) < 1e-6
        assert float(losses.told_apart(unsure, unsure)) == pytest.approx(2 * math.log(2))
        assert float(losses.told_apart(sure, sure)) > 19

    def test_r1_is_half_the_squared_gradient(self):
        real = torch.randn(5, 3, 2, 2, generator=DRAWN).requires_grad_(True)
        logits = (2 * real).flatten(1).sum(1)
        assert float(losses.r1_penalty(logits, real)) == pytest.approx(0.5 * 4 * 12)
        assert float(losses.r1_penalty(real.flatten(1).mean(1) * 0 + real.sum() * 0, real)) == 0


def test_latents_that_say_the_same_overlap():
    torch.manual_seed(0)
    z = torch.randn(2000, 4)
    assert float(losses.latent_overlap(z)) < 0.01
    assert float(losses.latent_overlap(z[:, :1] * torch.tensor([1.0, -3.0, 0.1]))) == pytest.approx(
        1, abs=1e-3
    )


def test_the_background_s_spread_is_of_the_background_alone():
    torch.manual_seed(0)
    target = torch.rand(2, 3, 16, 16) - 0.5
    maps = torch.zeros(2, 16, 16, dtype=torch.uint8)
    maps[:, 4:12, 4:12] = classes.SKIN
    changed = target.clone()
    changed[:, :, 4:12, 4:12] = 1
    assert float(losses.background_spread(changed + 0.2, target, maps)) < 1e-6  # lighter, and as lively
    shuffled = target.clone()
    shuffled[:, :, :4] = target[:, :, :4].flip(-1)  # another pattern
    assert float(losses.background_spread(shuffled, target, maps)) < 1e-6
    full, half = (float(losses.background_spread(k * target, target, maps)) for k in (0.0, 0.5))
    assert half == pytest.approx(full / 2, rel=0.02)
    assert full > 0.1
