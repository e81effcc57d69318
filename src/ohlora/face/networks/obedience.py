"""Does a generator show what it is asked for, and leave alone what it is not? Any generator, any judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ohlora.face.dataset import FacePart
from ohlora.face.generator import Generator, to_network, to_uint8
from ohlora.face.networks.measures import interval, pearson, slope
from ohlora.face.networks.vae import VaeGenerator

Measure = Callable[[Tensor], Tensor]  # uint8 images -> raw property values


def draw(generator: Generator, asked: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Styles and uint8 images of a random person to each row of `asked`, drawn twice and compared."""
    latents = torch.randn(len(asked), generator.latent_dim, generator=torch.Generator().manual_seed(seed))
    w = generator.mapping(latents, asked)
    images = to_uint8(generator.synthesis(w)).cpu()
    if not torch.equal(generator.synthesis(w[:8]), generator.synthesis(w[:8])):
        raise RuntimeError("the generator shows the same person in two ways")
    return w, images


def obedience(names: Sequence[str], asked: Tensor, measured: Tensor) -> dict[str, float]:
    """Correlation with the 95 % bootstrap interval, and slope, of every property; and the largest leak.

    A leak is what a property moves by, in its own spreads, for each spread another one is asked to move.
    """
    scores: dict[str, float] = {}
    for i, name in enumerate(names):
        a, b = asked[:, i], measured[:, i]
        scores[f"r_{name}"] = pearson(a, b)
        scores[f"r_{name}_low"], scores[f"r_{name}_high"] = interval(
            lambda rows, a=a, b=b: pearson(a[rows], b[rows]), len(a)
        )
        scores[f"slope_{name}"] = slope(a, b)
    scores["largest_leak"] = float(leakage(asked, measured).fill_diagonal_(0).abs().max())
    return scores


def leakage(asked: Tensor, measured: Tensor) -> Tensor:
    """[asked property, measured property]: one regression on all that was asked, in spreads."""
    spread = asked.double().std(dim=0).clamp_min(1e-9)
    a = (asked.double() - asked.double().mean(dim=0)) / spread
    b = (measured.double() - measured.double().mean(dim=0)) / spread
    return torch.linalg.lstsq(a, b, driver="gelsd").solution


def spread_of_people(generator: Generator, asked: Tensor, people: int = 64) -> float:
    """Standard deviation of pixels, 0 to 1, over people of whom the same is asked."""
    _, images = draw(generator, asked[:1].expand(people, -1), seed=1)
    return float((images.float() / 255).std(dim=0).mean())


def counterfactual_error(generator: VaeGenerator, part: FacePart) -> dict[str, float]:
    """L1 between a face with its twin's properties and the true twin, over that between two people.

    Beside it the same of faces merely rebuilt, and the share of latents' variance that properties explain.
    """
    apart, rebuilt, strangers, latents, asked = [], [], [], [], []
    for faces in part.in_order(twins=True):
        assert faces.properties is not None
        half = len(faces) // 2
        images, twins = to_network(faces.images).split(half)
        own, other = faces.properties.split(half)
        z = generator.encode(images, own).cpu()
        for properties, target, errors in ((own, images, rebuilt), (other, twins, apart)):
            drawn = generator.synthesis(generator.mapping(z, properties)).cpu()
            errors.append((drawn - target).abs().flatten(1).mean(1))
        strangers.append((images - images.roll(1, 0)).abs().flatten(1).mean(1))
        latents.append(z)
        asked.append(own)
    scale = torch.cat(strangers).mean()
    return {
        "rebuilt_over_strangers": float(torch.cat(rebuilt).mean() / scale),
        "counterfactual_over_strangers": float(torch.cat(apart).mean() / scale),
        "r2_latents_to_properties": probe(torch.cat(latents), torch.cat(asked)),
    }


def probe(latents: Tensor, properties: Tensor) -> float:
    """Mean R2, at least 0, of properties by a linear probe of latents, on the half it was not fitted to."""
    half = len(latents) // 2
    z = torch.cat([latents, torch.ones(len(latents), 1)], dim=1).double()
    c = properties.double()
    # A little ridge: fewer faces than latents have no unique fit.
    gram = z[:half].T @ z[:half] + 1e-3 * half * torch.eye(z.shape[1], dtype=torch.float64)
    told = z[half:] @ torch.linalg.solve(gram, z[:half].T @ c[:half])
    unexplained = (c[half:] - told).square().mean(0) / c[half:].var(dim=0, correction=0).clamp_min(1e-12)
    return float((1 - unexplained).clamp_min(0).mean())
