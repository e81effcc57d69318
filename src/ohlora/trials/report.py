"""Pictures of a trained network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from ohlora.datasets.images import Split
from ohlora.datasets.lettering import drawable
from ohlora.datasets.pictures import to_picture
from ohlora.figures import plt, save_figure
from ohlora.text import printable

NUMBERED = 25  # classes; more have no room for a number in each cell
LARGEST = 16.0  # inches a side
SAMPLES = 32  # predictions that a run's table shows


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


def surest_first(logits: Tensor, labels: Tensor, wrong: bool) -> list[tuple[int, int, float]]:
    """(row, predicted class, its probability) of the images that are told wrong, or right."""
    probabilities = torch.nan_to_num(logits).double().softmax(dim=1)
    most, predicted = probabilities.max(dim=1)
    rows = ((predicted != labels) == wrong).nonzero().flatten()
    ordered = rows[most[rows].argsort(descending=True, stable=True)]
    return [(row, int(predicted[row]), float(most[row])) for row in ordered.tolist()]


def sample_predictions(
    images: Split, logits: Tensor, class_names: Sequence[str]
) -> tuple[pd.DataFrame, list[Image.Image]]:
    """At most SAMPLES test images: mistakes, the surest first, for up to half of them, then right ones."""
    mistakes, right = (surest_first(logits, images.labels, wrong) for wrong in (True, False))
    mistakes = mistakes[: max(SAMPLES // 2, SAMPLES - len(right))]
    some = right[:: max(1, len(right) // (SAMPLES - len(mistakes)))] if len(mistakes) < SAMPLES else []
    picked = [*mistakes, *some][:SAMPLES]
    rows = [
        (printable(class_names[int(images.labels[row])]), printable(class_names[seen]), probability)
        for row, seen, probability in picked
    ]
    frame = pd.DataFrame(rows, columns=pd.Index(["true", "predicted", "probability"]))
    return frame, [to_picture(images.images[row]) for row, _, _ in picked]


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
