"""Pictures of a trained network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from ohlora.datasets.lettering import drawable
from ohlora.figures import plt, save_figure
from ohlora.text import printable

NUMBERED = 25  # classes; more have no room for a number in each cell
LARGEST = 16.0  # inches a side


def plot_curve(
    curve: Sequence[Mapping[str, float]], test_f1: float, path: Path, label: str = "test, best weights"
) -> Path:
    """Loss and validation macro-F1 over the steps."""
    steps = [point["step"] for point in curve]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for name in ("train_loss", "val_loss"):
        left.plot(steps, [point[name] for point in curve], marker=".", label=name.replace("_", " "))
    left.set(xlabel="optimiser steps", ylabel="cross-entropy (nats)")
    left.legend()
    right.plot(steps, [point["val_f1"] for point in curve], marker=".", color="tab:green")
    right.axhline(test_f1, color="black", ls=":", label=f"{label}: {test_f1:.3f}")
    right.set(xlabel="optimiser steps", ylabel="validation macro-F1", ylim=(0, 1.02))
    right.legend(loc="lower right")
    return save_figure(figure, path)


def confusion(logits: Tensor, labels: Tensor) -> np.ndarray:
    """Images by true (row) and predicted class (column), int64 [classes, classes]."""
    return multiclass_confusion_matrix(torch.nan_to_num(logits), labels, logits.shape[1]).numpy()


def plot_confusion(matrix: np.ndarray, class_names: Sequence[str], title: str, path: Path) -> Path:
    """Test images by true and predicted class; of very many classes only some are named."""
    n = len(class_names)
    side = min(1.8 + 0.45 * n, LARGEST)
    figure, axes = plt.subplots(figsize=(side, side), layout="constrained")
    axes.imshow(matrix, cmap="Blues")
    if n <= NUMBERED:
        for row, column in np.ndindex(matrix.shape):
            colour = "white" if matrix[row, column] > matrix.max() / 2 else "black"
            count = str(matrix[row, column])
            axes.text(column, row, count, ha="center", va="center", fontsize=7, color=colour)
    ticks = range(0, n, -(-n // 60))
    names = [drawable(printable(class_names[k], 30)) for k in ticks]
    axes.set_xticks(
        ticks, names, rotation=60 if n <= NUMBERED else 90, ha="right" if n <= NUMBERED else "center"
    )
    axes.set_yticks(ticks, names)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    return save_figure(figure, path)
