"""Say what a classifier sees on images, as CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from lightning.pytorch.loggers import Logger
from PIL import Image

from ohlora.classify.jobs import Predict
from ohlora.classify.place import check_out
from ohlora.datasets.image_files import read_image
from ohlora.durable import write_text
from ohlora.errors import OhloraError, joined
from ohlora.text import counted
from ohlora.tracking import log_table
from ohlora.trials.classifier import ImageClassifier, Prediction, image_files, load_classifier

T = TypeVar("T")
SHOWN, SIDE = 500, 96  # images in the run's table, and their pixels a side


def run_predict(job: Predict) -> None:
    """Print a row for each image, or write them to a file."""
    classifier, files = asked_for(job)
    seen = classifier.predict(files, job.skip_unreadable)
    if left := len(files) - len(seen):
        print(f"ohlora: {left} of {counted(len(files), 'file')} left out: no images", file=sys.stderr)
    if job.logger is not None:
        log_predictions(job.logger, seen)
    text = as_json(seen) if job.format == "json" else as_csv(seen, classifier.class_names)
    if job.out is None:
        sys.stdout.write(text)
        return
    path = Path(job.out).expanduser()
    write_text(path, text)
    print(f"{counted(len(seen), 'image')}: {path}")


def asked_for(job: Predict) -> tuple[ImageClassifier, list[Path]]:
    """The classifier and the images; OhloraError with all that is wrong with them and with `out`."""
    faults: list[OhloraError] = []

    def tried(read: Callable[..., T], *given: Any) -> T | None:
        try:
            return read(*given)
        except OhloraError as error:
            faults.append(error)
            return None

    classifier = tried(load_classifier, Path(str(job.classifier)).expanduser())
    files = tried(image_files, job.files) or []
    if job.out is not None:
        tried(check_out, job.out, str(job.classifier), files)
    if classifier is None or faults:
        raise joined(faults)
    return classifier, files


def log_predictions(logger: Logger, seen: Sequence[Prediction]) -> None:
    """A row an image for whoever keeps it, of the first SHOWN, and how sure the classifier was."""
    some = seen[:SHOWN]
    rows = [{"file": one.file, "class": one.label, "probability": one.probability} for one in some]
    log_table(logger, "predicted", pd.DataFrame(rows), [thumbnail(one.file) for one in some])
    mean = sum(one.probability for one in seen) / max(1, len(seen))
    logger.log_metrics({"images": len(seen), "mean_probability": mean})


def thumbnail(file: str) -> Image.Image:
    small = read_image(Path(file))
    small.thumbnail((SIDE, SIDE))
    return small


def as_csv(seen: Sequence[Prediction], class_names: Sequence[str]) -> str:
    """A line an image: file, class, its probability, then the probability of every class."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "class", "probability", *(f"p({name})" for name in class_names)])
    for one in seen:
        every = (f"{value:.6g}" for value in one.probabilities.values())  # of many classes, too, they add up
        writer.writerow([one.file, one.label, f"{one.probability:.6g}", *every])
    return text.getvalue()


def as_json(seen: Sequence[Prediction]) -> str:
    """A list of {file, class, probability, probabilities}."""
    rows = []
    for one in seen:
        row = asdict(one)
        row["class"] = row.pop("label")
        rows.append({key: row[key] for key in ("file", "class", "probability", "probabilities")})
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
