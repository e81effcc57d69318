"""The measure itself, on the renderer, which obeys, and on generators that do not."""

from __future__ import annotations

import pytest
import torch

from ohlora.face.drawing import classes
from ohlora.laboratory.measures.scores import SCORES, v2_scores
from ohlora.laboratory.networks.obedience import (
    background_change,
    draw,
    edited,
    leakage,
    obedience,
    probe,
    repeated,
    spread_of_people,
)

ASKED = torch.rand(400, 3, generator=torch.Generator().manual_seed(0))


def test_who_obeys_has_slope_one_and_no_leak():
    told = obedience(("a", "b", "c"), ASKED, ASKED.clone())
    assert told["r_b"] == pytest.approx(1)
    assert told["slope_c"] == pytest.approx(1)
    assert told["largest_leak"] < 1e-9


def test_a_leak_is_found_where_it_is():
    measured = ASKED.clone()
    measured[:, 1] += 0.3 * ASKED[:, 0]
    leak = leakage(ASKED, measured)
    assert float(leak[0, 1]) == pytest.approx(0.3, abs=0.02)
    assert leak[1, 0].abs() < 1e-9
    assert obedience(("a", "b", "c"), ASKED, measured)["largest_leak"] == pytest.approx(0.3, abs=0.02)


def test_noise_lowers_r_within_its_interval():
    noisy = ASKED + 0.3 * torch.randn(400, 3, generator=torch.Generator().manual_seed(1))
    told = obedience(("a", "b", "c"), ASKED, noisy)
    assert told["r_a_low"] < told["r_a"] < told["r_a_high"] < 0.95


def test_the_renderer_obeys(make_renderer, population):
    renderer = make_renderer(resolution=64, supersample=1)
    asked = renderer.bounded(population.sample(0, range(60)).properties)
    w, images = draw(renderer, asked)
    scores = v2_scores(renderer.picture(w).label_maps, images)
    for name in ("hair_colour", "roll", "background_mean"):
        column = list(renderer.properties).index(name)
        told = obedience((name,), asked[:, column : column + 1], scores[:, [SCORES.index(name)]])
        assert told[f"r_{name}"] > 0.97
    assert spread_of_people(renderer, asked, people=8) > 0.05


def test_a_moody_generator_is_found_out(make_renderer, population):
    renderer = make_renderer(resolution=16, supersample=1)

    class Moody:
        latent_dim = renderer.latent_dim
        mapping = staticmethod(renderer.mapping)

        def synthesis(self, w):
            return renderer.synthesis(w + 0.1 * torch.randn_like(w))

    with pytest.raises(RuntimeError, match="in two ways"):
        draw(Moody(), population.sample(0, range(4)).properties)  # type: ignore[arg-type]


def test_a_probe_finds_what_latents_know():
    latents = torch.randn(400, 5, generator=torch.Generator().manual_seed(0))
    strangers = torch.randn(400, 2, generator=torch.Generator().manual_seed(1))
    assert probe(latents, strangers) < 0.05
    assert probe(latents, latents[:, :2] @ torch.tensor([[2.0, 0.0], [1.0, 3.0]])) > 0.99


class TestAnEdit:
    def test_a_face_edit_takes_the_next_face_and_leaves_hair_and_wall(self, renderer, population):
        asked, names = population.sample(0, range(5)).properties, list(renderer.properties)
        others = edited(names, asked)
        for i, name in enumerate(names):
            expected = asked[[1, 2, 3, 4, 0], i] if name in ("eyes", "mouth", "roll", "yaw") else asked[:, i]
            assert torch.equal(others[:, i], expected), name
        assert torch.equal(edited(names, asked, names), asked.roll(-1, 0))

    def test_background_change_by_hand(self):
        maps = torch.full((3, 20, 20), classes.SKIN, dtype=torch.uint8)
        maps[:2, :10] = classes.BACKGROUND  # the last face fills its picture
        before = torch.zeros(3, 3, 20, 20, dtype=torch.uint8)
        after = before.clone()
        after[0, :, :4] = 51  # 0.2 in 4 of the 9 rows that lie a pixel or more away from the skin
        after[1, 0, 9] = 255  # beside the skin: a head's own
        after[:, :, 10:] = 255
        change = background_change(before, after, maps, maps)
        assert change.tolist() == pytest.approx([0.2 * 4 / 9, 0.0])

    def test_the_renderer_leaves_the_wall_alone_and_a_lamp_does_not(self, make_renderer, population):
        renderer = make_renderer(resolution=32, supersample=1)
        draws = population.sample(0, range(6))
        names = list(renderer.properties)
        pictures = [
            renderer.picture(renderer.mapping(draws.latents, asked))
            for asked in (draws.properties, edited(names, draws.properties))
        ]
        images, maps = [one.images for one in pictures], [one.label_maps for one in pictures]
        assert background_change(*images, *maps).max() < 0.004
        brighter = (images[1].int() + 26).clamp_max(255).byte()
        assert background_change(images[0], brighter, *maps).mean() > 0.05


def test_who_draws_the_same_twice_is_believed_face_by_face(make_renderer, population):
    renderer = make_renderer(resolution=16, supersample=1)
    asked = population.sample(0, range(4)).properties
    assert repeated(renderer, asked).all()

    class Moody:
        latent_dim = renderer.latent_dim
        mapping = staticmethod(renderer.mapping)

        def synthesis(self, w):
            images = renderer.synthesis(w)
            images[0] += torch.rand(())
            return images

    assert repeated(Moody(), asked).tolist() == [False, True, True, True]  # type: ignore[arg-type]
