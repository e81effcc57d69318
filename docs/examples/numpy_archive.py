"""A reader of one's own: a dataset that lies in a NumPy archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ohlora.config import Name, config
from ohlora.datasets.images import ImageData, Split
from ohlora.errors import OhloraError


@config
class NumpyArchive:
    """Images and labels in a .npz: train_images [n, height, width(, channels)], train_labels [n], test_..."""

    name: Name
    file: Name

    def load(self) -> ImageData:
        path = Path(self.file).expanduser()
        if not path.is_file():
            raise OhloraError(f"dataset.file={self.file}: no such file")
        with np.load(path) as arrays:  # numbers only: allow_pickle is off
            train = split(arrays["train_images"], arrays["train_labels"])
            test = split(arrays["test_images"], arrays["test_labels"])
        names = tuple(str(label) for label in range(int(train.labels.max()) + 1))
        return ImageData(self.name, self.name, names, train, test)


def split(images: np.ndarray, labels: np.ndarray) -> Split:
    pixels = torch.from_numpy(images.astype(np.uint8))
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
    return Split(pixels.contiguous(), torch.from_numpy(labels.astype(np.int64)))
