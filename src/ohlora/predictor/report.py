"""Pictures of the predictor's report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ohlora.figures import plt, save_figure
from ohlora.predictor.table import PredictorTable


def plot_scatter(table: PredictorTable, prediction: np.ndarray, path: Path) -> Path:
    """Predicted against true macro-F1 of trials on unseen subsets, a panel a dataset."""
    names = sorted(set(table.datasets))
    figure, axes = plt.subplots(
        1, len(names), figsize=(3.1 * len(names), 3.4), layout="constrained", sharey=True, squeeze=False
    )
    for panel, name in zip(axes[0], names, strict=True):
        rows = table.datasets == name
        panel.plot([0, 1], [0, 1], color="grey", lw=0.8)
        panel.scatter(table.target[rows], prediction[rows], s=5, alpha=0.35)
        error = np.abs(table.target[rows] - prediction[rows]).mean()
        panel.set(
            xlim=(0, 1),
            ylim=(0, 1),
            xlabel="macro-F1 earned",
            title=f"{name}\n{rows.sum()} trials, MAE {error:.3f}",
        )
    axes[0][0].set_ylabel("predicted, subset unseen")
    return save_figure(figure, path)
