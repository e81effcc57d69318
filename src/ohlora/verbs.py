"""Verbs of the command line as Python functions, with the settings of conf."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from ohlora.datasets.image_files import path_of
from ohlora.errors import OhloraError
from ohlora.positional import once_each, quoted
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
    from ohlora.classify.model_folder import keep
    from ohlora.door import named_job

    if isinstance(settings, str | Mapping):
        raise OhloraError(f'settings={settings!r} is not a list of settings, such as ["longer=4"]')
    given = {"trials": trials, "image_size": image_size, "seed": seed}
    words = [f"folder={quoted(str(path_of(folder, 'the folder of class folders')))}"]
    words += [] if save_to is None else [f"save_to={quoted(str(path_of(save_to, 'a new folder')))}"]
    words += [f"{name}={value}" for name, value in given.items() if value is not None]
    with ExitStack() as at_end:
        own = tempfile.mkdtemp(prefix="ohlora-")
        at_end.callback(shutil.rmtree, own, ignore_errors=True)
        job = named_job("fit", once_each([*words, f"paths.run_dir={quoted(own)}"], settings))
        fitted = fit_job(job)
        if job.save_to is not None and (refused := keep(fitted, job).refused):
            at_end.pop_all()  # what was trained is there
            raise OhloraError(refused)
    return fitted.classifier
