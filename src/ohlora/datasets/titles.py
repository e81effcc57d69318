"""What people read for each dataset; the keys are the names that records carry."""

from __future__ import annotations

TITLES = {
    "mnist": "MNIST",
    "fashion": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
    "cifar10_jpeg": "CIFAR-10 (JPEG)",
    "digits": "digits",
}
