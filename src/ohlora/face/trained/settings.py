"""The shape of a generator's networks; a trained generator, and its people, by the folder they lie in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from annotated_types import Ge, Le, MinLen
from pydantic import Strict

from ohlora.config import Count, Name, config, deferred
from ohlora.face.acting.person import Number

START = 4  # rows and columns of the learned constant the decoder begins with
Width = Annotated[int, Ge(1), Le(2**16)]
Widths = Annotated[tuple[Width, ...], Strict(False), MinLen(1)]  # a list in YAML


@config
class VaeSettings:
    """The shape of encoder and decoder."""

    latent: Width  # numbers of z
    style: Width  # numbers the mapping gives
    mapping_layers: Annotated[int, Ge(1), Le(100)]
    base: Count  # channels at a resolution: base / resolution,
    most_channels: Width  # but never more than this
    encoder_widths: Widths  # after each halving; the last repeats for large pictures
    encoder_hidden: Width
    direct: bool  # properties enter every style beside the mapped latent, not through the mapping alone

    def faults(self, resolution: int) -> list[str]:
        """Why no network can be built for pictures of this size."""
        if resolution < 2 * START or resolution & (resolution - 1):
            return [f"resolution={resolution} is not a power of two from {2 * START} up"]
        return []

    def channels(self, resolution: int) -> int:
        return max(1, min(self.most_channels, self.base // resolution))


@config
class SavedGenerator:
    """The generator `name` in `folder`."""

    folder: Name
    name: Name
    resolution: Count | None  # pixels a side it must draw; None: whatever it does

    load = deferred("ohlora.face.trained.vae", "load_saved")


@config
class BankedPerson:
    """Number `face` of the bank `name` in `folder`, whose faces the generator of that name there draws."""

    folder: Name
    name: Name
    generator: Name
    face: Number
    properties: Mapping[Name, float]  # raw; in place of her own

    load = deferred("ohlora.face.trained.face_bank", "load_person")
