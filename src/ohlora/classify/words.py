"""What `fit` says before and after."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

import numpy as np

from ohlora.predictor.advice import Advice
from ohlora.predictor.advice_report import counts_words, notes
from ohlora.provenance import program
from ohlora.text import counted, printable
from ohlora.trials.report import confusion

if TYPE_CHECKING:
    from ohlora.classify.fitting import Fitted

MIXED_UP = 3  # pairs of classes named


def before_training(advice: Advice, trials: int, same_game: bool) -> str:
    """What is learned from, with which params, and what to expect; that only of the game she knows."""
    low, high = advice.interval
    expected = f"expected macro-F1 {advice.predicted_f1:.2f}, 95 % from {low:.2f} to {high:.2f}"
    chosen = ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in advice.params.items()
    )
    first = "the first trial" if trials else "the advice"
    return "\n".join(
        [
            counts_words(advice.counts),
            *(f"note: {note}" for note in notes(advice)),
            f"{first}: {chosen}",
            *([expected] if same_game else []),
        ]
    )


def outcome(fitted: Fitted, folder: Path, left: list[str]) -> str:
    """The score with its interval, what is mixed up, what lies where, and what to do next."""
    low, high = fitted.interval
    n = len(fitted.test_labels)
    wrong = int((fitted.test_logits.argmax(dim=1) != fitted.test_labels).sum())
    expected = "" if fitted.expected_f1 is None else f" (expected {fitted.expected_f1:.2f})"
    lines = [
        f"test macro-F1 {fitted.test_f1:.3f}{expected}, 95 % from {low:.2f} to {high:.2f}: {n - wrong} of"
        f" {counted(n, 'test image')} right, one is worth {1 / n:.2g}"
    ]
    if mixed := mixed_up(fitted):
        lines.append(f"most often mixed up: {'; '.join(mixed)}")
    lines.append(f"in {place(folder)}: {' '.join(left)}")
    lines.append(f"what it sees on others: {command('predict', place(folder))} FILES")
    return "\n".join(lines)


def place(path: Path) -> str:
    """A path as short as it can be typed here."""
    return os.path.relpath(path) if path.is_absolute() and path.is_relative_to(Path.cwd()) else str(path)


def command(*words: str) -> str:
    """Another verb of this program, to be typed next."""
    return join([*program()[:-1], *words])


def mixed_up(fitted: Fitted) -> list[str]:
    """The pairs of classes with most mistakes."""
    matrix = confusion(fitted.test_logits, fitted.test_labels)
    np.fill_diagonal(matrix, 0)
    names = [printable(name, 40) for name in fitted.subset.class_names]
    worst = np.argsort(-matrix, axis=None, kind="stable")[:MIXED_UP]
    pairs = [np.unravel_index(int(place), matrix.shape) for place in worst]
    return [
        f"{names[true]} taken for {names[seen]} {counted(int(matrix[true, seen]), 'time')}"
        for true, seen in pairs
        if matrix[true, seen]
    ]
