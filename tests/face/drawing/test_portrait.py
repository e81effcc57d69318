"""The portrait: exact coverage, everything that can be asked for is seen, and no gaps when the head turns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.face.drawing import classes
from ohlora.face.drawing.ombre import Ombre
from ohlora.face.drawing.portrait.curves import ellipse
from ohlora.face.drawing.portrait.figure import EVERYTHING
from ohlora.face.drawing.portrait.ombred import ombred
from ohlora.face.drawing.portrait.raster import draw
from ohlora.face.drawing.portrait.scene import Gradient, Shape
from ohlora.face.drawing.portrait.settings import Portrait

WHITE, BLACK, GREEN = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0)
SQUARE = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])


@pytest.fixture(scope="module")
def portrait(composed) -> Portrait:
    return build(composed("animate", "resolution=64").generator)


@pytest.fixture(scope="module")
def resting(portrait, person) -> torch.Tensor:
    """Her properties and controls at rest [1, both]."""
    values = {
        "eyes": 0.74,
        "hair_colour": 0.3,
        "hair_length": 0.95,
        "background_mean": 0.8,
        "background_std": 0.02,
    }
    return torch.tensor([[values.get(name, 0.0) for name in portrait.properties]])


class TestRaster:
    def test_coverage_is_the_exact_area(self):
        """Of a square that cuts pixels, of a triangle, and of what lies partly outside of the picture."""
        for outline, area in (
            (SQUARE + 0.013, 1.0),
            (np.array([[-0.61, 0.37], [0.22, -0.71], [0.53, 0.44]]), 0.64475),
            (SQUARE + 1.0, 0.25),
            (SQUARE - (5.0, 0.0), 0.0),
        ):
            white = draw([Shape(outline, WHITE)], 31)[0][0]
            assert white.sum() * (2 / 31) ** 2 == pytest.approx(area, abs=1e-4)

    def test_a_ring_has_a_hole_and_a_clip_cuts(self):
        ring = np.concatenate(
            [ellipse(0, 0, 0.8, 0.8), ellipse(0, 0, 0.8, 0.8)[:1], ellipse(0, 0, 0.4, 0.4)[:1]]
        )
        ring = np.concatenate([ring, ellipse(0, 0, 0.4, 0.4)[::-1]])
        white = draw([Shape(ring, WHITE)], 64)[0][0]
        assert white[32, 32] < 0.01
        assert white[32, 10] > 0.99
        half = draw([Shape(SQUARE, WHITE, clip=np.add(SQUARE, (0.5, 0.0)))], 64)[0][0]
        assert half.sum() / 32**2 == pytest.approx(0.5, abs=1e-6)

    def test_gradients_go_where_they_are_told(self):
        stops = ((0.0, BLACK, 1.0), (1.0, WHITE, 1.0))
        across = draw([Shape(EVERYTHING, Gradient("linear", (-1.0, 0.0, 1.0, 0.0), stops))], 64)[0][0]
        assert across[5, ::8] == pytest.approx(np.linspace(0.5, 56.5, 8) / 64, abs=0.01)
        around = draw([Shape(EVERYTHING, Gradient("radial", (0.0, 0.0, 0.5, 0.25, 0.0), stops))], 64)[0][0]
        assert around[32, 32] < 0.1
        assert around[32, 40] == pytest.approx(0.53, abs=0.05)
        assert around[40, 32] > 0.99
        turned = draw([Shape(EVERYTHING, Gradient("radial", (0.0, 0.0, 0.5, 0.25, math.pi / 2), stops))], 64)[
            0
        ][0]
        assert turned == pytest.approx(around.T, abs=0.02)

    def test_the_topmost_shape_gives_the_label(self):
        scene = [Shape(SQUARE, WHITE, classes.HAIR), Shape(np.add(SQUARE, (0.5, 0.0)), BLACK, classes.SKIN)]
        _, labels, hair = draw([*scene, Shape(SQUARE, GREEN, opacity=0.5)], 64)
        assert (labels[20:40, 18:30] == classes.HAIR).all()
        assert (labels[20:40, 34:62] == classes.SKIN).all()
        assert hair[30, 20] == 1
        assert hair[30, 50] == 0


def test_everything_that_is_asked_for_can_be_seen(portrait, person, resting):
    """Every property and control at the far end of its range, and every trait."""
    asked = resting.repeat(len(portrait.properties) + 1, 1)
    for column, axis in enumerate(portrait.properties.values()):
        middle = float(resting[0, column])
        asked[column + 1, column] = axis.low if middle - axis.low > axis.high - middle else axis.high
    shown = portrait.synthesis(
        portrait.mapping(torch.from_numpy(person.latents).expand(len(asked), -1), asked)
    )
    moved = (shown[1:] - shown[:1]).abs().flatten(1).amax(1)
    assert not [name for name, by in zip(portrait.properties, moved.tolist(), strict=True) if by < 0.1]
    traits = portrait.latent_dim
    asked = resting.repeat(traits + 1, 1)
    asked[:, [*portrait.properties].index("background_std")] = 0.08
    shown = portrait.synthesis(
        portrait.mapping(torch.cat([torch.zeros(1, traits), 2.2 * torch.eye(traits)]), asked)
    )
    moved = (shown[1:] - shown[:1]).abs().flatten(1).amax(1)
    names = portrait.names[len(portrait.properties) :]
    unseen = {name for name, by in zip(names, moved.tolist(), strict=True) if by < 0.03}
    assert unseen <= WALLPAPER


# The first look's wallpaper is a pattern; this one has a lit wall and discs, which these do not change.
WALLPAPER = {"texture_angle", "texture_frequency", "texture_blend", "texture_sharpness"}


@pytest.mark.parametrize("yaw", [-0.6, 0.0, 0.6])
@pytest.mark.parametrize("pitch", [-0.3, 0.3])
@pytest.mark.parametrize("roll", [-0.3, 0.3])
def test_no_wall_is_seen_through_her_when_the_head_turns(portrait, population, resting, yaw, pitch, roll):
    """Wall that is surrounded by her would be a gap between hair, ears, face and neck."""
    asked = resting.clone()
    for name, value in (("yaw", yaw), ("pitch", pitch), ("roll", roll), ("hair_length", 0.6)):
        asked[0, [*portrait.properties].index(name)] = value
    (scene,) = portrait.scenes(population.latents(2, [1]), asked.numpy())
    first = next(number for number, shape in enumerate(scene) if shape.label == classes.HAIR)
    colours, _, _ = draw([Shape(EVERYTHING, GREEN), *scene[first:]], 96)
    wall = (colours[1] > 0.9) & (colours[0] < 0.2)
    labelled: Any = ndimage.label(wall)
    parts, count = labelled
    border = set(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])) - {0}
    gaps = [int((parts == number).sum()) for number in range(1, count + 1) if number not in border]
    assert sum(gaps) <= 2, gaps


def test_her_map_has_every_class_where_it_belongs(portrait, person, resting):
    asked = resting.clone()
    asked[0, [*portrait.properties].index("mouth")] = 0.7
    picture = portrait.picture(portrait.mapping(torch.from_numpy(person.latents)[None], asked))
    labels = picture.label_maps[0]
    assert set(labels.unique().tolist()) == set(range(11))
    rows, columns = (torch.arange(64.0)[:, None].expand(64, 64), torch.arange(64.0).expand(64, 64))
    middle = {label: (rows[labels == label].mean(), columns[labels == label].mean()) for label in range(11)}
    assert middle[classes.LEFT_BROW][0] < middle[classes.LEFT_EYE][0] < middle[classes.NOSE][0]
    assert middle[classes.NOSE][0] < middle[classes.UPPER_LIP][0] < middle[classes.LOWER_LIP][0]
    assert middle[classes.LEFT_EYE][1] < middle[classes.RIGHT_EYE][1]
    assert 0 <= picture.hair.min() <= picture.hair.max() <= 1


def test_the_same_numbers_are_the_same_picture(portrait, population, resting):
    latents = population.sample(4, range(3)).latents
    w = portrait.mapping(latents, resting.expand(3, -1))
    together = portrait.picture(w).images
    assert torch.equal(together[1], portrait.picture(w[1:2]).images[0])
    assert torch.equal(together, portrait.picture(w).images)


def test_the_ombre_of_a_scene_is_that_of_its_pixels(composed, portrait, person, resting):
    ombre: Ombre = build(composed("animate").ombre)
    picture = portrait.picture(portrait.mapping(torch.from_numpy(person.latents)[None], resting))
    (scene,) = portrait.scenes(person.latents[None], resting.numpy())
    filmed = ombre.apply(picture.images, picture.hair, [3.0])[0].numpy().astype(float)
    sketched = 255 * draw(ombred(scene, ombre, 3.0), 64)[0]
    assert np.abs(filmed - picture.images[0].numpy()).mean() > 4
    assert np.abs(filmed - sketched).mean() < 1.2


def test_controls_rest_at_zero(composed):
    with pytest.raises(OhloraError, match=r"controls.pout does not hold 0"):
        build(composed("animate", "controls.pout.low=0.2").job)
