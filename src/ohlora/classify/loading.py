"""What a folder of a trained model holds: `ohlora.load`."""

from __future__ import annotations

from pathlib import Path
from typing import overload

from ohlora.datasets.image_files import is_there, path_of
from ohlora.errors import OhloraError
from ohlora.predictor.predictor import Predictor
from ohlora.predictor.predictor import load as load_predictor
from ohlora.text import printable
from ohlora.trials.classifier import NAME, ImageClassifier, load_classifier


@overload
def load(folder: None = None) -> Predictor: ...
@overload
def load(folder: str | Path) -> ImageClassifier | Predictor: ...
def load(folder: str | Path | None = None) -> ImageClassifier | Predictor:
    """The classifier that `fit` left in `folder`, or the predictor that `train model=hp_predictor` left.

    Without a folder, the predictor that ships. Files are data: nothing in them is run, and a damaged or
    altered one is refused with OhloraError.
    """
    if folder is None:
        return load_predictor()
    place = path_of(folder, "the folder of a classifier or a predictor")
    if not is_there(place):
        raise OhloraError(f"{printable(place)}: no such folder")
    if (place / f"{NAME}.json").is_file():
        return load_classifier(place)
    if (place / "hp_predictor.json").is_file():
        return load_predictor(place)
    raise OhloraError(
        f"{printable(place)} holds neither a classifier ({NAME}.json, of fit) nor a predictor"
        " (hp_predictor.json, of train model=hp_predictor)"
    )
