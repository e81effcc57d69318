"""Builds a dataset's images once and keeps them in the cache.

A builder is one module of this package. It has `VERSION`, raised when it builds other images; `TITLE`;
`CLASSES`; and `build(data_dir)`, which returns training and test arrays, or raises DatasetUnavailable that
says how to get what they are made of (fonts, a program, a package's files).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ohlora.datasets.images import ImageData, Split, mapped, save_atomically
from ohlora.datasets.readers import Built
from ohlora.progress import progress

Arrays = tuple[np.ndarray, np.ndarray]  # images uint8 [n, channels, height, width] and labels int64 [n]
Draw = Callable[
    [int, np.random.Generator], np.ndarray
]  # label -> uint8 [height, width] or [height, width, 3]

TEST_SHARE = 0.3


def load_built(reader: Built) -> ImageData:
    """The dataset whole, from the cache where it is there."""
    builder: Any = import_module(f"ohlora.datasets.builders.{reader.name}")
    stem = Path(reader.cache_dir).expanduser() / "built" / f"{reader.name}-{builder.VERSION}"
    paths = [
        [stem.with_name(f"{stem.name}-{split}-{part}.npy") for part in ("images", "labels")]
        for split in ("train", "test")
    ]
    with suppress(OSError, ValueError, EOFError):  # not built yet, or damaged: built (again)
        train, test = (mapped(pair) for pair in paths)
        return ImageData(reader.name, builder.TITLE, builder.CLASSES, train, test)
    built = builder.build(Path(reader.data_dir).expanduser())
    for pair, arrays in zip(paths, built, strict=True):
        for path, array in zip(pair, arrays, strict=True):
            save_atomically(path, lambda file, a=array: np.save(file, a))
    train, test = (Split(*map(torch.from_numpy, arrays)) for arrays in built)
    return ImageData(reader.name, builder.TITLE, builder.CLASSES, train, test)


def drawn(name: str, classes: Sequence[str], per_class: tuple[int, int], draw: Draw) -> tuple[Arrays, Arrays]:
    """Training and test images, `per_class` of each class, classes taking turns.

    Each image has a random stream of its own, so that it stays the same when their number changes.
    """
    with progress(len(classes) * sum(per_class), f"building dataset={name}") as advance:

        def one(split: int, label: int, number: int) -> np.ndarray:
            rng = np.random.default_rng([zlib.crc32(name.encode()), split, label, number])
            advance()
            return draw(label, rng)

        train, test = (
            stacked([(one(split, k, i), k) for i in range(count) for k in range(len(classes))])
            for split, count in enumerate(per_class)
        )
    return train, test


def divided(images: Sequence[tuple[str, np.ndarray, int]]) -> tuple[Arrays, Arrays]:
    """(name, image, label) as training and test images, by a hash of the name: one name stays together."""
    in_test = [zlib.crc32(name.encode()) % 1000 < 1000 * TEST_SHARE for name, _, _ in images]
    train, test = (
        stacked(
            [
                (image, label)
                for (_, image, label), found in zip(images, in_test, strict=True)
                if found == test
            ]
        )
        for test in (False, True)
    )
    return train, test


def stacked(pairs: Sequence[tuple[np.ndarray, int]]) -> Arrays:
    images = np.stack([image for image, _ in pairs])
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(images), np.array([label for _, label in pairs], dtype=np.int64)
