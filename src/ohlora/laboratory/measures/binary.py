"""How good a probability of yes is. Apart from `measures`: torchmetrics takes seconds to import."""

from __future__ import annotations

from torch import Tensor
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_calibration_error,
    binary_recall_at_fixed_precision,
)


def auroc(truth: Tensor, probability: Tensor) -> float:
    """The chance that a true row is thought likelier than a false one, ties half; 0.5 with one kind."""
    if len(truth.bool().unique()) < 2:
        return 0.5
    return float(binary_auroc(probability, truth.long()))


def calibration_error(truth: Tensor, probability: Tensor, bins: int = 15) -> float:
    """Expected calibration error (Guo et al., 2017): how far a stated probability lies from what happens."""
    return float(binary_calibration_error(probability, truth.long(), n_bins=bins, norm="l1"))


def recall_at_precision(truth: Tensor, probability: Tensor, precision: float) -> float:
    """The largest share of true rows that a threshold finds while `precision` of what it finds is true.

    0 where no row is true.
    """
    if not truth.any():
        return 0.0
    return float(binary_recall_at_fixed_precision(probability, truth.long(), min_precision=precision)[0])
