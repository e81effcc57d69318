"""Pictures of a match."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ohlora.battle.result import Played
from ohlora.figures import plt, save_figure


def plot_curves(played: Sequence[Played], path: Path) -> Path:
    """Validation macro-F1 over the steps of every attempt, its test score as a dotted line."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for number, attempt in enumerate(played):
        steps = [point["step"] for point in attempt.curve]
        colour = f"C{number}"
        # Fonts without Hangul would draw boxes: names stay as they are only where they are ASCII.
        name = attempt.contestant if attempt.contestant.isascii() else attempt.kind
        axes.plot(
            steps,
            [p["val_f1"] for p in attempt.curve],
            marker=".",
            color=colour,
            label=f"{name}, attempt {number}" if number else name,
        )
        axes.axhline(attempt.test_f1, color=colour, ls=":", lw=1)
    axes.set(xlabel="optimiser steps", ylabel="validation macro-F1 (dotted: test)", ylim=(0, 1.02))
    axes.legend(loc="lower right")
    return save_figure(figure, path)
