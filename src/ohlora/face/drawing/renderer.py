"""The renderer behind the generator's interface: identity and property values -> image and label map."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Le
from pydantic import AfterValidator

from ohlora.config import Name, Positive, config, deferred
from ohlora.face.drawing.population import Properties, Trait

if TYPE_CHECKING:
    from torch import Tensor

RESOLUTIONS = (16, 512)
DEVICE = re.compile(r"cpu|mps|cuda(:\d+)?")


def _device(name: str) -> str:
    if not DEVICE.fullmatch(name):
        raise ValueError("not one of cpu | cuda | cuda:0, cuda:1, ... | mps")
    return name


@config
class Renderer:
    """A Generator that obeys to the pixel: the oracle of tests, and the face where no network is trained.

    A latent is one standard-normal number for each trait of `identity`, then one for each of `nuisance`; its
    pairs are centre and spread. A style w is the properties, then all traits, in their own units.
    """

    resolution: Annotated[int, Ge(RESOLUTIONS[0]), Le(RESOLUTIONS[1])]  # pixels a side
    supersample: Annotated[int, Ge(1), Le(4)]  # squared samples a pixel
    chunk: Annotated[int, Ge(1), Le(4096)]  # faces painted at once
    device: Annotated[str, AfterValidator(_device)]
    properties: Properties
    clip_at: Positive
    limit: Positive  # latents beyond look like this
    identity: Mapping[Name, Trait]
    nuisance: Mapping[Name, Trait]

    def load(self) -> Renderer:
        """Itself: nothing is read from a disk."""
        return self

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the columns of w mean."""
        return (*self.properties, *self.identity, *self.nuisance)

    @property
    def latent_dim(self) -> int:
        return len(self.identity) + len(self.nuisance)

    @cached_property
    def pairs(self) -> Tensor:
        """Centre and spread of every trait, [2, latent_dim]."""
        return self._pairs()

    @property
    def w_mean(self) -> Tensor:
        """The average person, every property in the middle of its range."""
        return self._w_mean()

    _pairs = deferred("ohlora.face.drawing.rendering", "pairs")
    _w_mean = deferred("ohlora.face.drawing.rendering", "w_mean")
    bounded = deferred("ohlora.face.drawing.rendering", "bounded")
    mapping = deferred("ohlora.face.drawing.rendering", "mapping")
    synthesis = deferred("ohlora.face.drawing.rendering", "synthesis")
    picture = deferred("ohlora.face.drawing.rendering", "picture")
    paint = deferred("ohlora.face.drawing.rendering", "paint_faces")
