"""A flow that can be gone through both ways, and learns where latents lie."""

from __future__ import annotations

import math

import pytest
import torch

from ohlora.face.trained.prior import Prior


@pytest.fixture
def prior() -> Prior:
    torch.manual_seed(0)
    return Prior(4)


def wobble(prior: Prior) -> None:
    """Weights that do something."""
    for weight in prior.couplings.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    prior.scale.copy_(torch.tril(torch.randn(4, 4)) / 3 + torch.eye(4))
    prior.shift.copy_(torch.randn(4))
    prior.width.fill_(1.3)


def test_before_it_is_fitted_it_changes_nothing(prior):
    z = torch.randn(9, 4)
    assert torch.allclose(prior(z), z, atol=1e-5)
    assert torch.allclose(prior.back(z), z, atol=1e-5)


def test_there_and_back(prior):
    wobble(prior)
    z = torch.randn(50, 4)
    latents = prior(z).detach()
    assert (latents - z).abs().mean() > 0.1
    assert torch.allclose(prior.back(latents), z, atol=1e-3)


def test_the_determinant_is_that_of_the_whole_way_back(prior):
    wobble(prior)
    x = torch.randn(4)
    jacobian = torch.autograd.functional.jacobian(lambda one: prior.flattened(one[None])[0][0], x)
    told = prior.flattened(x[None])[1]
    assert float(told.detach()) == pytest.approx(float(torch.linalg.slogdet(jacobian)[1]), abs=1e-4)


@pytest.mark.parametrize("latent", [1, 3])
def test_odd_numbers_of_latents(latent):
    torch.manual_seed(0)
    prior = Prior(latent)
    z = torch.randn(5, latent)
    assert torch.allclose(prior.back(prior(z)), z, atol=1e-5)


@pytest.mark.slow
def test_who_wears_glasses_or_not_is_drawn_so():
    """Two far clusters and a bend, which no normal distribution has."""
    torch.manual_seed(0)
    side = torch.randint(2, (3000, 1)) * 2.0 - 1
    other = torch.randn(3000, 1)
    means = torch.cat([side, other, 0.3 * other.square(), side * other], dim=1) + 2
    log_variances = torch.full_like(means, 2 * math.log(0.1))
    prior = Prior(4)
    prior.fit(means, log_variances, steps=300, seed=0)
    drawn = prior(torch.randn(4000, 4)).detach() - 2
    assert float(drawn[:, 0].abs().sub(1).abs().mean()) < 0.3  # a normal one: 0.5
    assert float((drawn[:, 0] > 0).float().mean()) == pytest.approx(0.5, abs=0.08)
    together = torch.corrcoef(torch.stack([drawn[:, 3], drawn[:, 0] * drawn[:, 1]]))[0, 1]
    assert float(together) > 0.8  # a normal one: 0
    assert not any(weight.requires_grad for weight in prior.couplings.parameters())
    held = means[:500] + 0.1 * torch.randn(500, 4)
    normal = 0.5 * (prior.whitened(held).square() + math.log(2 * math.pi)).sum(dim=1)
    assert float(prior.negative_log_likelihood(held).mean()) < float(normal.mean()) - 0.5


def test_fitted_again_it_forgets_where_it_was(prior):
    wobble(prior)
    means = torch.randn(2000, 4) * torch.tensor([0.5, 1.0, 2.0, 4.0]) - 3
    prior.fit(means, torch.full_like(means, -9.0), steps=60, seed=0)
    drawn = prior(torch.randn(4000, 4)).detach()
    assert torch.allclose(drawn.mean(dim=0), means.mean(dim=0), atol=0.3)
    assert torch.allclose(drawn.std(dim=0) / means.std(dim=0), torch.ones(4), atol=0.15)
