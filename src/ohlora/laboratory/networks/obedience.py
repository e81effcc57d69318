"""Does a generator show what it is asked for, and leave alone what it is not? Any generator, any judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ohlora.face.acting.expression import MOVING
from ohlora.face.drawing.generator import Generator, to_network, to_uint8
from ohlora.face.trained.vae import VaeGenerator
from ohlora.laboratory.measures.statistics import pearson, slope, with_interval
from ohlora.laboratory.sources.source import FacePart
from ohlora.laboratory.sources.twins import may_change

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
    """Correlation and slope of every property, and the largest leak, all with 95 % bootstrap intervals.

    A leak is what a property moves by, in its own spreads, for each spread another one is asked to move.
    """
    scores: dict[str, float] = {}
    for i, name in enumerate(names):
        a, b = asked[:, i], measured[:, i]
        for label, measure in ((f"r_{name}", pearson), (f"slope_{name}", slope)):
            scores |= with_interval(label, lambda rows, f=measure, a=a, b=b: f(a[rows], b[rows]), len(a))

    def largest_leak(rows: Tensor) -> float:
        return float(leakage(asked[rows], measured[rows]).fill_diagonal_(0).abs().max())

    return {**scores, **with_interval("largest_leak", largest_leak, len(asked))}


def leakage(asked: Tensor, measured: Tensor) -> Tensor:
    """[asked property, measured property]: one regression on all that was asked, in spreads."""
    spread = asked.double().std(dim=0).clamp_min(1e-9)
    a = (asked.double() - asked.double().mean(dim=0)) / spread
    b = (measured.double() - measured.double().mean(dim=0)) / spread
    return torch.linalg.lstsq(a, b, driver="gelsd").solution


def repeated(generator: Generator, asked: Tensor, seed: int = 0) -> Tensor:
    """Whether a random person to each row of `asked` is the same to the pixel a second time, bool [faces]."""
    latents = torch.randn(len(asked), generator.latent_dim, generator=torch.Generator().manual_seed(seed))
    first, again = (to_uint8(generator.synthesis(generator.mapping(latents, asked))).cpu() for _ in range(2))
    return (first == again).flatten(1).all(dim=1)


def edited(names: Sequence[str], asked: Tensor, changed: Sequence[str] = MOVING) -> Tensor:
    """`asked` [faces, properties], its `changed` columns taken from the next face: a face edit's wishes."""
    columns = [i for i, name in enumerate(names) if name in changed]
    others = asked.clone()
    others[:, columns] = asked.roll(-1, 0)[:, columns]
    return others


def background_change(before: Tensor, after: Tensor, maps: Tensor, maps_after: Tensor) -> Tensor:
    """Mean absolute change of pixels, 0 to 1, that a moving head has no business with; float32 [faces].

    Those are background by both label maps, and away from head and neck. Faces that leave no such pixel are
    left out. `before` and `after` are uint8 images of the same people, the maps theirs.
    """
    still = ~may_change("roll", maps, maps_after)
    change = (before.float() - after.float()).abs().mean(dim=1) / 255
    seen = still.flatten(1).sum(dim=1)
    return ((change * still).flatten(1).sum(dim=1) / seen.clamp_min(1))[seen > 0]


def spread_of_people(generator: Generator, asked: Tensor, people: int = 64) -> float:
    """Standard deviation of pixels, 0 to 1, over people of whom the same is asked."""
    _, images = draw(generator, asked[:1].expand(people, -1), seed=1)
    return float((images.float() / 255).std(dim=0).mean())


def faithfulness(generator: VaeGenerator, part: FacePart) -> dict[str, float]:
    """L1 between a rebuilt face and itself, over that between two people; the same of imagined twins.

    A twin is the face with its twin's properties, beside the true one, where the source has it. Then the
    share of properties' variance that latents explain, which should hold none of it.
    """
    apart, rebuilt, strangers, latents, asked = [], [], [], [], []
    shown = ("rebuilt", "counterfactual") if part.source.has_twins else ("rebuilt",)
    for faces in part.in_order(twins=part.source.has_twins):
        assert faces.properties is not None
        count = len(faces) // len(shown)
        images, own = to_network(faces.images).split(count), faces.properties.split(count)
        z = generator.encode(images[0], own[0]).cpu()
        for target, properties, errors in zip(images, own, (rebuilt, apart), strict=False):
            drawn = generator.synthesis(generator.mapping(z, properties)).cpu()
            errors.append((drawn - target).abs().flatten(1).mean(1))
        strangers.append((images[0] - images[0].roll(1, 0)).abs().flatten(1).mean(1))
        latents.append(z)
        asked.append(own[0])
    scale, scores = torch.cat(strangers), {}
    for name, errors in zip(shown, (rebuilt, apart), strict=False):
        own = torch.cat(errors)
        scores |= with_interval(
            f"{name}_over_strangers",
            lambda rows, own=own: float(own[rows].mean() / scale[rows].mean()),
            len(scale),
        )
    return {**scores, "r2_latents_to_properties": probe(torch.cat(latents), torch.cat(asked))}


def probe(latents: Tensor, properties: Tensor) -> float:
    """Mean R2, at least 0, of properties by a linear probe of latents, on the half it was not fitted to."""
    half = len(latents) // 2
    z = torch.cat([latents, torch.ones(len(latents), 1)], dim=1).double()
    c = properties.double()
    # A little ridge: fewer faces than latents have no unique fit.
    gram = z[:half].T @ z[:half] + 1e-3 * half * torch.eye(z.shape[1], dtype=torch.float64)
    predicted = z[half:] @ torch.linalg.solve(gram, z[:half].T @ c[:half])
    unexplained = (c[half:] - predicted).square().mean(0) / c[half:].var(dim=0, correction=0).clamp_min(1e-12)
    return float((1 - unexplained).clamp_min(0).mean())
