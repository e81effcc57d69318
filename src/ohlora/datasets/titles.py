"""What people read for each dataset; the keys are the names that records carry."""

from __future__ import annotations


def source(dataset: str) -> str:
    """What a dataset's name in records is a version of: CIFAR-10 as JPEG is CIFAR-10."""
    return dataset.removesuffix("_jpeg")


TITLES = {
    "mnist": "MNIST",
    "fashion": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
    "cifar10_jpeg": "CIFAR-10 (JPEG)",
    "digits": "digits",
}
