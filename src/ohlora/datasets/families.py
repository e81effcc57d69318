"""How subsets are drawn from a dataset: the settings, their fingerprints, and the name of each subset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le
from pydantic import WrapValidator

from ohlora.config import Name, Span, config, deferred

# Part of every fingerprint: raise it when `draw` gives other images for the same settings.
DRAWING_VERSION = 1


def _as_written(value: Any, check: Callable[[Any], Any]) -> Any:
    check(value)
    return value


# Else 1 would become 1.0: another text, and fingerprints are of the text.
AS_WRITTEN = WrapValidator(_as_written)
WrittenShare = Annotated[float, Gt(0), Le(1), AS_WRITTEN]
Ratio = Annotated[float, Ge(1), AS_WRITTEN]
Count = Annotated[int, Ge(1), Le(10**9)]
AtLeastTwo = Annotated[int, Ge(2), Le(10**9)]


@config
class SubsetRecipe:
    """The name of one subset."""

    dataset: Name
    family: Name
    seed: Annotated[int, Ge(0), Le(2**63 - 1)]


def fingerprint_of(family: Any) -> str:
    """Eight hex digits that change with any setting or with the way of drawing."""
    text = json.dumps([DRAWING_VERSION, asdict(family)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@config
class SubsetFamily:
    """How small datasets are drawn from a large one. Pairs are lowest and highest, both included."""

    name: Name
    classes: Span[AtLeastTwo]
    train_images: Span[AtLeastTwo]
    train_images_log: bool
    imbalance: Span[Ratio] | None  # largest class over smallest; None: as the images fall
    keep_share: Span[WrittenShare]  # of the images, by brightness and by contrast each
    colour_keep_share: Span[WrittenShare]  # by hue, saturation and each channel's spread
    val_share: Annotated[float, Ge(0), AS_WRITTEN]  # validation images as a share of training images ...
    val_images: Span[Count]  # ... within these bounds
    test_images: Count
    min_train_per_class: Count
    min_val_per_class: Count
    min_test_per_class: Count

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self)

    draw = deferred("ohlora.datasets.subset", "draw_from_family")


@config
class WholeDataset:
    """`subset=none`: every training image, less a validation share; every test image."""

    name: Name
    val_share: Annotated[float, Gt(0), Le(1), AS_WRITTEN]
    max_val_images: Count

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self)

    draw = deferred("ohlora.datasets.subset", "draw_whole")


Family = SubsetFamily | WholeDataset
