"""Where images come from and where a classifier is kept: what can be said of it before anything is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ohlora.datasets.image_files import is_there
from ohlora.durable import cannot_write
from ohlora.errors import OhloraError
from ohlora.text import printable

if TYPE_CHECKING:
    from ohlora.classify.jobs import Advise, Fit, Predict

CARD = "classifier.json"
TRIALS = "trials.jsonl"  # of a run of fit, a line as each is finished


def check_place(save_to: str, folder: str) -> None:
    """Raise OhloraError where no classifier can be left, or among other files, or among its images."""
    place, shown = Path(save_to).expanduser(), f"save_to={printable(save_to)}"
    if place.resolve().is_relative_to(Path(folder).expanduser().resolve()):
        raise OhloraError(f"{shown} lies among the images it learns from: name another folder")
    if why := cannot_write(place):
        raise OhloraError(f"{shown} cannot be written: {why}")
    # An earlier classifier is replaced.
    if place.is_dir() and not (place / CARD).is_file() and any(place.iterdir()):
        raise OhloraError(f"{shown} holds other files: name a new folder")


def check_out(out: str, classifier: str, images: Iterable[Path]) -> None:
    """Raise OhloraError where a table cannot be written, or would replace what it is made from."""
    place, shown = Path(out).expanduser(), f"out={printable(out)}"
    real = place.resolve()
    if is_there(place) and place.is_dir():
        raise OhloraError(f"{shown} is a folder; name a file")
    if real.is_relative_to(Path(classifier).expanduser().resolve()):
        raise OhloraError(f"{shown} lies in the classifier's folder: name another file")
    if real in {image.resolve() for image in images}:
        raise OhloraError(f"{shown} is one of the images: name another file")
    if why := cannot_write(place.parent):
        raise OhloraError(f"{shown} cannot be written: {why}")


def nothing_kept(job: Advise | Predict) -> str:
    """What is said of a command that was stopped."""
    return "nothing was kept"


def kept_trials(job: Fit) -> str:
    """What is said of a training that was stopped: where its finished trials are."""
    path = Path(job.output_dir) / TRIALS
    if not path.is_file():
        return "nothing was kept"
    return f"the finished trials ({len(path.read_bytes().splitlines())}) are in {printable(path)}"
