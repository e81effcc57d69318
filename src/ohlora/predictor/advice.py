"""Her advice without the battle: good hyperparameters for a folder of images, at once."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ohlora.assets import assets_dir
from ohlora.datasets.families import WholeDataset
from ohlora.datasets.readers import Folder
from ohlora.features.describe import describe
from ohlora.features.table import encoder_for
from ohlora.predictor.predictor import Predictor
from ohlora.predictor.search import search
from ohlora.space import Params, Space

if TYPE_CHECKING:
    from ohlora.predictor.sampler import OhLoRASampler
    from ohlora.predictor.study_space import Translation


@dataclass(frozen=True)
class Advice:
    """Params for one dataset, what they should score, and what that was read from."""

    params: Params
    predicted_f1: float  # macro-F1 on unseen images, 0 to 1
    predicted_sd: float  # how far off such a prediction tends to be
    features: dict[str, float]
    predictor: Predictor

    @property
    def space(self) -> Space:
        return self.predictor.space

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


def advise(folder: str | Path, image_size: int = 32) -> Advice:
    """Look at `folder/<class>/*.png` (jpg, webp, ...) and name hyperparameters for a small CNN.

    Only training images are looked at: with `folder/train` and `folder/test`, those of train. Raises
    OhloraError for a folder nothing can be learned from.
    """
    data = Folder(str(folder), image_size).load()
    predictor = Predictor.load(assets_dir(), "hp_predictor")
    family = WholeDataset("none", val_share=0.2, max_val_images=5000)
    subset = family.draw(data, seed=0, cache_dir=Path(tempfile.gettempdir()))
    features = describe(subset, encoder_for(data, assets_dir() / "encoders"))
    found = search(predictor, predictor.space, predictor.vector(features), seed=0)
    return Advice(found.params, found.predicted_f1, found.predicted_sd, features, predictor)
