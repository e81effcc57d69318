"""A labelled image dataset held in memory, and what is known of each of its images."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from ohlora.durable import replacing
from ohlora.errors import Part


@dataclass(frozen=True)
class Split:
    """Images uint8 [n, channels, height, width] with labels int64 [n]."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray, classes: list[int] | None = None) -> Split:
        """The rows named, as a copy; with `classes`, labels become positions in that list."""
        index = torch.from_numpy(np.asarray(rows, dtype=np.int64))
        labels = self.labels[index]
        if classes is not None:
            new = torch.full((int(self.labels.max()) + 1,), -1, dtype=torch.int64)
            new[torch.tensor(classes)] = torch.arange(len(classes))
            labels = new[labels]
        return Split(self.images[index], labels)


@dataclass(frozen=True)
class Note:
    """What a user should know of their images: `text` in a terminal, `part` on a page."""

    text: str
    part: Part


@dataclass(frozen=True)
class ImageData:
    """A dataset with its own train and test split.

    `name` identifies the pixels in records (CIFAR-10 as JPEG is not CIFAR-10), `title` is what people
    read beside a number. `val_rows` are those of `train` that whoever made the dataset set aside.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    train: Split
    test: Split
    val_rows: np.ndarray | None = None
    notes: tuple[Note, ...] = ()

    @property
    def channels(self) -> int:
        return self.train.images.shape[1]


STATISTICS_VERSION = 1


def image_statistics(images: Tensor) -> dict[str, np.ndarray]:
    """Measure each image: brightness and contrast; hue, saturation and channel spread when in colour.

    `images` is uint8 [n, channels, height, width]; each array is float64 [n], brightness, contrast,
    saturation and spread in units of full scale, hue 0 to 1 around the circle (the angle of the mean
    colour in opponent coordinates). Sums are taken in integers and results rounded to 1e-4, so that
    every machine gets the same numbers.
    """
    n, channels, height, width = images.shape
    pixels = height * width
    total = np.empty((n, channels), dtype=np.int64)
    squares = np.empty((n, channels), dtype=np.int64)
    for start in range(0, n, 2048):
        block = images[start : start + 2048].flatten(2).to(torch.int32)
        total[start : start + 2048] = block.sum(dim=2, dtype=torch.int64).numpy()
        squares[start : start + 2048] = (block * block).sum(dim=2, dtype=torch.int64).numpy()

    def spread(sums: np.ndarray, sums_of_squares: np.ndarray, count: int) -> np.ndarray:
        return np.sqrt(np.maximum(sums_of_squares * count - sums * sums, 0)) / count / 255

    statistics = {
        "brightness": total.sum(axis=1) / (pixels * channels) / 255,
        "contrast": spread(total.sum(axis=1), squares.sum(axis=1), pixels * channels),
    }
    if channels == 3:
        red, green, blue = (total[:, i] / pixels / 255 for i in range(3))
        alpha, beta = red - (green + blue) / 2, (green - blue) * np.sqrt(0.75)
        statistics["hue"] = (np.arctan2(beta, alpha) / (2 * np.pi)) % 1.0
        statistics["saturation"] = np.sqrt(alpha**2 + beta**2)
        for i, colour in enumerate(("red", "green", "blue")):
            statistics[f"spread_{colour}"] = spread(total[:, i], squares[:, i], pixels)
    return {name: np.round(values, 4) for name, values in statistics.items()}


def cached_statistics(data: ImageData, cache_dir: Path) -> dict[str, dict[str, np.ndarray]]:
    """Statistics of both splits, computed once per dataset and kept in `cache_dir`.

    The file is named by the pixels' own digest, so a changed dataset is measured afresh. A cache that
    cannot be written costs the time again and nothing else.
    """
    splits = {"train": data.train, "test": data.test}
    digest = hashlib.sha256(f"{STATISTICS_VERSION}".encode())
    for split in splits.values():
        digest.update(np.array(split.images.shape, dtype=np.int64).tobytes())
        digest.update(split.labels.numpy().tobytes())
        sample = split.images[:: max(1, len(split) // 256)]
        digest.update(np.ascontiguousarray(sample.numpy()).tobytes())
    path = cache_dir / "statistics" / f"{data.name}-{digest.hexdigest()[:12]}.npz"
    if path.is_file():
        try:
            with path.open("rb") as handle, np.load(handle) as file:
                return {
                    split: {key.split("/")[1]: file[key] for key in file.files if key.startswith(split + "/")}
                    for split in splits
                }
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            path.unlink(missing_ok=True)  # damaged: measure again
    measured = {name: image_statistics(split.images) for name, split in splits.items()}
    flat = {f"{split}/{name}": values for split, table in measured.items() for name, values in table.items()}
    save_atomically(path, lambda file: np.savez(file, **flat))  # type: ignore[arg-type]
    return measured


def save_atomically(path: Path, write: Callable[[IO[bytes]], None]) -> bool:
    """Write a cache file so that readers see all of it or none; False where the place is read-only."""
    try:
        with replacing(path) as part, part.open("wb") as file:
            write(file)
    except OSError:
        return False
    return True


def mapped(paths: Sequence[Path]) -> Split:
    """Images and labels kept as .npy files; their pages are copy-on-write and shared by all processes."""
    return Split(*(torch.from_numpy(np.load(path, mmap_mode="c")) for path in paths))


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
