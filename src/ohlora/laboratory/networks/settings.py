"""Shapes of networks and how their pictures are varied, as settings: reading them imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge, Le, Lt, MinLen
from pydantic import Strict

from ohlora.config import Name, Share, Span, config, deferred

if TYPE_CHECKING:
    from ohlora.face.trained.parser import Parser

Width = Annotated[int, Ge(1), Le(10_000)]
Widths = Annotated[tuple[Width, ...], Strict(False), MinLen(1)]  # after each halving of the picture
Dropout = Annotated[float, Ge(0), Lt(1)]
Target = Literal["gender", "quality"]  # of what is told of a face: a woman's, a good picture
SEGMENTER_LEVELS = 4  # of a segmenter's encoder: full, half, a quarter and an eighth of the resolution


@config
class Augmentation:
    """How far pictures may stray. Shares are of the pictures of a batch."""

    light: Share  # brightness and contrast, each as a share, either way
    hue: Annotated[float, Ge(0), Le(3.1416)]  # rad, about the grey axis: the mean of red, green, blue stays
    noise: Annotated[float, Ge(0), Le(2)]  # standard deviation at most, of pixels -1 to 1
    blur_share: Share
    jpeg_share: Share
    jpeg_quality: Span[Annotated[int, Ge(1), Le(100)]]
    cutout_share: Share
    cutout_side: Share  # at most, of the picture's

    draw = deferred("ohlora.laboratory.networks.augment", "draw")


@config
class PictureSettings:
    """One look at the whole picture, learned from nothing."""

    widths: Widths
    hidden: Width
    dropout: Dropout
    kind: Literal["picture"] = "picture"  # names it in a card

    finds: ClassVar[bool] = False  # whether it asks a segmenter where to look

    build = deferred("ohlora.laboratory.networks.attributes", "build_picture_network")


@config
class RegionSettings:
    """A look at each part of the face, begun where a segmenter's encoder stands."""

    levels: Annotated[int, Ge(1), Le(SEGMENTER_LEVELS)]  # of that encoder, from the finest
    hidden: Width
    dropout: Dropout
    kind: Literal["regions"] = "regions"

    finds: ClassVar[bool] = True

    build = deferred("ohlora.laboratory.networks.attributes", "build_region_network")


@config
class IdentitySettings:
    """The shape of an embedder."""

    widths: Widths
    hidden: Width
    dimensions: Width  # of the sphere's space

    build = deferred("ohlora.laboratory.networks.identity", "IdentityNetwork")


@config
class TrunkSettings:
    """A regressor with one look at the whole picture for all properties."""

    widths: Widths
    hidden: Width
    kind: Literal["trunk"] = "trunk"

    build = deferred("ohlora.laboratory.networks.regressor", "build_trunk")


@config
class PartSettings:
    """A small network to each part of the face, found by a segmenter that is trained no further."""

    widths: Widths
    hidden: Width
    kind: Literal["parts"] = "parts"

    build = deferred("ohlora.laboratory.networks.regressor", "build_parts")


@config
class SavedParser:
    """The segmenter in `file`, a .safetensors, as a parser of pictures of any size; None: no parser."""

    file: Name | None

    def load(self) -> Parser | None:
        """Nothing is imported where there is nothing to load: films wait for it."""
        return None if self.file is None else self._load()

    _load = deferred("ohlora.laboratory.networks.labeller", "load_parser")
