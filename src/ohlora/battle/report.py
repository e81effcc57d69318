"""Pictures of a match, and what its run keeps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from lightning.pytorch.loggers import Logger

from ohlora.battle.narration import Told
from ohlora.battle.result import MatchResult, Played
from ohlora.figures import plt, save_figure
from ohlora.tracking import log_picture, log_table

WON = {"challenger": 1.0, "draw": 0.5, "ohlora": 0.0}


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


def log_match(logger: Logger, result: MatchResult, told: Told, out: Path) -> None:
    """Learning curves, scores, tables and the pictures that lie in `out`, for whoever keeps them."""
    curves: dict[int, dict[str, float]] = defaultdict(dict)
    for number, attempt in enumerate(result.attempts):
        who = f"challenger_{number}" if number else "ohlora"
        for point in attempt.curve:
            told_of = {f"{who}/{name}": value for name, value in point.items() if name != "step"}
            curves[int(point["step"])] |= told_of
    for step in sorted(curves):
        logger.log_metrics(curves[step], step=step)
    log_picture(logger, "subset", out / "contact_sheet.png")
    log_picture(logger, "curves", out / "curves.png")
    verdicts = ["", *(verdict.value for verdict in result.verdicts)]
    attempts = pd.json_normalize([attempt.as_json() for attempt in result.attempts])
    log_table(logger, "match", attempts.assign(verdict=verdicts))
    summary = {
        "dataset": result.dataset.title,
        "family": result.subset and result.subset.family,
        "subset": result.subset and result.subset.seed,
        "rules": result.rules,
        "winner": result.winner,
        "ohlora": result.ohlora.test_f1,
        "challenger": result.best.test_f1,
        "line": told.line,
    }
    log_table(logger, "match_result", pd.DataFrame([summary]))
    numbers = {
        "ohlora_test_f1": result.ohlora.test_f1,
        "challenger_test_f1": result.best.test_f1,
        "difference": result.best.test_f1 - result.ohlora.test_f1,
        "won": WON[result.winner],  # by the challenger
        "predicted_f1": result.predicted_f1,
        "lines_refused": len(told.refused),
        "line_written": int(told.written),
    }
    logger.log_metrics({name: value for name, value in numbers.items() if value is not None})
