"""`advise`, `fit` and `predict` as conf names them: settings alone."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator

from ohlora.classify.place import check_place
from ohlora.config import Index, Many, Name, compared, config, deferred
from ohlora.datasets.families import WholeDataset
from ohlora.datasets.image_files import check_folder, path_of
from ohlora.datasets.readers import Folder, FolderName
from ohlora.hardware import Hardware
from ohlora.loggers import LoggerChoice
from ohlora.space import Space
from ohlora.trials.protocol import Protocol


def _named(what: str) -> AfterValidator:
    """Of a word that stands behind the verb: it has no default."""

    def check(given: object) -> object:
        if not given:
            raise ValueError(f"name {what}")
        return given

    return AfterValidator(check)


FolderGiven = Annotated[FolderName | None, _named("the folder of class folders, right behind the verb")]
ClassifierGiven = Annotated[FolderName | None, _named("the folder that fit has left, right behind the verb")]
FilesGiven = Annotated[Many[FolderName], _named("image files or folders, behind the classifier")]


@config
class Advise:
    """Look at a folder and say which hyperparameters suit it, what they should score, and why."""

    folder: FolderGiven
    images: Folder
    family: WholeDataset
    seed: Index  # of the split
    space: Space
    format: Literal["text", "json"]
    predictor: Name
    encoders: Name
    cache_dir: Name
    output_dir: Name
    logger: LoggerChoice | None  # None: nothing is logged, and Lightning need not be imported

    @compared
    def _folder_is_there(self) -> None:
        check_folder(path_of(self.folder, "the folder of class folders"))

    run = deferred("ohlora.classify.advising", "run_advise")
    kept = deferred("ohlora.classify.place", "nothing_kept")


@config
class Fit:
    """Train a classifier of the images in a folder, with the advice or what a few trials make of it."""

    folder: FolderGiven
    images: Folder
    family: WholeDataset
    seed: Annotated[int, Ge(0), Le(2**32 - 1)]  # of the split and of the training
    trials: Annotated[int, Ge(0), Le(1000)]  # trained to choose the params; 0: the advice as it is
    longer: Annotated[float, Gt(0), Le(100)]  # times a trial's budget, of the classifier that is kept
    all_images: bool  # the classifier that is kept learns from the validation images too
    onnx: bool
    save_to: FolderName | None  # None: the run's own folder
    space: Space
    protocol: Protocol
    hardware: Hardware
    predictor: Name
    encoders: Name
    cache_dir: Name
    output_dir: Name
    logger: LoggerChoice

    @compared
    def _folder_is_there(self) -> None:
        check_folder(path_of(self.folder, "the folder of class folders"))

    @compared
    def _has_a_place(self) -> None:
        if self.save_to is not None:
            check_place(self.save_to, str(self.folder))

    run = deferred("ohlora.classify.fitting", "run_fit")
    kept = deferred("ohlora.classify.place", "kept_trials")


@config
class Predict:
    """Say what a classifier sees on images."""

    classifier: ClassifierGiven
    files: FilesGiven
    format: Literal["csv", "json"]
    out: FolderName | None  # a file; None: the terminal
    skip_unreadable: bool  # leave out what is no image instead of refusing all
    logger: LoggerChoice | None  # None: nothing is logged, and Lightning need not be imported

    run = deferred("ohlora.classify.predicting", "run_predict")
    kept = deferred("ohlora.classify.place", "nothing_kept")
