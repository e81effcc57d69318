"""Folders of small images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

QUICK = ("image_size=8", "size=smoke", "longer=1", "hardware.device=cpu", "hardware.threads=1")


def stripes(kind: int, seed: int, side: int = 8, colour: bool = False) -> Image.Image:
    """Stripes across or down, as `kind` is odd or even, at a distance of its own, with noise."""
    rng = np.random.default_rng([kind, seed])
    pixels = rng.integers(0, 60, (side, side, 3 if colour else 1))
    place = (kind // 2) % 3
    if kind % 2:
        pixels[place :: 2 + kind % 3] += 150
    else:
        pixels[:, place :: 2 + kind % 3] += 150
    return Image.fromarray((pixels if colour else pixels[:, :, 0]).astype(np.uint8))


@pytest.fixture(scope="session")
def class_folders(tmp_path_factory) -> Callable[..., Path]:
    """`class_folders({"a": 8, "b": 8})`: a new folder with so many striped images of each class."""

    def make(counts: Mapping[str, int], name: str = "photos", **looks) -> Path:
        root = tmp_path_factory.mktemp("folders") / name
        for kind, (class_name, count) in enumerate(counts.items()):
            (root / class_name).mkdir(parents=True)
            for i in range(count):
                stripes(kind, i, **looks).save(root / class_name / f"{i}.png")
        return root

    return make


@pytest.fixture(scope="session")
def photos(class_folders) -> Path:
    return class_folders({"cat": 24, "dog": 24, "개": 24})


@pytest.fixture(scope="session")
def model(photos, tmp_path_factory) -> Path:
    """What `fit` leaves of them, four times as long as `size=smoke`."""
    import ohlora

    folder = tmp_path_factory.mktemp("models") / "model"
    ohlora.fit(photos, folder, settings=[*QUICK, "longer=4", "params.learning_rate=6e-3"])
    return folder
