"""Pictures of a trial."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torchmetrics.functional.classification import multiclass_confusion_matrix

from ohlora.datasets.lettering import drawable
from ohlora.figures import plt, save_figure
from ohlora.trials.drivers import TrialOutcome


def plot_curve(outcome: TrialOutcome, path: Path) -> Path:
    """Loss and validation macro-F1 over the steps."""
    steps = [point["step"] for point in outcome.curve]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for name in ("train_loss", "val_loss"):
        left.plot(steps, [point[name] for point in outcome.curve], marker=".", label=name.replace("_", " "))
    left.set(xlabel="optimiser steps", ylabel="cross-entropy (nats)")
    left.legend()
    right.plot(steps, [point["val_f1"] for point in outcome.curve], marker=".", color="tab:green")
    right.axhline(
        outcome.record.test_f1,
        color="black",
        ls=":",
        label=f"test, best weights: {outcome.record.test_f1:.3f}",
    )
    right.set(xlabel="optimiser steps", ylabel="validation macro-F1", ylim=(0, 1.02))
    right.legend(loc="lower right")
    return save_figure(figure, path)


def plot_confusion(outcome: TrialOutcome, class_names: Sequence[str], path: Path) -> Path:
    """Test images by true and predicted class."""
    logits = torch.nan_to_num(outcome.test_logits)
    matrix = multiclass_confusion_matrix(logits, outcome.test_labels, len(class_names)).numpy()
    side = 1.8 + 0.45 * len(class_names)
    figure, axes = plt.subplots(figsize=(side, side), layout="constrained")
    axes.imshow(matrix, cmap="Blues")
    for (row, column), count in [
        ((r, c), matrix[r, c]) for r in range(len(matrix)) for c in range(len(matrix))
    ]:
        colour = "white" if count > matrix.max() / 2 else "black"
        axes.text(column, row, str(count), ha="center", va="center", fontsize=7, color=colour)
    ticks, names = range(len(class_names)), [drawable(name) for name in class_names]
    axes.set_xticks(ticks, names, rotation=60, ha="right")
    axes.set_yticks(ticks, names)
    axes.set(xlabel="predicted", ylabel="true", title=f"test macro-F1 {outcome.record.test_f1:.3f}")
    return save_figure(figure, path)
