"""The standard datasets: torchvision's files, CIFAR-10 as JPEG archives, scikit-learn's digits."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ohlora.datasets.images import ImageData, Split, save_atomically, stratified_halves
from ohlora.datasets.readers import Cifar10, DatasetUnavailable, Digits, TorchvisionGrey
from ohlora.datasets.titles import TITLES
from ohlora.errors import OhloraError

CIFAR10_CLASSES: tuple[str, ...] = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def download_or_explain(
    name: str, data_dir: str, offline: bool, load: Callable[[bool], ImageData]
) -> ImageData:
    """Load from disk, else download; say what is missing where neither works."""
    try:
        return load(False)
    except RuntimeError as error:  # torchvision's word for "Dataset not found", among others
        if "not found" not in str(error):
            raise OhloraError(f"the {name} files in {data_dir} are damaged: {error}") from None
        remedy = "set OHLORA_DATA to a folder that has it, or play on dataset=digits"
        if offline:
            raise DatasetUnavailable(
                f"{name} is not in {data_dir} and paths.offline=true: {remedy}"
            ) from None
    try:
        Path(data_dir).mkdir(parents=True, exist_ok=True)
        return load(True)
    except (OSError, RuntimeError) as error:
        raise DatasetUnavailable(
            f"{name} is not in {data_dir} and could not be downloaded ({type(error).__name__}): {remedy}"
        ) from None


def load_grey(reader: TorchvisionGrey) -> ImageData:
    from torchvision import datasets as tv

    kind = {"mnist": tv.MNIST, "fashion": tv.FashionMNIST}[reader.name]
    title = TITLES[reader.name]
    classes = tuple("0123456789") if reader.name == "mnist" else FASHION_CLASSES

    def read(download: bool) -> ImageData:
        try:
            sets = [kind(reader.data_dir, train=train, download=download) for train in (True, False)]
        except (ValueError, EOFError, LookupError, AssertionError) as error:
            raise OhloraError(
                f"the {title} files in {reader.data_dir} are damaged ({type(error).__name__}: {error})"
            ) from None
        splits = [Split(s.data.unsqueeze(1), s.targets.long()) for s in sets]
        return ImageData(reader.name, title, classes, splits[0], splits[1])

    return download_or_explain(title, reader.data_dir, reader.offline, read)


def load_cifar10(reader: Cifar10) -> ImageData:
    from torchvision import datasets as tv

    def read(download: bool) -> ImageData:
        sets = [tv.CIFAR10(reader.data_dir, train=train, download=download) for train in (True, False)]
        splits = [
            Split(torch.from_numpy(s.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(s.targets))
            for s in sets
        ]
        return ImageData("cifar10", TITLES["cifar10"], CIFAR10_CLASSES, splits[0], splits[1])

    archives = Path(reader.data_dir) / "CIFAR10-JPEG"
    if (archives / "cifar10-train.tar.gz").is_file() and not (
        Path(reader.data_dir) / tv.CIFAR10.base_folder
    ).is_dir():
        splits = [
            read_jpeg(reader.cache_dir, archives / f"cifar10-{split}.tar.gz") for split in ("train", "test")
        ]
        return ImageData("cifar10_jpeg", TITLES["cifar10_jpeg"], CIFAR10_CLASSES, splits[0], splits[1])
    return download_or_explain(TITLES["cifar10"], reader.data_dir, reader.offline, read)


def read_jpeg(cache_dir: str, archive: Path) -> Split:
    """Decode an archive once; later reads map the arrays kept in the cache."""
    stamp = hashlib.sha256(f"{archive.name} {archive.stat().st_size}".encode()).hexdigest()[:8]
    folder = Path(cache_dir) / "cifar10_jpeg"
    stem = archive.name.removesuffix(".tar.gz")
    paths = [folder / f"{stem}-{stamp}-{part}.npy" for part in ("images", "labels")]
    if not all(path.is_file() for path in paths):
        images, labels = [], []
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    file = tar.extractfile(member)
                    if file is None:
                        continue
                    images.append(np.asarray(Image.open(io.BytesIO(file.read()))).transpose(2, 0, 1))
                    labels.append(CIFAR10_CLASSES.index(member.name.split("/")[1]))
            arrays = [np.stack(images), np.array(labels, dtype=np.int64)]
        except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, LookupError) as error:
            raise OhloraError(f"{archive} is damaged ({type(error).__name__}: {error})") from None
        for path, array in zip(paths, arrays, strict=True):
            if not save_atomically(path, lambda file, a=array: np.save(file, a)):
                return Split(*(torch.from_numpy(a) for a in arrays))
    # mode "c" maps the pages copy-on-write: workers side by side share one copy in memory.
    return Split(*(torch.from_numpy(np.load(path, mmap_mode="c")) for path in paths))


def load_digits(reader: Digits) -> ImageData:
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    images = torch.from_numpy(np.round(bunch.images * 255 / 16).astype(np.uint8)).unsqueeze(1)
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    train, test = stratified_halves(labels.numpy(), second_share=0.3)
    whole = Split(images, labels)
    return ImageData("digits", TITLES["digits"], tuple("0123456789"), whole.take(train), whole.take(test))
