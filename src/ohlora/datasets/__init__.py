"""Image files -> small subsets -> batches."""

from ohlora.datasets.images import ImageData, Split
from ohlora.datasets.loading import Batches, SubsetDataModule
from ohlora.datasets.sources import (
    Cifar10,
    DatasetUnavailable,
    Digits,
    Folder,
    ImageSource,
    TorchvisionGrey,
)
from ohlora.datasets.subset import Subset, SubsetFamily, SubsetRecipe, WholeDataset, draw_valid_seeds

__all__ = [
    "Batches",
    "Cifar10",
    "DatasetUnavailable",
    "Digits",
    "Folder",
    "ImageData",
    "ImageSource",
    "Split",
    "Subset",
    "SubsetDataModule",
    "SubsetFamily",
    "SubsetRecipe",
    "TorchvisionGrey",
    "WholeDataset",
    "draw_valid_seeds",
]
