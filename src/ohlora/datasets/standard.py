"""The standard datasets: torchvision's files, CIFAR-10 as JPEG archives, scikit-learn's digits."""

from __future__ import annotations

import hashlib
import io
import math
import tarfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from PIL import Image

from ohlora.datasets.images import ImageData, Split, mapped, save_atomically, stratified_halves
from ohlora.datasets.readers import Cifar10, DatasetUnavailable, Digits, TorchvisionGrey
from ohlora.datasets.titles import TITLES
from ohlora.durable import drop
from ohlora.errors import OhloraError
from ohlora.text import printable

CIFAR10_CLASSES: tuple[str, ...] = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def download_or_explain(
    name: str,
    data_dir: Path,
    offline: bool,
    faults: Callable[[], list[str]],
    load: Callable[[bool], ImageData],
) -> ImageData:
    """Load from disk, else download; say what is missing where neither works.

    `faults` finds files that are there and damaged, or missing beside others that are there: never played
    around with another dataset. Of several processes one downloads and the others wait for it: torchvision
    writes to the final file, which is no whole one meanwhile.
    """
    absent = ("dataset_absent", {"name": name})
    remedy = "set OHLORA_DATA to a folder that has it, or play on dataset=digits"

    def on_disk() -> ImageData | None:
        if found := faults():
            raise OhloraError(
                f"the {name} files in {printable(data_dir)} are damaged: {'; '.join(found)}"
                " (delete that folder to have it downloaded again)"
            )
        try:
            return load(False)
        except RuntimeError as error:  # torchvision's word for "Dataset not found", among others
            if "not found" not in str(error):
                raise OhloraError(f"the {name} files in {data_dir} are damaged: {error}") from None
            return None

    lock = FileLock(data_dir / ".download.lock")
    try:
        if (there := on_disk()) is not None:
            return there
    except OhloraError:
        if offline or not Path(lock.lock_file).exists():
            raise  # else they may be half downloaded
    if offline:
        raise DatasetUnavailable(f"{name} is not in {data_dir} and paths.offline=true: {remedy}", absent)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        try:
            there = on_disk()  # by another process, while this one waited
            return load(True) if there is None else there
        finally:
            drop(lock)
    except (OSError, RuntimeError) as error:
        failed = type(error).__name__
        raise DatasetUnavailable(
            f"{name} is not in {data_dir} and could not be downloaded ({failed}): {remedy}", absent
        ) from None


def load_grey(reader: TorchvisionGrey) -> ImageData:
    """MNIST or Fashion-MNIST."""
    from torchvision import datasets as tv

    kind = {"mnist": tv.MNIST, "fashion": tv.FashionMNIST}[reader.name]
    title, data_dir = TITLES[reader.name], Path(reader.data_dir).expanduser()
    classes = tuple("0123456789") if reader.name == "mnist" else FASHION_CLASSES

    def read(download: bool) -> ImageData:
        try:
            sets = [kind(data_dir, train=train, download=download) for train in (True, False)]
        except (ValueError, EOFError, LookupError, AssertionError) as error:
            raise OhloraError(
                f"the {title} files in {data_dir} are damaged ({type(error).__name__}: {error})"
            ) from None
        splits = [Split(s.data.unsqueeze(1), s.targets.long()) for s in sets]
        return ImageData(reader.name, title, classes, splits[0], splits[1])

    faults = partial(idx_faults, data_dir / kind.__name__ / "raw", reader.offline)
    return download_or_explain(title, data_dir, reader.offline, faults, read)


def idx_faults(folder: Path, offline: bool) -> list[str]:
    """Files of MNIST's format that are cut off or something else; missing ones if none can be downloaded."""
    names = [f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")]
    there = [name for name in names if (folder / name).is_file()]
    faults = [fault for name in there if (fault := idx_fault(folder / name))]
    if there and offline:
        faults += [f"{name} is missing" for name in names if name not in there]
    return faults


def idx_fault(path: Path) -> str | None:
    """What is wrong with a file in MNIST's format: a magic number, the sizes of its axes, a byte a value."""
    axes = 3 if "idx3" in path.name else 1
    length = 4 * (1 + axes)
    with path.open("rb") as file:
        head = file.read(length)
    if len(head) < length or int.from_bytes(head[:4], "big") != 0x800 + axes:
        return f"{path.name} is not of MNIST's format"
    sizes = [int.from_bytes(head[at : at + 4], "big") for at in range(4, length, 4)]
    wanted, found = length + math.prod(sizes), path.stat().st_size
    return None if found == wanted else f"{path.name} has {found} bytes, not {wanted}"


def load_cifar10(reader: Cifar10) -> ImageData:
    """The original where its folder is, else the JPEG archives, else downloaded."""
    from torchvision import datasets as tv

    data_dir = Path(reader.data_dir).expanduser()

    def read(download: bool) -> ImageData:
        sets = [tv.CIFAR10(data_dir, train=train, download=download) for train in (True, False)]
        splits = [
            Split(torch.from_numpy(s.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(s.targets))
            for s in sets
        ]
        return ImageData("cifar10", TITLES["cifar10"], CIFAR10_CLASSES, splits[0], splits[1])

    original = data_dir / tv.CIFAR10.base_folder
    archives = [data_dir / "CIFAR10-JPEG" / f"cifar10-{split}.tar.gz" for split in ("train", "test")]
    if any(archive.is_file() for archive in archives) and not original.is_dir():
        if missing := [archive.name for archive in archives if not archive.is_file()]:
            raise OhloraError(f"{missing[0]} is missing in {printable(archives[0].parent)}")
        splits = [read_jpeg(reader.cache_dir, archive) for archive in archives]
        return ImageData("cifar10_jpeg", TITLES["cifar10_jpeg"], CIFAR10_CLASSES, splits[0], splits[1])
    files = [
        *tv.CIFAR10.train_list,
        *tv.CIFAR10.test_list,
        [tv.CIFAR10.meta["filename"], tv.CIFAR10.meta["md5"]],
    ]

    def faults() -> list[str]:
        return checksum_faults(original, files) if original.is_dir() else []

    return download_or_explain(TITLES["cifar10"], data_dir, reader.offline, faults, read)


def checksum_faults(folder: Path, files: Iterable[Sequence[str]]) -> list[str]:
    """Files that are missing, or whose MD5 sum is not the one published."""
    faults = []
    for name, published in files:
        path = folder / name
        if not path.is_file():
            faults.append(f"{name} is missing")
        else:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
            if digest.hexdigest() != published:
                faults.append(f"{name} is damaged, or not the original")
    return faults


def read_jpeg(cache_dir: str, archive: Path) -> Split:
    """Decode an archive once; later reads map the arrays kept in the cache."""
    stamp = hashlib.sha256(f"{archive.name} {archive.stat().st_size}".encode()).hexdigest()[:8]
    folder = Path(cache_dir).expanduser() / "cifar10_jpeg"
    stem = archive.name.removesuffix(".tar.gz")
    paths = [folder / f"{stem}-{stamp}-{part}.npy" for part in ("images", "labels")]
    with suppress(OSError, ValueError, EOFError):  # not there yet, or damaged: decoded (again)
        return mapped(paths)
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
    return mapped(paths)


def load_digits(reader: Digits) -> ImageData:
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    images = torch.from_numpy(np.round(bunch.images * 255 / 16).astype(np.uint8)).unsqueeze(1)
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    train, test = stratified_halves(labels.numpy(), second_share=0.3)
    whole = Split(images, labels)
    return ImageData("digits", TITLES["digits"], tuple("0123456789"), whole.take(train), whole.take(test))
