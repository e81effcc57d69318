"""Distances by hand, on distributions whose distance is known, and on renders and what is made of them."""

from __future__ import annotations

import pytest
import torch

from ohlora.laboratory.measures.distances import (
    covariance,
    frechet,
    normalised_frechet,
    pixel_gaussian,
    untrained_features,
    within,
)


def spread_out(*deviations: float) -> torch.Tensor:
    """Points of mean 0 and these very standard deviations, uncorrelated."""
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * len(deviations)).view(-1, len(deviations))
    scale = (len(signs) - 1) / len(signs)  # the covariance is of n - 1
    return signs * torch.tensor(deviations) * scale**0.5


class TestFrechet:
    def test_a_shift_counts_squared(self):
        points = spread_out(1.0, 2.0)
        assert frechet(points, points) == pytest.approx(0, abs=1e-9)
        assert frechet(points, points + torch.tensor([3.0, 4.0])) == pytest.approx(25)

    def test_spreads_count_by_their_difference(self):
        # of uncorrelated columns it is the sum of squared differences of the deviations
        assert frechet(spread_out(1.0, 2.0), spread_out(3.0, 0.5)) == pytest.approx(4 + 2.25, rel=1e-5)

    def test_where_spreads_do_not_share_their_axes(self):
        points, turn = spread_out(1.0, 3.0), torch.tensor([[0.6, -0.8], [0.8, 0.6]])
        turned = points @ turn.T
        c1, c2 = covariance(points), covariance(turned)
        # two-dimensional: (tr sqrt(C1 C2))^2 = tr(C1 C2) + 2 sqrt(det C1 det C2)
        root = ((c1 @ c2).trace() + 2 * (c1.det() * c2.det()).sqrt()).sqrt()
        expected = float(c1.trace() + c2.trace() - 2 * root)
        assert frechet(points, turned) == pytest.approx(expected, rel=1e-6)
        assert frechet(turned, points) == pytest.approx(expected, rel=1e-6)


def test_normalised_is_0_for_held_out_ones_and_1_for_crude_ones():
    real, held, crude = spread_out(1.0, 1.0), spread_out(1.0, 1.5), spread_out(3.0, 3.0) + 2
    assert normalised_frechet(held, real, held, crude)["frechet"] == pytest.approx(0, abs=1e-9)
    assert normalised_frechet(crude, real, held, crude)["frechet"] == pytest.approx(1)
    told = normalised_frechet(spread_out(1.0, 2.0), real, held, crude)
    assert told["frechet"] == pytest.approx((1 - 0.25) / (16 - 0.25), rel=1e-4)
    assert told["floor"] == pytest.approx(0.25 / 16, rel=1e-4)


class TestWithin:
    OTHERS = torch.tensor([[0.0], [1.0], [3.0], [10.0]])

    def test_by_hand(self):
        # nearest neighbours: 0 and 1 reach 1, 3 reaches 2, 10 reaches 7
        points = torch.tensor([[-1.0], [-1.5], [2.5], [5.0], [5.1], [17.0], [17.5]])
        assert within(points, self.OTHERS, 1).tolist() == [True, False, True, True, True, True, False]
        # second nearest: 3, 2, 3, 9
        assert within(torch.tensor([[-3.0], [-3.5]]), self.OTHERS, 2).tolist() == [True, False]

    def test_a_set_lies_in_itself_and_a_part_leaves_some_out(self):
        torch.manual_seed(0)
        two_clusters = torch.cat([torch.randn(40, 2), torch.randn(40, 2) + 50])
        one = two_clusters[:40]
        assert within(two_clusters, two_clusters).all()
        assert within(one, two_clusters).all()  # precision of who draws one cluster only
        assert within(two_clusters, one).float().mean() == 0.5  # and its recall


class TestPixelGaussian:
    def test_it_has_the_mean_and_the_spread_of_what_it_saw(self):
        generator = torch.Generator().manual_seed(1)
        axes = torch.randn(2, 3 * 4 * 4, generator=generator) * 12
        seen = (128 + torch.randn(300, 2, generator=generator) @ axes).round().clamp(0, 255)
        images = seen.byte().view(300, 3, 4, 4)
        drawn = pixel_gaussian(images, 4000, components=2)
        assert drawn.dtype == torch.uint8
        assert drawn.shape == (4000, 3, 4, 4)
        assert (drawn.float().mean(0) - images.float().mean(0)).abs().max() < 4
        spreads = [covariance(x.flatten(1)).diagonal().sqrt() for x in (drawn, images)]
        assert torch.allclose(*spreads, rtol=0.1, atol=1)
        assert torch.equal(drawn[:5], pixel_gaussian(images, 4000, components=2)[:5])
        assert not torch.equal(drawn, pixel_gaussian(images, 4000, components=2, seed=1))

    @pytest.mark.slow
    def test_fewer_components_vary_less(self, some_faces):
        few, many = (pixel_gaussian(some_faces.images, 60, n).float().var(0).mean() for n in (2, 60))
        assert few < 0.8 * many


def test_renders_are_nearer_to_renders_than_the_crude_sampler_is(some_faces):
    """The renderer as a perfect generator; noise has no precision, who draws one face no recall."""
    images = some_faces.images
    real, held, made = images[:50], images[50:100], images[100:150]
    seen = [untrained_features(x) for x in (made, real, held, pixel_gaussian(images[:100], 50))]
    assert abs(normalised_frechet(*seen)["frechet"]) < 0.25
    assert within(seen[0], seen[1]).float().mean() > 0.8
    assert within(seen[1], seen[0]).float().mean() > 0.8
    noise = torch.randint(256, real.shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert not within(untrained_features(noise), seen[1]).any()
    one = seen[0][:1].expand(50, -1)
    assert not within(seen[1], one).any()


def test_untrained_features_are_the_same_alone_and_see_a_difference(some_faces):
    images = some_faces.images[:6]
    told = untrained_features(images)
    assert told.shape == (6, 352)
    assert torch.allclose(told[2:3], untrained_features(images[2:3]), atol=1e-5)
    assert (told[0] - told[1]).abs().max() > 0.05
