"""The images that a user's classifier learns from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ohlora.datasets.families import WholeDataset
from ohlora.datasets.folder import FolderData, load_folder
from ohlora.datasets.readers import Folder
from ohlora.datasets.subset import Subset
from ohlora.errors import OhloraError
from ohlora.text import printable


def read_folder(images: Folder) -> FolderData:
    """Every image of a folder; OhloraError for one that is none or from which nothing can be learned."""
    root = Path(images.root or "").expanduser()
    if not root.exists():
        raise OhloraError(f"{printable(root)}: no such folder")
    if not root.is_dir():
        raise OhloraError(f"{printable(root)} is a file; wanted: a folder with a folder of images a class")
    return load_folder(images)


def whole_subset(family: WholeDataset, data: FolderData, seed: int, cache_dir: Path) -> Subset:
    """All images, a share of them set aside to validate, under the folder's own name."""
    return replace(family.draw(data, seed, cache_dir), title=data.title.removeprefix("folder "))


def test_files(data: FolderData) -> list[Path]:
    """The files of `whole_subset`'s test images, in its order: by class."""
    order = data.test.labels.argsort(stable=True).tolist()
    return [data.test_files[row] for row in order]
