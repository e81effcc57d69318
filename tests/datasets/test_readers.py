"""Datasets from disk: whole, missing, damaged; and anybody's own folders."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets as tv

from ohlora.datasets.images import stratified_halves
from ohlora.datasets.readers import Cifar10, DatasetUnavailable, Digits, TorchvisionGrey
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

    def test_two_that_begin_at_once_download_it_once(self, tmp_path, monkeypatch):
        """As the workers of a first sweep do; torchvision writes straight to the final file."""
        files = idx_files(tmp_path / "theirs") / "MNIST" / "raw"
        served = {f"{file.name}.gz": gzip.compress(file.read_bytes()) for file in sorted(files.iterdir())}
        asked = []

        class Slow(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path[1:])
                content = served[self.path[1:]]
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[:100])
                time.sleep(0.2)
                self.wfile.write(content[100:])

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(tv.MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        resources = [(name, hashlib.md5(content).hexdigest()) for name, content in served.items()]
        monkeypatch.setattr(tv.MNIST, "resources", resources)
        try:
            TorchvisionGrey("mnist", str(tmp_path / "one"), offline=False).load()
            by_one, asked[:] = sorted(asked), []
            reader = TorchvisionGrey("mnist", str(tmp_path / "two"), offline=False)
            with ThreadPoolExecutor(2) as pool:
                loaded = list(pool.map(lambda _: reader.load(), range(2)))
        finally:
            server.shutdown()
            server.server_close()
        assert [len(data.train) for data in loaded] == [30, 30]
        assert sorted(asked) == by_one
        assert [path.name for path in (tmp_path / "two").iterdir()] == ["MNIST"], "no lock is left"

    @pytest.mark.parametrize(
        "damage",
        [lambda b: b"", lambda b: b[:5], lambda b: b[:9000], lambda b: b"something else " * 99],
        ids=["empty", "head only", "torn", "foreign"],
    )
    def test_damaged_files_are_called_damaged(self, tmp_path, damage):
        file = idx_files(tmp_path) / "MNIST" / "raw" / "train-images-idx3-ubyte"
        file.write_bytes(damage(file.read_bytes()))
        with pytest.raises(OhloraError, match=r"the MNIST files in .* are damaged: train-images-idx3-ubyte"):
            TorchvisionGrey("mnist", str(tmp_path), offline=False).load()

    def test_a_file_missing_beside_the_others_is_named(self, tmp_path):
        (idx_files(tmp_path) / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
        with pytest.raises(OhloraError, match="t10k-labels-idx1-ubyte is missing") as caught:
            TorchvisionGrey("mnist", str(tmp_path), offline=True).load()
        assert not isinstance(caught.value, DatasetUnavailable), "digits would be played instead"

    def test_a_home_folder_is_expanded(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        idx_files(tmp_path)
        assert len(TorchvisionGrey("mnist", "~", offline=True).load().train) == 30

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

    def test_an_archive_missing_beside_the_other_is_named(self, tmp_path):
        (jpeg_archives(tmp_path) / "CIFAR10-JPEG" / "cifar10-test.tar.gz").unlink()
        with pytest.raises(OhloraError, match=r"cifar10-test\.tar\.gz is missing in"):
            Cifar10(str(tmp_path), str(tmp_path / "cache"), offline=True).load()

    def test_a_damaged_cache_is_decoded_again(self, tmp_path):
        source = Cifar10(str(jpeg_archives(tmp_path / "data")), str(tmp_path / "cache"), offline=True)
        wanted = source.load().train.images.clone()
        for file in (tmp_path / "cache").rglob("*.npy"):
            file.write_bytes(file.read_bytes()[:200])
        assert torch.equal(source.load().train.images, wanted)

    def test_a_cut_off_original_is_named_and_nothing_else_is_played(self, tmp_path, monkeypatch):
        """Tiny files in the place of CIFAR-10's own, whose published sums are made to fit."""
        folder = tmp_path / tv.CIFAR10.base_folder
        folder.mkdir()
        for attribute in ("train_list", "test_list"):
            files = [
                [name, hashlib.md5(name.encode()).hexdigest()] for name, _ in getattr(tv.CIFAR10, attribute)
            ]
            monkeypatch.setattr(tv.CIFAR10, attribute, files)
            for name, _ in files:
                (folder / name).write_text(name)
        meta = {**tv.CIFAR10.meta, "md5": hashlib.md5(b"batches.meta").hexdigest()}
        monkeypatch.setattr(tv.CIFAR10, "meta", meta)
        (folder / "batches.meta").write_text("batches.meta")
        (folder / "data_batch_3").write_text("data_b")
        (folder / "test_batch").unlink()
        for offline in (True, False):
            with pytest.raises(
                OhloraError,
                match="damaged: data_batch_3 is damaged, or not the original; test_batch is missing",
            ) as caught:
                Cifar10(str(tmp_path), str(tmp_path / "cache"), offline=offline).load()
            assert not isinstance(caught.value, DatasetUnavailable), "digits would be played instead"

    def test_neither_original_nor_archives(self, tmp_path):
        with warnings.catch_warnings(), pytest.raises(DatasetUnavailable, match="CIFAR-10 is not in"):
            Cifar10(str(tmp_path), str(tmp_path), offline=True).load()
