"""Shares of hair from probabilities of it: against the renderer's exact ones, and on the network."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ohlora.build import build
from ohlora.face.acting.person import cast
from ohlora.face.drawing import classes
from ohlora.face.trained.matting import SURE, hair_shares

LIT = 0.05 * 255  # brighter by this, a wall is seen to be lit up


def test_shares_are_those_of_the_pixels(make_renderer, population):
    """A probability that is a pixel too wide, as a network's is: less than half of the errors is left."""
    renderer = make_renderer(resolution=64)
    women = population.sample(0, population.indices(0, 12, women=True))
    for name, value in {"hair_colour": 0.3, "background_mean": 0.8, "background_std": 0.02}.items():
        women = women.with_property(list(renderer.properties).index(name), value)
    picture = renderer.picture(renderer.mapping(women.latents, women.properties))
    wide = F.avg_pool2d(picture.hair[:, None], 3, 1, 1)[:, 0]
    doubtful = (wide > 1 - SURE) & (wide < SURE)
    before, after = (
        (shares - picture.hair).abs()[doubtful].mean() for shares in (wide, hair_shares(picture.images, wide))
    )
    assert after < 0.5 * before


def test_hair_as_dark_as_the_wall_keeps_its_probability():
    probability = torch.linspace(0, 1, 32).expand(1, 32, 32)
    grey = torch.full((1, 3, 32, 32), 60, dtype=torch.uint8)
    assert torch.equal(hair_shares(grey, probability), probability)


def test_no_halo_around_the_ombre(composed):
    """Of the network that ships: fewer than half as many pixels of the wall light up as by probabilities."""
    job = build(composed("animate", "drawn_by=network").job)
    generator, person = cast(job)
    rest = torch.from_numpy(person.at_rest(job.expressions)[None, : len(generator.properties)]).float()
    w = generator.mapping(torch.from_numpy(person.latents)[None], rest)
    picture = generator.picture(w)
    probability = generator.drawn(w)[1].softmax(dim=1)[:, classes.HAIR]
    wall = picture.label_maps == classes.BACKGROUND

    def coloured(hair: torch.Tensor) -> torch.Tensor:
        return job.ombre.apply(picture.images, hair, [0.0]).float() - picture.images.float()

    before, after = ((coloured(hair).mean(dim=1)[wall] > LIT).sum() for hair in (probability, picture.hair))
    assert after < 0.5 * before
    hair = picture.label_maps == classes.HAIR
    assert (coloured(picture.hair) != 0).any(dim=1)[hair].float().mean() > 0.3
