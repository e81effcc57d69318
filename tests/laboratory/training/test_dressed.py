"""Our own generator dressed as a StyleGAN: where eyes, mouth and head lie is known, so it must be found."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ohlora.assets import assets_dir
from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.face.drawing.generator import to_uint8
from ohlora.face.trained.spaces import SPACES, points_of
from ohlora.face.trained.stylegan.acting import ActingStyleGAN, StyleGANDirections
from ohlora.face.trained.stylegan.pretrained import PretrainedGenerator
from ohlora.face.trained.vae import StyleDecoder, VaeGenerator, load_generator
from ohlora.laboratory.measures.screening import ROW
from ohlora.laboratory.measures.statistics import pearson, slope
from ohlora.laboratory.networks.labeller import load_labeller
from ohlora.laboratory.networks.settings import SavedParser
from ohlora.laboratory.sources.face_scores import FaceScores
from ohlora.laboratory.training.stylegan_bank import screened
from ohlora.laboratory.training.stylegan_directions import calibrated, found_in, moved_people

MOVED = ("eyes", "mouth", "roll", "yaw")
SAMPLES, HELD = 600, 200
# What is asked of the directions found, by space.
COSINE_IN_Z = 0.95  # with the axis of z that is the property
CORRELATION = 0.95  # of held-out people's coordinates with the property
FOLLOWS = 0.9  # correlation of what is asked and what regressor b reads off the pictures
SLOPE = (0.6, 1.4)  # of read on asked


class DressedSynthesis(nn.Module):
    """The part that draws."""

    def __init__(self, decoder: StyleDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, w: Tensor) -> Tensor:
        return self.decoder.synthesis(w)[0]

    def channel_styles(self, w: Tensor) -> list[Tensor]:
        return self.decoder.channel_styles(w)

    def painted(self, styles) -> Tensor:
        return self.decoder.painted(styles)[0]


class Dressed(nn.Module):
    """A StyleGAN whose z is our latents, then the properties as standard normal numbers."""

    def __init__(self, ours: VaeGenerator) -> None:
        super().__init__()
        self.ours, decoder = ours, ours.network.decoder
        low, high = ours.network.low, ours.network.high
        self.low, self.span = low, high - low
        self.plan = SimpleNamespace(
            latent_dim=ours.latent_dim + len(low),
            label_dim=0,
            w_dim=decoder.w_dim,
            layers=decoder.layers,
            resolution=ours.resolution,
        )
        self.w_mean = ours.w_mean
        self.synthesis = DressedSynthesis(decoder)

    def truth(self, z: Tensor) -> Tensor:
        """Raw properties [faces, properties] of people; linear as long as nobody is beyond the range."""
        shares = 0.5 + z[:, self.ours.latent_dim :] / 5
        return self.low + shares.clamp(0, 1) * self.span

    def mapping(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.ours.mapping(z[:, : self.ours.latent_dim], self.truth(z))


@pytest.fixture(scope="module")
def ours() -> VaeGenerator:
    return load_generator(assets_dir() / "face", "generator_polished")


@pytest.fixture(scope="module")
def dressed(ours) -> PretrainedGenerator:
    return PretrainedGenerator(Dressed(ours), {"weights": {"sha256": "ours"}})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def people(dressed) -> tuple[Tensor, Tensor]:
    """z of samples, then of others, and the truth about them."""
    z = torch.randn(SAMPLES + HELD, dressed.latent_dim, generator=torch.Generator().manual_seed(0))
    return z, dressed.network.truth(z)


@pytest.fixture(scope="module")
def found(dressed, people, ours):
    """Directions, and points, in each space, of scores that are the truth."""
    z, truth = people
    names = tuple(ours.properties)
    scores = FaceScores(torch.arange(SAMPLES).numpy(), names, truth[:SAMPLES].double().numpy())
    spaces = {}
    with torch.no_grad():
        for space in SPACES:
            points, _ = points_of(dressed, space, z, torch.empty(len(z), 0))
            spaces[space] = (
                found_in(space, points[:SAMPLES], scores, "ridge", 0.15, free=True),
                points,
                scores,
            )
    return spaces


def test_directions_in_z_are_the_axes_that_are_the_properties(found, ours):
    directions, *_ = found["z"]
    for number, name in enumerate(directions.names):
        if name in MOVED:
            axis = ours.latent_dim + number
            assert float(directions.moves[number, axis]) > COSINE_IN_Z, name


@pytest.mark.parametrize("space", SPACES)
def test_coordinates_of_others_follow_the_truth(space, found, people):
    directions, points, _ = found[space]
    for number, name in enumerate(directions.names):
        if name in MOVED:
            coordinates = points[SAMPLES:] @ directions.readers[number]
            assert pearson(coordinates, people[1][SAMPLES:, number]) > CORRELATION, name


@pytest.mark.parametrize("space", SPACES)
def test_a_move_leaves_the_other_coordinates(space, found):
    directions, points, _ = found[space]
    own = directions.readers @ directions.moves.T
    spreads = (points[:SAMPLES] @ directions.readers.T).std(dim=0)
    leak = own * spreads[None, :] / spreads[:, None]
    torch.testing.assert_close(leak, torch.eye(len(own)), atol=2e-3, rtol=0)


def acting_by(found, curves, space, dressed, properties) -> ActingStyleGAN:
    """The generator that files of these would give."""
    kept = [found.names.index(name) for name in curves]
    saved = StyleGANDirections(
        found.moves[kept],
        found.readers[kept],
        torch.stack([curve.coordinates for curve in curves.values()]),
        torch.stack([curve.readings for curve in curves.values()]),
        {"properties": list(curves), "space": space},
    )
    return ActingStyleGAN(dressed, saved, properties)


def parser(name: str):
    return load_labeller(str(assets_dir() / "face" / f"{name}.safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "on_moved_faces"), [("z", False), ("w", False), ("style", False), ("style", True)]
)
def test_she_shows_what_is_asked(space, on_moved_faces, found, dressed, people, renderer):
    """By regressor b, which neither the directions nor their calibration have met."""
    directions, points, scores = found[space]
    job: Any = SimpleNamespace(space=space, swept=5, reach=2.0, steps=5)
    known = points[:SAMPLES]
    with torch.no_grad():
        swept = {}
        if on_moved_faces:
            swept = moved_people(job, dressed, 0, parser("regressor_a"), directions, known, scores)
    curves = calibrated(directions, known, scores, swept)
    acting = acting_by(directions, curves, space, dressed, renderer.properties)
    faces, steps = 6, 5
    z = people[0][SAMPLES : SAMPLES + faces].repeat_interleave(steps, 0)
    for name in MOVED:
        axis, column = renderer.properties[name], list(renderer.properties).index(name)
        asked = torch.tensor([axis.at(0.5) for axis in renderer.properties.values()]).repeat(len(z), 1)
        asked[:, column] = torch.tensor([axis.at(0.2 + 0.15 * i) for i in range(steps)]).repeat(faces)
        images = to_uint8(acting.synthesis(acting.mapping(z, asked)))
        read = parser("regressor_b").measure(images)[:, column]
        assert pearson(asked[:, column], read) > FOLLOWS, name
        assert SLOPE[0] < slope(asked[:, column], read) < SLOPE[1], name


@pytest.mark.slow
def test_screening_lets_those_pass_who_obey(found, dressed, people, renderer, composed):
    directions, points, scores = found["style"]
    curves = calibrated(directions, points[:SAMPLES], scores, {})
    acting = acting_by(directions, curves, "style", dressed, renderer.properties)
    base = torch.tensor([axis.at(0.5) for axis in renderer.properties.values()])
    screening = build(composed("train", "model=face_bank").screening)
    job: Any = SimpleNamespace(candidates=2, screening=screening)
    latents = people[0][SAMPLES : SAMPLES + 2]
    passed, rows = screened(job, acting, parser("segmenter_a"), latents, base)
    assert len(passed) > 0
    assert rows.shape == (2, len(ROW))
    job.screening = replace(screening, least_r={"eyes": 1.0})
    with pytest.raises(OhloraError, match=r"none of 2 people pass .* \(median r: eyes "):
        screened(job, acting, parser("segmenter_a"), latents, base)


def test_a_parser_sees_the_hair_that_the_ombre_colours(found, dressed, people, renderer, ours, composed):
    """Her generator's own mask head says the same of the same pictures as a segmenter that it never met."""
    directions, points, scores = found["z"]
    curves = calibrated(directions, points[:SAMPLES], scores, {})
    eyes = SavedParser(str(assets_dir() / "face" / "segmenter_b.safetensors")).load()
    acting = acting_by(directions, curves, "z", dressed, renderer.properties)
    seeing = replace(acting, parser=eyes)
    z = people[0][SAMPLES : SAMPLES + 8]
    w = acting.mapping(
        z, torch.tensor([[axis.at(0.5) for axis in renderer.properties.values()]]).repeat(8, 1)
    )
    seen, known = seeing.picture(w), ours.picture(w)
    assert (seen.images.int() - known.images.int()).abs().max() <= 1
    assert (seen.hair - known.hair).abs().mean() < 0.05
    ombre = build(composed("animate").ombre)
    blind, coloured, truly = (
        ombre.apply(known.images, one.hair, [0.0] * 8).float() for one in (acting.picture(w), seen, known)
    )
    assert torch.equal(blind, known.images.float())
    assert (coloured - truly).abs().mean() < 0.25 * (truly - blind).abs().mean()
    with pytest.raises(OhloraError, match="a regressor sees no hair"):
        SavedParser(str(assets_dir() / "face" / "regressor_a.safetensors")).load()
