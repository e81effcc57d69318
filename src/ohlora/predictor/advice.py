"""Her advice without the battle: good hyperparameters for a folder of images, at once."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ohlora.assets import assets_dir
from ohlora.config import deferred
from ohlora.datasets.families import WholeDataset
from ohlora.datasets.image_files import check_folder, path_of
from ohlora.datasets.images import ImageData
from ohlora.datasets.readers import Folder
from ohlora.datasets.subset import Subset
from ohlora.errors import OhloraError
from ohlora.features.describe import describe
from ohlora.features.table import encoder_for
from ohlora.precision import one_thread
from ohlora.predictor.explain import Departure, Effect, KnownSubset, departure, effects, nearest_known
from ohlora.predictor.predictor import Predictor, load
from ohlora.predictor.search import search
from ohlora.space import Params, Space

if TYPE_CHECKING:
    from ohlora.predictor.sampler import OhLoRASampler
    from ohlora.predictor.study_space import Translation

SEARCH_SEED = 0  # of the advice, and of what trials make of it: both then start from the same choice


@dataclass(frozen=True)
class Counts:
    """What was looked at."""

    title: str
    classes: dict[str, int]  # name -> training images
    image_shape: tuple[int, int, int]  # channels, height, width
    train: int
    val: int
    test: int

    @classmethod
    def of(cls, subset: Subset) -> Counts:
        classes = dict(zip(subset.class_names, subset.class_counts, strict=True))
        sizes = len(subset.train), len(subset.val), len(subset.test)
        return cls(subset.title, classes, subset.image_shape, *sizes)


@dataclass(frozen=True)
class Advice:
    """Params for one dataset, what they should score, and what that was read from.

    `print(advice)` explains it, `advice.as_json()` is the same as data.
    """

    params: Params
    predicted_f1: float  # macro-F1 on unseen images, 0 to 1
    predicted_sd: float  # 68 of 100 such predictions are off by no more
    predicted_95: float  # and 95 by no more than that
    features: dict[str, float]
    predictor: Predictor
    space: Space
    counts: Counts

    def sampler(
        self,
        seed: int = 0,
        *,
        names: Mapping[str, str] | None = None,
        translations: Mapping[str, Translation] | None = None,
    ) -> OhLoRASampler:
        """An Optuna sampler whose first trial is this advice; `names` and `translations` as it takes them."""
        from ohlora.predictor.sampler import OhLoRASampler

        return OhLoRASampler(
            self.predictor, self.space, self.features, seed, names=names, translations=translations
        )

    @property
    def interval(self) -> tuple[float, float]:
        """Where the score should lie in 95 of 100 cases, as such predictions go on unseen subsets."""
        low, high = self.predicted_f1 - self.predicted_95, self.predicted_f1 + self.predicted_95
        return max(low, 0.0), min(high, 1.0)

    @cached_property
    def effects(self) -> tuple[Effect, ...]:
        """What each hyperparameter is expected to change, the most important first."""
        return effects(self.predictor, self.space, self.predictor.vector(self.features), self.params)

    @cached_property
    def departure(self) -> Departure | None:
        """What moved the choice: where it leaves the fixed answer, and what that is expected to earn."""
        return departure(self.predictor, self.space, self.predictor.vector(self.features), self.params)

    @cached_property
    def nearest(self) -> tuple[KnownSubset, ...]:
        """The subsets most like this one among those the predictor was fitted on."""
        return nearest_known(self.predictor, self.predictor.vector(self.features))

    __str__ = deferred("ohlora.predictor.advice_report", "as_text")
    as_json = deferred("ohlora.predictor.advice_report", "as_json")
    save_picture = deferred("ohlora.predictor.advice_report", "save_picture")


def advise(folder: str | Path, image_size: int = 32) -> Advice:
    """Look at `folder/<class>/*.png` (jpg, webp, ...) and name hyperparameters for a small CNN.

    Only training images are looked at: with `folder/train` and `folder/test`, those of train. Raises
    OhloraError for a folder nothing can be learned from.
    """
    root = path_of(folder, "the folder of class folders")
    check_folder(root)
    data = Folder(str(root), image_size).load()
    family = WholeDataset("none", val_share=0.2, max_val_images=5000)
    subset = family.draw(data, seed=0, cache_dir=Path(tempfile.gettempdir()))
    subset = replace(subset, title=root.resolve().name)
    predictor = load()
    return advise_on(subset, data, predictor, predictor.space, assets_dir() / "encoders")


@one_thread()
def advise_on(subset: Subset, data: ImageData, predictor: Predictor, space: Space, encoders: Path) -> Advice:
    """Advice for one subset of `data`, with what is fixed in `space` left as it is."""
    predictor.check_space(space)
    predictor.check_encoders(encoders)
    features: dict[str, Any] = describe(subset, encoder_for(data, encoders))
    if odd := [name for name, value in features.items() if not math.isfinite(value)]:
        raise OhloraError(f"{subset.title}: {', '.join(odd[:3])} is not a number: too few images a class")
    found = search(predictor, space, predictor.vector(features), SEARCH_SEED)
    return Advice(
        found.params,
        found.predicted_f1,
        found.predicted_sd,
        found.predicted_95,
        features,
        predictor,
        space,
        Counts.of(subset),
    )
