"""Frames and files: hair that is coloured where hair is, films of the right length, faults told at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.face.acting import film_files
from ohlora.face.acting.film import WRITERS, film, palette_of, save_film
from ohlora.face.acting.film_files import ENDINGS, film_fault, has_encoder
from ohlora.face.acting.performance import Performance
from ohlora.face.acting.person import cast
from ohlora.face.drawing import classes
from ohlora.face.drawing.generator import Picture

SMALL = ("resolution=32", "renderer.supersample=1", "fps=10", "seconds=1")


@pytest.fixture
def job(composed, tmp_path):
    config = composed("animate", *SMALL).job
    return replace(build(config), out=str(tmp_path / "deep" / "film.gif"))


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Ten frames of a square on its way to the right."""
    moving = np.full((10, 32, 48, 3), 200, dtype=np.uint8)
    for number in range(10):
        moving[number, 10:20, 4 * number : 4 * number + 8] = (200, 30, 60)
    return moving


@pytest.fixture(scope="module")
def picture(renderer, population) -> Picture:
    """Six people."""
    draws = population.sample(3, range(6))
    return renderer.picture(renderer.mapping(draws.latents, draws.properties))


@pytest.mark.parametrize("ending", [".gif", ".png", ".webp"])
def test_an_animation_has_its_frames_and_length(frames, tmp_path, ending):
    path = save_film(frames, tmp_path / f"film{ending}", fps=12)
    with Image.open(path) as picture:
        assert picture.n_frames == 10
        lengths = []
        for number in range(10):
            picture.seek(number)
            picture.load()
            lengths.append(picture.info["duration"])
            shown = np.asarray(picture.convert("RGB")).astype(int)
            assert np.abs(shown - frames[number]).mean() < 4
    assert sum(lengths) == pytest.approx(10_000 / 12, abs=10)
    assert not list(tmp_path.glob("*.part*"))


@pytest.mark.skipif(not has_encoder(), reason='PyAV is not installed (pip install "ohlora[video]")')
@pytest.mark.parametrize("ending", [".mp4", ".webm"])
def test_a_video_has_its_frames_and_length(frames, tmp_path, ending):
    import av

    path = save_film(frames, tmp_path / f"film{ending}", fps=12.5)
    with av.open(str(path)) as container:
        shown = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
        assert float(container.streams.video[0].average_rate) == pytest.approx(12.5)
    assert len(shown) == 10
    assert np.abs(np.array(shown) - frames).mean() < 12  # a red square's edges in 4:2:0


def test_the_same_seed_and_time_the_same_frame_alone_or_in_company(job, tmp_path):
    generator, person = cast(job)
    performance = Performance.of(person.at_rest(job.expressions), job.expressions, 5).feel("happy", 0.0)
    times = [0.1 * number for number in range(11)]
    together = film(generator, person, performance, times, job.ombre)
    alone = film(generator, person, performance, times[7:8], job.ombre)
    assert np.array_equal(alone[0], together[7])
    job.run()
    first = Path(job.out).read_bytes()
    job.run()
    assert Path(job.out).read_bytes() == first


@pytest.mark.parametrize("drawn_by", ["portrait", "renderer"])
def test_both_looks_act(composed, drawn_by):
    """The first look knows no controls: it is asked for properties alone."""
    job = build(composed("animate", *SMALL, f"drawn_by={drawn_by}").job)
    generator, person = cast(job)
    acted = Performance.of(person.at_rest(job.expressions), job.expressions, 0).feel("laughing", 0.1)
    calm, laughing = film(generator, person, acted, [0.0, 2.0], job.ombre).astype(int)
    assert calm.shape == (32, 32, 3)
    assert np.abs(calm - laughing).mean() > 2


def test_a_film_lasts_until_she_is_done(job):
    replace(job, seconds=None, mood="laughing", say="ha " * 20).run()
    with Image.open(job.out) as picture:
        assert 40 < picture.n_frames < 120  # 20 syllables of 0.16 s and as many pauses, at 10 frames a second


def test_every_fault_at_once(composed, tmp_path):
    (tmp_path / "file").touch()
    overrides = (
        "mood=suprised",
        "fps=0",
        "seconds=99",
        "resolution=7",
        "face=-1",
        f"out={tmp_path}/file/x.gof",
    )
    with pytest.raises(OhloraError) as caught:
        build(composed("animate", *overrides).job)
    for fault in (
        "mood=suprised: not one of neutral | happy",
        "(did you mean surprised",
        "fps=0 is not a number from 1 to 60",
        "seconds=99 is not a number from 0.1 to 60, or null",
        "resolution=7 is not a whole number from 16 to 512",
        "face=-1 is not a whole number from 0",
        "ends in .gof, not in one of .gif | .png | .webp | .mp4 | .webm",
        "cannot be written",
    ):
        assert fault in str(caught.value)


def test_settings_of_the_wrong_kind(composed):
    overrides = (
        "fps=often",
        "seed=1.5",
        "resolution=large",
        "face=x",
        "mood=5",
        "seconds=[1]",
        "out=7",
        "say=[1]",
    )
    with pytest.raises(OhloraError) as caught:
        build(composed("animate", *overrides).job)
    for name in overrides:
        assert name in str(caught.value)


def test_a_number_is_a_line(composed):
    assert build(composed("animate", "say=2026").job).say == "2026"


def test_properties_nobody_has(composed):
    with pytest.raises(OhloraError) as caught:
        build(composed("animate", "~looks.hair_colour", "+looks.hair_color=0.3", "looks.hair_length=3").job)
    for fault in (
        "looks.hair_colour is missing",
        "hair_color is not one of",
        "did you mean hair_colour",
        "hair_length=3.0",
    ):
        assert fault in str(caught.value)


def test_a_video_needs_its_encoder_and_an_even_side(composed, monkeypatch, tmp_path):
    monkeypatch.setattr(film_files, "has_encoder", lambda: False)
    assert 'pip install "ohlora[video]"' in str(film_fault(str(tmp_path / "x.mp4"), 25))
    monkeypatch.setattr(film_files, "has_encoder", lambda: True)
    assert film_fault(str(tmp_path / "x.webm"), 60) is None
    with pytest.raises(OhloraError, match="resolution=65 is odd, a video's is even"):
        build(composed("animate", "resolution=65", f"out={tmp_path}/x.webm").job).run()


def test_a_gif_keeps_rare_colours_and_has_no_stripes():
    """Of a wall that fades and an iris of thirty pixels."""
    wall = np.linspace((205, 218, 224), (175, 190, 198), 128)[:, None].repeat(128, axis=1)
    frame = wall.round().astype(np.uint8)
    frame[60:66, 60:65] = (150, 80, 40)
    picture = Image.fromarray(frame)
    shown = picture.quantize(palette=palette_of([picture] * 3), dither=Image.Dither.NONE).convert("RGB")
    apart = np.abs(np.asarray(shown).astype(int) - frame.astype(int)).max(axis=2)
    assert apart.max() <= 3


def test_where_a_film_can_be_written(tmp_path):
    assert film_fault(str(tmp_path / "x.gif"), 60) == "fps=60 is above 50, the most a GIF shows"
    assert film_fault(str(tmp_path / "X.GIF"), 25) is None
    (tmp_path / "x.png").mkdir()
    assert film_fault(str(tmp_path / "x.png"), 25) == "is a folder"
    assert set(WRITERS) == set(ENDINGS)


@pytest.mark.slow
def test_a_wrong_setting_is_one_line(door, own_world):
    done = door("animate", "mood=hapy", "face=x", cwd=own_world)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "face=x" in done.stderr
    assert "did you mean happy" in done.stderr


class TestHair:
    def test_its_share_agrees_with_the_label_map(self, picture):
        hair = picture.label_maps == classes.HAIR
        assert picture.hair.shape == hair.shape
        assert 0 <= picture.hair.min() <= picture.hair.max() <= 1
        assert ((picture.hair > 0.5) == hair).float().mean() > 0.97
        assert picture.hair[hair].mean() > 0.93
        assert picture.hair[~hair].mean() < 0.03

    def test_the_lower_part_is_coloured_and_nothing_else(self, picture, expressions_config):
        ombre = build(expressions_config("ombre.strength=1").ombre)
        coloured = ombre.apply(picture.images, picture.hair, [0.0] * 6)
        changed = (coloured != picture.images).any(dim=1)
        assert not changed[picture.hair == 0].any()
        weights = ombre.weights(picture.hair[0], 0.0)
        assert weights[:16].max() == 0
        assert weights[-1] == 1
        assert (weights.diff() >= 0).all()
        assert changed[0].any()

    def test_no_hair_or_one_row_of_it_divides_by_nothing(self, picture, expressions_config):
        ombre = build(expressions_config().ombre)
        bald, row = torch.zeros(64, 64), torch.zeros(64, 64)
        row[40] = 1
        image = picture.images[:1]
        assert torch.equal(ombre.apply(image, bald[None], [0.0]), image)
        assert torch.isfinite(ombre.weights(row, 0.0)).all()

    def test_colour_is_smooth_in_time(self, picture, expressions_config):
        ombre = build(expressions_config().ombre)
        times = [number / 30 for number in range(60)]
        images = ombre.apply(
            picture.images[:1].expand(60, -1, -1, -1), picture.hair[:1].expand(60, -1, -1), times
        )
        assert images.int().diff(dim=0).abs().max() <= 4  # of 255, from frame to frame

    def test_settings_out_of_range_are_told_at_once(self, expressions_config):
        overrides = ("ombre.strength=9", "ombre.height=[0.9,0.3]", "ombre.spread=[0.1]", "ombre.hue=red")
        with pytest.raises(OhloraError) as caught:
            build(expressions_config(*overrides).ombre)
        for fault in (
            "ombre.strength=9 is not a number from 0 to 3",
            "ombre.height=[0.9, 0.3]: centre and swing go from 0.6 to 1.2, outside 0 to 1",
            "ombre.spread=[0.1] is not a pair",
            "ombre.hue=red is not a number from 0 to 1",
        ):
            assert fault in str(caught.value)
