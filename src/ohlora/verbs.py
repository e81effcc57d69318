"""Verbs of the command line as Python functions, with the settings of conf."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ohlora.positional import quoted
from ohlora.trials.classifier import ImageClassifier


def fit(
    folder: str | Path,
    save_to: str | Path | None = None,
    *,
    trials: int | None = None,
    image_size: int | None = None,
    seed: int | None = None,
    settings: Sequence[str] = (),
) -> ImageClassifier:
    """Train a classifier of the images in `folder/<class>/`, as `python -m ohlora fit` does.

    With `save_to` that folder holds what the command leaves: weights, card, labels, confusion, mistakes.
    What is None is as conf has it; `settings` are any others as the command line takes them
    ("params.learning_rate=1e-3"). Its scores are in `card["scores"]`. Raises OhloraError.
    """
    from ohlora.classify.fitting import fit as fit_job
    from ohlora.classify.model_folder import leave
    from ohlora.door import named_job

    given = {"trials": trials, "image_size": image_size, "seed": seed}
    words = [f"folder={quoted(str(folder))}"]
    words += [] if save_to is None else [f"save_to={quoted(str(save_to))}"]
    words += [f"{name}={value}" for name, value in given.items() if value is not None]
    with tempfile.TemporaryDirectory() as nowhere:
        job = named_job("fit", [*words, *settings, f"paths.run_dir={quoted(nowhere)}"])
        fitted = fit_job(job)
        if job.save_to is not None:
            leave(fitted, Path(job.save_to).expanduser(), job.onnx)
    return fitted.classifier
