"""Where datasets come from: torchvision's files, the JPEG archives, scikit-learn, any folder."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from ohlora.datasets.images import ImageData, Split, require_classes, save_atomically
from ohlora.datasets.titles import TITLES
from ohlora.errors import OhloraError

CIFAR10_CLASSES: tuple[str, ...] = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")


class DatasetUnavailable(OhloraError):
    """Neither on disk nor to be downloaded now."""


class ImageSource(Protocol):
    """Anything that can hand over a whole dataset."""

    def load(self) -> ImageData: ...


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


@dataclass(frozen=True)
class TorchvisionGrey:
    """MNIST or Fashion-MNIST through torchvision's own files, 28 x 28 grey."""

    name: str  # mnist | fashion
    data_dir: str
    offline: bool

    def load(self) -> ImageData:
        from torchvision import datasets as tv

        if self.name not in ("mnist", "fashion"):
            raise OhloraError(f"dataset.name={self.name} is not one of mnist | fashion")
        kind = {"mnist": tv.MNIST, "fashion": tv.FashionMNIST}[self.name]
        title = TITLES[self.name]
        classes = tuple("0123456789") if self.name == "mnist" else FASHION_CLASSES

        def read(download: bool) -> ImageData:
            try:
                sets = [kind(self.data_dir, train=train, download=download) for train in (True, False)]
            except (ValueError, EOFError, LookupError, AssertionError) as error:
                raise OhloraError(
                    f"the {title} files in {self.data_dir} are damaged ({type(error).__name__}: {error})"
                ) from None
            splits = [Split(s.data.unsqueeze(1), s.targets.long()) for s in sets]
            return ImageData(self.name, title, classes, *splits)

        return download_or_explain(title, self.data_dir, self.offline, read)


@dataclass(frozen=True)
class Cifar10:
    """CIFAR-10, 32 x 32 colour: torchvision's original where it is, else the JPEG archives."""

    data_dir: str
    cache_dir: str
    offline: bool

    def load(self) -> ImageData:
        from torchvision import datasets as tv

        def read(download: bool) -> ImageData:
            sets = [tv.CIFAR10(self.data_dir, train=train, download=download) for train in (True, False)]
            splits = [
                Split(torch.from_numpy(s.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(s.targets))
                for s in sets
            ]
            return ImageData("cifar10", TITLES["cifar10"], CIFAR10_CLASSES, *splits)

        archives = Path(self.data_dir) / "CIFAR10-JPEG"
        if (archives / "cifar10-train.tar.gz").is_file() and not (
            Path(self.data_dir) / tv.CIFAR10.base_folder
        ).is_dir():
            splits = [self._read_jpeg(archives / f"cifar10-{split}.tar.gz") for split in ("train", "test")]
            return ImageData("cifar10_jpeg", TITLES["cifar10_jpeg"], CIFAR10_CLASSES, *splits)
        return download_or_explain(TITLES["cifar10"], self.data_dir, self.offline, read)

    def _read_jpeg(self, archive: Path) -> Split:
        """Decode an archive once; later reads map the arrays kept in the cache."""
        stamp = hashlib.sha256(f"{archive.name} {archive.stat().st_size}".encode()).hexdigest()[:8]
        folder = Path(self.cache_dir) / "cifar10_jpeg"
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


@dataclass(frozen=True)
class Digits:
    """scikit-learn's bundled handwritten digits, 8 x 8 grey: needs no file and no network."""

    def load(self) -> ImageData:
        from sklearn.datasets import load_digits

        bunch: Any = load_digits()
        images = torch.from_numpy(np.round(bunch.images * 255 / 16).astype(np.uint8)).unsqueeze(1)
        labels = torch.from_numpy(bunch.target.astype(np.int64))
        train, test = stratified_halves(labels.numpy(), second_share=0.3)
        whole = Split(images, labels)
        return ImageData("digits", TITLES["digits"], tuple("0123456789"), whole.take(train), whole.take(test))


@dataclass(frozen=True)
class Folder:
    """Any directory of class folders, `root/<class>/**/image`; or `root/train/...` and `root/test/...`.

    Sizes and formats may be mixed; every image is turned upright, squashed to `image_size` square and
    is grey only if all of them are. Without a test folder a fifth of each class is held out.
    """

    root: str | None
    image_size: int

    def load(self) -> ImageData:
        if not self.root:
            raise OhloraError("dataset=folder needs dataset.root=DIR, a directory of class folders")
        if type(self.image_size) is not int or not 4 <= self.image_size <= 1024:
            raise OhloraError(f"dataset.image_size={self.image_size!r} is not a whole number from 4 to 1024")
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise OhloraError(f"dataset.root={self.root} is not a directory")
        parts = {path.name: path for path in root.iterdir() if path.is_dir()}
        if {"train", "test"} <= parts.keys():
            train, test = self._read(parts["train"]), self._read(parts["test"])
            if train[2] != test[2]:
                raise OhloraError(f"{root}: train has the classes {train[2]}, test has {test[2]}")
            grey = all(bool((a == a[:, :1]).all()) for a in (train[0], test[0]))
            keep = slice(0, 1) if grey else slice(None)
            splits = [
                Split(torch.from_numpy(a[:, keep].copy()), torch.from_numpy(b)) for a, b, _ in (train, test)
            ]
            classes = train[2]
        else:
            images, labels, classes = self._read(root)
            if bool((images == images[:, :1]).all()):
                images = images[:, :1].copy()
            whole = Split(torch.from_numpy(images), torch.from_numpy(labels))
            splits = [whole.take(rows) for rows in stratified_halves(labels, second_share=0.2)]
        name = "".join(c if c.isalnum() else "_" for c in root.resolve().name)
        # Two folders of one name, or one that has grown, are not the same dataset in the records.
        digest = hashlib.sha256()
        for split in splits:
            digest.update(np.array(split.images.shape, dtype=np.int64).tobytes())
            digest.update(split.images.contiguous().numpy().tobytes())
            digest.update(split.labels.numpy().tobytes())
        identity = f"folder_{name}_{digest.hexdigest()[:8]}"
        return require_classes(ImageData(identity, f"folder {name}", tuple(classes), *splits))

    def _read(self, root: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
        folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
        files = {
            folder.name: sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
            for folder in folders
        }
        empty = [name for name, paths in files.items() if not paths]
        faults = []
        if len(files) - len(empty) < 2:
            faults.append(
                f"{root} has {len(files) - len(empty)} class folders with images; two or more are needed"
            )
        if empty and files:
            faults.append(f"no images in: {', '.join(empty[:5])}{' …' * (len(empty) > 5)}")
        images, labels, broken = [], [], []
        for label, (_, paths) in enumerate(sorted(files.items())):
            for path in paths:
                try:
                    with Image.open(path) as image:
                        upright = ImageOps.exif_transpose(image).convert("RGB")
                        square = upright.resize((self.image_size, self.image_size), Image.Resampling.BILINEAR)
                except (
                    UnidentifiedImageError,
                    OSError,
                    ValueError,
                    SyntaxError,
                    Image.DecompressionBombError,
                ):
                    broken.append(path.relative_to(root).as_posix())
                    continue
                images.append(np.asarray(square).transpose(2, 0, 1))
                labels.append(label)
        if broken:
            names = ", ".join(broken[:5]) + " …" * (len(broken) > 5)
            faults.append(f"{len(broken)} files cannot be read as images: {names}")
        if faults:
            raise OhloraError(
                "; ".join(faults) + f" (allowed: one folder a class, {' '.join(IMAGE_SUFFIXES)})"
            )
        return np.stack(images), np.array(labels, dtype=np.int64), sorted(files)


def stratified_halves(labels: np.ndarray, second_share: float) -> tuple[np.ndarray, np.ndarray]:
    """Split rows in two by class, the same way every time; each class keeps one row in each part."""
    rng = np.random.default_rng(0)
    first, second = [], []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        rows = rows[np.argsort(rng.random(len(rows)), kind="stable")]
        cut = min(max(round(len(rows) * second_share), 1), max(len(rows) - 1, 1))
        second.append(rows[:cut])
        first.append(rows[cut:])
    return np.sort(np.concatenate(first)), np.sort(np.concatenate(second))
