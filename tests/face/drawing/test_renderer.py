"""The renderer: what is asked for is what is seen, and nothing else moves."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import spearmanr

from ohlora.errors import OhloraError
from ohlora.face.drawing import classes
from ohlora.face.drawing.generator import to_network, to_uint8
from ohlora.face.drawing.population import DEFECTS
from ohlora.laboratory.measures.scores import SCORES, v2_scores
from ohlora.laboratory.sources.defects import spoil
from ohlora.laboratory.sources.faces import render
from ohlora.laboratory.sources.twins import may_show, twin

# FACE.md's gates at 64 px: correlation of what was asked for with upstream's v2 score of the exact map.
GATES = {
    "eyes": 0.96,
    "hair_colour": 0.995,
    "hair_length": 0.96,
    "mouth": 0.93,
    "roll": 0.99,
    "background_mean": 0.995,
    "background_std": 0.95,
}
# Scores that may follow another property by more than an eighth of their spread: a background near black or
# white has no room to vary.
KNOWN_LEAKS = {("background_mean", "background_std")}


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.double(), b.double()]))[0, 1])


@pytest.fixture(scope="module")
def scores(some_faces):
    return v2_scores(some_faces.label_maps, some_faces.images)


@pytest.mark.parametrize("name", SCORES)
def test_what_is_asked_for_is_what_is_measured(renderer, some_faces, scores, name):
    asked = some_faces.properties[:, list(renderer.properties).index(name)]
    assert correlation(asked, scores[:, SCORES.index(name)]) > GATES[name]


def test_brightness_of_hair_and_background_is_exact(renderer, some_faces, scores):
    names = list(renderer.properties)
    brightness = some_faces.images.float().mean(1) / 255
    hair = (some_faces.label_maps == classes.HAIR).float()
    measured = (brightness * hair).flatten(1).sum(1) / hair.flatten(1).sum(1)
    assert (measured - some_faces.properties[:, names.index("hair_colour")]).abs().max() < 0.03
    for name, tolerance in (("background_mean", 0.03), ("background_std", 0.03)):
        measured = scores[:, SCORES.index(name)] / 255
        assert (measured - some_faces.properties[:, names.index(name)]).abs().max() < tolerance


def test_every_class_is_on_nearly_every_face(some_faces):
    for label, name in enumerate(classes.CLASSES):
        there = (some_faces.label_maps == label).flatten(1).any(1).float().mean()
        # A mouth that is shut shows no inner mouth, a turned head may hide a brow's end, never an eye.
        assert there > (0.65 if name == "inner_mouth" else 0.95), name
    eyes = [(some_faces.label_maps == one).flatten(1).sum(1) for one in (4, 5)]
    assert min(int(one.min()) for one in eyes) >= 1
    assert some_faces.label_maps.max() == 10


@pytest.mark.parametrize("name", ["eyes", "hair_colour", "hair_length", "mouth", "roll", "background_mean"])
def test_a_property_moves_its_score_evenly_and_no_other(make_renderer, population, scores, name):
    renderer = make_renderer(resolution=128, supersample=1)  # at 64 px a small opening shows no pixel
    column, axis = list(renderer.properties).index(name), renderer.properties[name]
    person = population.sample(0, [3] * 9)
    middle = torch.tensor([one.at(0.5) for one in renderer.properties.values()])
    draws = twin(person, renderer.properties, "eyes", 0.0)
    draws.properties[:] = middle
    draws = draws.with_property(column, torch.tensor([axis.at(step / 8) for step in range(9)]))
    draws.severity.zero_()
    faces = render(renderer, draws)
    moved = v2_scores(faces.label_maps, faces.images)
    assert spearmanr(range(9), moved[:, SCORES.index(name)]).statistic >= 0.99
    for other, score in enumerate(SCORES):
        if score != name and (name, score) not in KNOWN_LEAKS:
            assert moved[:, other].std() < 0.125 * scores[:, other].std(), score


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["eyes", "hair_colour", "hair_length", "mouth", "roll", "background_mean", "background_std", "yaw"],
)
def test_twins_differ_only_where_they_may(renderer, population, name):
    draws = population.sample(6, range(6))
    axis = renderer.properties[name]
    pair = [twin(draws, renderer.properties, name, axis.at(u)) for u in (0.1, 0.8)]
    one, other = (renderer.picture(renderer.mapping(d.latents, d.properties)) for d in pair)
    difference = (one.images.int() - other.images.int()).abs().amax(1)
    differs = difference > 0
    allowed = may_show(name, renderer, pair)
    assert differs.flatten(1).any(1).float().mean() > 0.8  # std where the background is nearly white
    assert not (differs & ~allowed).any()
    assert not ((one.label_maps != other.label_maps) & ~allowed).any()
    assert torch.equal(pair[0].identity, pair[1].identity)
    assert torch.equal(pair[0].split, pair[1].split)


def test_properties_are_those_shown(renderer, population):
    draws = twin(population.sample(6, range(8)), renderer.properties, "background_mean", 0.95)
    draws = twin(draws, renderer.properties, "background_std", 0.2)
    names = list(renderer.properties)
    shown = render(renderer, draws).properties[:, names.index("background_std")]
    assert shown.tolist() == pytest.approx([0.05 / renderer.clip_at] * 8, abs=1e-6)


def test_the_same_w_is_the_same_face_alone_or_in_company(renderer, make_renderer, population):
    draws = population.sample(8, range(6))
    w = renderer.mapping(draws.latents, draws.properties)
    together = renderer.picture(w)
    alone = make_renderer(chunk=1).picture(w)
    assert (together.images.int() - alone.images.int()).abs().max() <= 1
    assert torch.equal(together.label_maps, alone.label_maps)


def test_another_resolution_shows_the_same_face(renderer, make_renderer, population):
    draws = population.sample(8, range(6))
    small = renderer.synthesis(renderer.mapping(draws.latents, draws.properties))
    for sharper in (make_renderer(resolution=128), make_renderer(supersample=1)):
        image = sharper.synthesis(sharper.mapping(draws.latents, draws.properties))
        image = torch.nn.functional.interpolate(image, size=64, mode="area")
        assert (image - small).abs().mean() < 0.03


def test_it_is_a_generator(renderer):
    latents = torch.randn(2, renderer.latent_dim, generator=torch.Generator().manual_seed(0))
    properties = torch.tensor([[axis.at(0.5) for axis in renderer.properties.values()]] * 2)
    images = renderer.synthesis(renderer.mapping(latents, properties))
    assert images.shape == (2, 3, renderer.resolution, renderer.resolution)
    assert -1 <= images.min() < -0.3
    assert 0.5 < images.max() <= 1
    assert renderer.w_mean.shape == renderer.mapping(latents, properties)[0].shape
    assert (images[0] - images[1]).abs().mean() > 0.05  # another latent, another face


def test_u8_and_network_images_are_one_range_each():
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_network(every)), every)
    assert to_network(every).min() == -1
    assert to_network(every).max() == 1


def test_every_trait_can_be_seen(renderer):
    """A trait that is named and does nothing would be a latent the generator cannot learn."""
    properties = torch.tensor([[0.8, 0.4, 0.5, 0.6, 0.05, 0.5, 0.1, 0.1]])
    traits = renderer.latent_dim
    latents = torch.cat([torch.zeros(1, traits), 2.2 * torch.eye(traits)])
    w = renderer.mapping(latents, properties.expand(traits + 1, -1))
    images = renderer.synthesis(w)
    moved = (images[1:] - images[:1]).abs().flatten(1).amax(1)
    names = renderer.names[len(renderer.properties) :]
    assert not [name for name, by in zip(names, moved.tolist(), strict=True) if by < 0.05]


def test_defects_grow_with_severity_and_spare_the_clean(renderer, population):
    draws = population.sample(1, range(1)).take(torch.zeros(16, dtype=torch.long))
    images = renderer.picture(renderer.mapping(draws.latents, draws.properties)).images
    draws.defect[:] = torch.arange(4).repeat_interleave(4)
    draws.severity[:] = torch.tensor([0.0, 0.3, 0.6, 0.9]).repeat(4)
    change = (spoil(images, draws).float() - images.float()).abs().flatten(1).mean(1).reshape(4, 4)
    assert (change[:, 0] == 0).all()
    for name, row in zip(DEFECTS, change.tolist(), strict=True):
        assert row == sorted(row), name
        assert row[2] > 1.0, name


def test_what_cannot_be_rendered_is_told_at_once(make_renderer):

    with pytest.raises(OhloraError) as caught:
        make_renderer(resolution=7, supersample=9)
    assert "resolution=7" in str(caught.value)
    assert "supersample=9" in str(caught.value)


def test_a_twin_in_something_unknown(renderer, population):
    with pytest.raises(OhloraError, match=r"eyez is not a property \(did you mean eyes"):
        twin(population.sample(0, [0]), renderer.properties, "eyez", 0.5)
