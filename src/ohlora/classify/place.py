"""Where images come from and where a classifier is kept: what can be said of it before anything is read."""

from __future__ import annotations

from pathlib import Path

from ohlora.errors import OhloraError
from ohlora.text import printable

CARD = "classifier.json"


def check_folder(folder: str) -> None:
    """Raise OhloraError where there is no such folder."""
    root = Path(folder).expanduser()
    if not root.exists():
        raise OhloraError(f"{printable(root)}: no such folder")
    if not root.is_dir():
        raise OhloraError(f"{printable(root)} is a file; wanted: a folder with a folder of images a class")


def check_place(save_to: str, folder: str) -> None:
    """Raise OhloraError where a classifier would come to lie among other files, or among its images."""
    place, shown = Path(save_to).expanduser(), f"save_to={printable(save_to)}"
    if place.resolve().is_relative_to(Path(folder).expanduser().resolve()):
        raise OhloraError(f"{shown} lies among the images it learns from: name another folder")
    if place.exists() and not place.is_dir():
        raise OhloraError(f"{shown} is a file; name a folder")
    # An earlier classifier is replaced.
    if place.is_dir() and not (place / CARD).is_file() and any(place.iterdir()):
        raise OhloraError(f"{shown} holds other files: name a new folder")
