"""Datasets from disk: whole, missing, damaged; and anybody's own folders."""

from __future__ import annotations

import io
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ohlora.datasets.images import stratified_halves
from ohlora.datasets.readers import Cifar10, DatasetUnavailable, Digits, Folder, TorchvisionGrey
from ohlora.datasets.standard import CIFAR10_CLASSES
from ohlora.errors import OhloraError


class TestDigits:
    def test_needs_nothing_and_is_complete(self, digits):
        assert digits.train.images.dtype == torch.uint8
        assert len(digits.train) + len(digits.test) == 1797
        assert digits.train.images.shape[1:] == (1, 8, 8)
        assert digits.train.images.max() == 255
        assert (
            digits.train.labels.unique().tolist() == digits.test.labels.unique().tolist() == list(range(10))
        )

    def test_is_the_same_every_time(self, digits):
        again = Digits().load()
        assert torch.equal(again.train.images, digits.train.images)
        assert torch.equal(again.test.labels, digits.test.labels)


def test_halves_are_disjoint_complete_and_stratified():
    labels = np.array([0] * 50 + [1] * 7 + [2] * 2)
    first, second = stratified_halves(labels, second_share=0.2)
    assert sorted([*first, *second]) == list(range(59))
    assert np.bincount(labels[second]).tolist() == [10, 1, 1]
    assert np.bincount(labels[first]).tolist() == [40, 6, 1]


def write_images(
    folder: Path, count: int, colour: tuple[int, int, int] | int, size=(20, 14), suffix="png"
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(folder.name))
    grey = isinstance(colour, int)
    for i in range(count):
        shape = (size[1], size[0]) if grey else (size[1], size[0], 3)
        noise = rng.integers(0, 40, shape)
        Image.fromarray((noise + np.array(colour)).clip(0, 255).astype(np.uint8)).save(
            folder / f"{i}.{suffix}"
        )


class TestFolder:
    def test_mixed_sizes_formats_and_colours_become_one_dataset(self, tmp_path):
        write_images(tmp_path / "cat", 8, (200, 30, 30), (31, 17), "jpg")
        write_images(tmp_path / "dog" / "deeper", 9, 120, (8, 40), "png")
        write_images(tmp_path / "eel", 10, (10, 10, 180), (64, 64), "webp")
        (tmp_path / "dog" / "notes.txt").write_text("not an image")
        (tmp_path / ".hidden").mkdir()
        data = Folder(str(tmp_path), 16).load()
        assert data.class_names == ("cat", "dog", "eel")
        assert data.train.images.shape[1:] == (3, 16, 16)
        assert data.train.images.dtype == torch.uint8
        every = torch.cat([data.train.labels, data.test.labels])
        assert every.bincount().tolist() == [8, 9, 10]
        assert data.test.labels.bincount().tolist() == [2, 2, 2]
        cats = data.train.images[data.train.labels == 0].float().mean(dim=(0, 2, 3))
        assert cats[0] > cats[1] + 100

    def test_grey_only_if_all_are_grey(self, tmp_path):
        write_images(tmp_path / "a", 6, 30)
        write_images(tmp_path / "b", 6, (90, 90, 90))
        assert Folder(str(tmp_path), 8).load().channels == 3  # the noise of b is coloured
        for path in (tmp_path / "b").iterdir():
            Image.open(path).convert("L").save(path)
        assert Folder(str(tmp_path), 8).load().channels == 1

    def test_train_and_test_folders_are_kept(self, tmp_path):
        for part, count in (("train", 7), ("test", 3)):
            write_images(tmp_path / part / "a", count, 10)
            write_images(tmp_path / part / "b", count, 200)
        data = Folder(str(tmp_path), 8).load()
        assert (len(data.train), len(data.test)) == (14, 6)
        assert data.train.images[data.train.labels == 1].float().mean() > 190

    def test_train_and_test_must_agree_on_the_classes(self, tmp_path):
        for part, other in (("train", "b"), ("test", "c")):
            write_images(tmp_path / part / "a", 3, 10)
            write_images(tmp_path / part / other, 3, 200)
        with pytest.raises(OhloraError, match=r"train has the classes \['a', 'b'\], test has \['a', 'c'\]"):
            Folder(str(tmp_path), 8).load()

    def test_a_photo_taken_sideways_is_turned_upright(self, tmp_path):
        half = np.zeros((16, 16), dtype=np.uint8)
        half[:8] = 255
        exif = Image.Exif()
        exif[0x0112] = 6  # "rotate 90 degrees clockwise to see it upright"
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            for i in range(5):
                Image.fromarray(half).save(tmp_path / name / f"{i}.png", exif=exif)
        images = Folder(str(tmp_path), 16).load().train.images.float()
        assert images[..., 8:].mean() > 200
        assert images[..., :8].mean() < 50

    def test_every_fault_is_named_at_once(self, tmp_path):
        write_images(tmp_path / "good", 3, 10)
        (tmp_path / "bad").mkdir()
        whole = io.BytesIO()
        Image.new("RGB", (30, 30), "red").save(whole, "PNG")
        (tmp_path / "bad" / "torn.png").write_bytes(whole.getvalue()[:60])
        (tmp_path / "bad" / "text.jpg").write_text("I am not an image")
        (tmp_path / "bad" / "empty.webp").touch()
        (tmp_path / "void").mkdir()
        with pytest.raises(OhloraError) as caught:
            Folder(str(tmp_path), 8).load()
        text = str(caught.value)
        assert "no images in: void" in text
        assert "3 files cannot be read as images: bad/empty.webp, bad/text.jpg, bad/torn.png" in text
        assert ".png" in text

    def test_an_empty_or_single_class_folder_is_refused(self, tmp_path):
        with pytest.raises(OhloraError, match="has 0 class folders with images; two or more"):
            Folder(str(tmp_path), 8).load()
        write_images(tmp_path / "only", 5, 10)
        with pytest.raises(OhloraError, match="has 1 class folders with images; two or more"):
            Folder(str(tmp_path), 8).load()

    @pytest.mark.parametrize("root", [None, ""])
    def test_a_folder_must_be_named(self, root):
        with pytest.raises(OhloraError, match=r"needs dataset\.root=DIR"):
            Folder(root, 8).load()

    def test_a_folder_must_be_there(self, tmp_path):
        with pytest.raises(OhloraError, match="is not a directory"):
            Folder(str(tmp_path / "nowhere"), 8).load()

    @pytest.mark.parametrize("image_size", [0, -3, "big", 2.5, None, True])
    def test_the_size_is_not_blamed_on_the_images(self, tmp_path, image_size):
        with pytest.raises(OhloraError, match=r"image_size=.* is not a whole number from 4 to 1024"):
            Folder(str(tmp_path), image_size)

    def test_folders_of_one_name_are_not_one_dataset(self, tmp_path):
        names = set()
        for place, shade in (("x", 10), ("y", 60)):
            write_images(tmp_path / place / "pets" / "a", 5, shade)
            write_images(tmp_path / place / "pets" / "b", 5, 200)
            names.add(Folder(str(tmp_path / place / "pets"), 8).load().name)
        write_images(tmp_path / "x" / "pets" / "a", 6, 10)
        names.add(Folder(str(tmp_path / "x" / "pets"), 8).load().name)
        names.add(Folder(str(tmp_path / "x" / "pets"), 12).load().name)
        assert len(names) == 4

    def test_it_can_be_played_on(self, tmp_path, varied, cache_dir):
        write_images(tmp_path / "a", 60, 10)
        write_images(tmp_path / "b", 60, 200)
        from ohlora.datasets.subset import draw_valid_seeds

        _, subset = next(draw_valid_seeds(varied, Folder(str(tmp_path), 8).load(), 0, cache_dir))
        assert set(subset.class_names) == {"a", "b"}


def idx_files(folder: Path, train: int = 30) -> Path:
    """MNIST's own file format, with few images in it."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, n in (("train", train), ("t10k", 20)):
        pixels = np.random.default_rng(n).integers(0, 256, (n, 28, 28)).astype(np.uint8)
        header = np.array([2051, n, 28, 28], dtype=">i4").tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        labels = (np.arange(n) % 10).astype(np.uint8)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(
            np.array([2049, n], dtype=">i4").tobytes() + labels.tobytes()
        )
    return folder


class TestMnist:
    def test_is_read_from_its_own_files(self, tmp_path):
        data = TorchvisionGrey("mnist", str(idx_files(tmp_path)), offline=True).load()
        assert data.train.images.shape == (30, 1, 28, 28)
        assert data.test.labels.tolist() == [i % 10 for i in range(20)]

    def test_what_is_not_there_is_said_with_a_way_out(self, tmp_path):
        with pytest.raises(
            DatasetUnavailable, match=r"MNIST is not in .* paths\.offline=true.*dataset=digits"
        ):
            TorchvisionGrey("mnist", str(tmp_path), offline=True).load()

    def test_no_network_is_said_in_one_line(self, tmp_path, monkeypatch):
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with pytest.raises(
            DatasetUnavailable, match=r"Fashion-MNIST .* could not be downloaded .*dataset=digits"
        ):
            TorchvisionGrey("fashion", str(tmp_path), offline=False).load()

    @pytest.mark.parametrize(
        "damage",
        [lambda b: b"", lambda b: b[:5], lambda b: b[:9000], lambda b: b"something else " * 99],
        ids=["empty", "head only", "torn", "foreign"],
    )
    def test_damaged_files_are_called_damaged(self, tmp_path, damage):
        file = idx_files(tmp_path) / "MNIST" / "raw" / "train-images-idx3-ubyte"
        file.write_bytes(damage(file.read_bytes()))
        with pytest.raises(OhloraError, match=r"the MNIST files in .* are damaged"):
            TorchvisionGrey("mnist", str(tmp_path), offline=False).load()

    def test_another_name_is_refused(self, tmp_path):
        with pytest.raises(OhloraError, match=r"name=emnist is not one of mnist \| fashion"):
            TorchvisionGrey("emnist", str(tmp_path), offline=True)


def jpeg_archives(folder: Path) -> Path:
    place = folder / "CIFAR10-JPEG"
    place.mkdir(parents=True)
    for part in ("train", "test"):
        with tarfile.open(place / f"cifar10-{part}.tar.gz", "w:gz") as tar:
            for label, name in enumerate(CIFAR10_CLASSES):
                for i in range(3):
                    file = io.BytesIO()
                    Image.new("RGB", (32, 32), (25 * label, 0, 80 * i)).save(file, "JPEG")
                    info = tarfile.TarInfo(f"{part}/{name}/{i:04d}.jpg")
                    info.size = len(file.getvalue())
                    tar.addfile(info, io.BytesIO(file.getvalue()))
    return folder


class TestCifar10:
    def test_the_archives_are_read_once_and_named_for_what_they_are(self, tmp_path):
        source = Cifar10(str(jpeg_archives(tmp_path / "data")), str(tmp_path / "cache"), offline=True)
        data = source.load()
        assert (data.name, data.title) == ("cifar10_jpeg", "CIFAR-10 (JPEG)")
        assert data.train.images.shape == (30, 3, 32, 32)
        assert data.train.labels.tolist() == [label for label in range(10) for _ in range(3)]
        reds = data.train.images[:, 0].float().mean(dim=(1, 2))
        assert torch.allclose(reds, 25.0 * data.train.labels, atol=6)
        again = source.load()
        assert torch.equal(again.train.images, data.train.images)
        again.train.images.zero_()  # mapped copy-on-write: the cache does not change
        assert torch.equal(source.load().train.images, data.train.images)

    def test_a_cache_that_cannot_be_written_does_not_matter(self, tmp_path):
        (tmp_path / "file").touch()
        source = Cifar10(str(jpeg_archives(tmp_path / "data")), str(tmp_path / "file"), offline=True)
        assert len(source.load().test) == 30

    @pytest.mark.parametrize(
        "damage",
        [
            lambda b: b"",
            lambda b: b[: len(b) // 2],
            lambda b: b"x" * 500,
            lambda b: b[:400] + b"\0" * 90 + b[490:],
        ],
    )
    def test_a_damaged_archive_is_called_damaged(self, tmp_path, damage):
        archive = jpeg_archives(tmp_path) / "CIFAR10-JPEG" / "cifar10-train.tar.gz"
        archive.write_bytes(damage(archive.read_bytes()))
        with pytest.raises(OhloraError, match=r"cifar10-train\.tar\.gz is damaged"):
            Cifar10(str(tmp_path), str(tmp_path / "cache"), offline=True).load()

    def test_neither_original_nor_archives(self, tmp_path):
        with warnings.catch_warnings(), pytest.raises(DatasetUnavailable, match="CIFAR-10 is not in"):
            Cifar10(str(tmp_path), str(tmp_path), offline=True).load()
