"""Datasets that are built here: drawn, said, or read from a package; the same each time."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import tarfile
import zipfile
from importlib import import_module
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from ohlora.datasets.builders import hangul, speech
from ohlora.datasets.readers import BUILDERS, Built, DatasetUnavailable
from ohlora.errors import OhloraError

NAMES = get_args(BUILDERS)
DRAWN = ("shapes", "textures", "sounds", "letters")  # from what every installation has
PACKED = ("emoji", "icons", "signs", "alphabets")


def builder(name):
    return import_module(f"ohlora.datasets.builders.{name}")


@pytest.fixture
def few(monkeypatch):
    """Six images of each class, two of them to test on."""
    for name in NAMES:
        if hasattr(builder(name), "PER_CLASS"):
            monkeypatch.setattr(builder(name), "PER_CLASS", (4, 2))


def test_every_builder_has_its_file_in_conf(built):
    for name in NAMES:
        reader = built("dataset", f"dataset={name}")
        assert isinstance(reader, Built)
        assert reader.name == name


class TestDrawn:
    @pytest.fixture(params=DRAWN)
    def name(self, request, few):
        return request.param

    def test_every_class_is_there_and_no_two_images_are_alike(self, name, tmp_path):
        data = Built(name, str(tmp_path), str(tmp_path / "cache")).load()
        classes = len(data.class_names)
        side = builder(name).SIDE
        assert (data.name, data.title, data.class_names) == (name, builder(name).TITLE, builder(name).CLASSES)
        assert data.train.images.dtype == torch.uint8
        assert data.train.images.shape == (4 * classes, 3 if name == "shapes" else 1, side, side)
        assert data.train.labels.bincount().tolist() == [4] * classes
        assert data.test.labels.bincount().tolist() == [2] * classes
        every = torch.cat([data.train.images, data.test.images]).flatten(1)
        assert len(every.unique(dim=0)) == len(every)
        assert (every.float().std(dim=1) > 2).all(), "an image shows nothing"

    def test_it_is_the_same_from_the_cache_and_when_drawn_again(self, name, tmp_path):
        data, kept, again = (
            Built(name, str(tmp_path), str(tmp_path / cache)).load() for cache in ("one", "one", "two")
        )
        for other in (kept, again):
            assert torch.equal(data.train.images, other.train.images)
            assert torch.equal(data.test.labels, other.test.labels)

    def test_a_damaged_cache_is_drawn_again(self, name, tmp_path):
        reader = Built(name, str(tmp_path), str(tmp_path))
        data = reader.load()
        next((tmp_path / "built").glob("*train-images.npy")).write_bytes(b"cut off")
        assert torch.equal(reader.load().train.images, data.train.images)


def test_more_images_leave_the_first_ones_as_they_are(monkeypatch, tmp_path):
    shapes = builder("shapes")
    monkeypatch.setattr(shapes, "PER_CLASS", (2, 1))
    few = Built("shapes", str(tmp_path), str(tmp_path / "few")).load()
    monkeypatch.setattr(shapes, "PER_CLASS", (3, 1))
    more = Built("shapes", str(tmp_path), str(tmp_path / "more")).load()
    assert torch.equal(more.train.images[: len(few.train)], few.train.images)


def test_each_shape_and_each_texture_is_another():
    shapes, textures = builder("shapes"), builder("textures")
    drawn = [
        [
            shapes.ink_of(shapes.outlines(one), np.random.default_rng(3), outline=False)
            for one in shapes.CLASSES
        ],
        [textures.pattern(one, np.random.default_rng(3)) for one in textures.CLASSES],
    ]
    for images in drawn:
        for image, other in itertools.combinations(images, 2):
            assert abs(image - other).max() > 0.5


class TestSpectrogram:
    @pytest.mark.parametrize("pitch", [200, 800, 3000])
    def test_a_tone_is_one_bright_row(self, pitch):
        from ohlora.datasets.builders.spectrogram import spectrogram

        time = np.arange(4000) / 8000
        picture = spectrogram(np.sin(2 * np.pi * pitch * time), 8000, 32, 100, 3900)
        row = 31 - round(31 * np.log(pitch / 100) / np.log(39))  # low pitches at the bottom
        assert abs(int(picture.mean(axis=1).argmax()) - row) <= 1
        assert picture.max() == 255

    def test_silence_is_black(self):
        from ohlora.datasets.builders.spectrogram import spectrogram

        assert not spectrogram(np.zeros(4000), 8000, 32, 100, 3900).any()


class TestWhatItIsMadeOf:
    @pytest.mark.parametrize("name", PACKED)
    def test_a_missing_archive_is_named_with_how_to_get_it(self, name, tmp_path):
        with pytest.raises(DatasetUnavailable, match=r"not there: (run `npm pack|it comes with)"):
            Built(name, str(tmp_path), str(tmp_path)).load()

    def test_all_missing_archives_are_told_at_once(self, tmp_path):
        with pytest.raises(DatasetUnavailable) as told:
            Built("icons", str(tmp_path), str(tmp_path)).load()
        assert "tabler-icons-3.48.0.tgz" in str(told.value)
        assert "`npm pack @tabler/icons@3.48.0 @tabler/icons-png@3.48.0`" in str(told.value)

    def test_missing_fonts(self, tmp_path, monkeypatch):
        monkeypatch.setattr(hangul, "SYSTEM", tmp_path)
        with pytest.raises(DatasetUnavailable, match="fonts-nanum, fonts-unfonts-core, fonts-baekmuk"):
            Built("hangul", str(tmp_path), str(tmp_path)).load()

    def test_a_missing_program(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(DatasetUnavailable, match="apt install espeak-ng"):
            Built("speech", str(tmp_path), str(tmp_path)).load()

    def test_icons(self, tmp_path):
        rows = {
            "arrow": "Arrows",
            "letter": "Letters",
            "flag": "Nobody's",
            **{f"a{i}": "Map" for i in range(9)},
        }
        listing = json.dumps({name: {"category": kind} for name, kind in rows.items()}).encode()
        tgz(tmp_path / "tabler-icons-3.48.0.tgz", {"package/icons.json": listing})
        pictures = {f"package/icons/outline/{name}.png": picture("L") for name in rows}
        tgz(tmp_path / "tabler-icons-png-3.48.0.tgz", pictures)
        data = Built("icons", str(tmp_path), str(tmp_path / "cache")).load()
        assert len(data.train) + len(data.test) == len(rows) - 1
        assert data.train.images.shape[1:] == (1, 32, 32)

    def test_skin_tones_of_one_emoji_stay_together(self, tmp_path):
        hands = [
            {
                "short_name": f"hand{i}",
                "image": f"{i}.png",
                "category": "People & Body",
                "skin_variations": {"dark": {"image": f"{i}d.png"}},
            }
            for i in range(20)
        ]
        files = {
            f"package/img/twitter/64/{i}{tone}.png": picture("RGBA", i)
            for i in range(20)
            for tone in ("", "d")
        }
        name = "emoji-datasource-twitter-16.0.0.tgz"
        tgz(tmp_path / name, {"package/emoji.json": json.dumps(hands).encode(), **files})
        data = Built("emoji", str(tmp_path), str(tmp_path / "cache")).load()
        shades = [set(split.images[:, 0, 20, 20].tolist()) for split in (data.train, data.test)]
        assert not shades[0] & shades[1]
        assert len(data.train) + len(data.test) == 40

    def test_a_zip_of_class_folders(self, tmp_path):
        (tmp_path / "own_images").mkdir()
        with zipfile.ZipFile(tmp_path / "own_images" / "sign_digits.zip", "w") as file:
            for digit in range(10):
                for number in range(8):
                    file.writestr(f"sign_digits/{digit}/{number}.png", picture("RGB", digit))
        data = Built("signs", str(tmp_path), str(tmp_path / "cache")).load()
        assert len(data.train) + len(data.test) == 80
        assert data.train.images.shape[1:] == (3, 64, 64)

    @pytest.mark.parametrize("name", ["own_images/sign_digits.zip", "emoji-datasource-twitter-16.0.0.tgz"])
    def test_a_damaged_archive_is_named(self, name, tmp_path):
        (tmp_path / "own_images").mkdir()
        (tmp_path / name).write_bytes(b"no archive")
        with pytest.raises(OhloraError, match="is damaged"):
            Built("signs" if "own" in name else "emoji", str(tmp_path), str(tmp_path / "cache")).load()

    @pytest.mark.skipif(not shutil.which("espeak-ng"), reason="needs espeak-ng")
    def test_spoken_digits(self, few, tmp_path):
        data = Built("speech", str(tmp_path), str(tmp_path)).load()
        assert data.train.images.shape == (40, 1, speech.SIDE, speech.SIDE)
        assert (data.train.images.float().flatten(1).std(dim=1) > 2).all()

    @pytest.mark.skipif(not (hangul.SYSTEM / hangul.FONTS[0]).is_file(), reason="needs the fonts")
    def test_hangul(self, few, tmp_path):
        data = Built("hangul", str(tmp_path), str(tmp_path)).load()
        assert data.train.images.shape == (40, 1, hangul.SIDE, hangul.SIDE)


def picture(mode: str, shade: int = 0) -> bytes:
    file = io.BytesIO()
    colour = {"L": shade, "RGB": (shade, 90, 90), "RGBA": (shade, 90, 90, 255)}[mode]
    Image.new(mode, (40, 40), colour).save(file, "PNG")
    return file.getvalue()


def tgz(path, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
