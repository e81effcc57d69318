"""What draws faces, renderer or network: an identity and property values -> an image.

Images are uint8, 0 to 255, wherever they are kept or handed over, and float, -1 to 1, in networks: only the
painter's brush works from 0 to 1. Properties are raw (conf/faces/renderer.yaml gives their ranges), latents
standard normal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ohlora.space import Real

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Picture:
    """Faces as they are kept, and what is where on them."""

    images: Tensor  # uint8 [faces, 3, resolution, resolution]
    label_maps: Tensor  # uint8 [faces, resolution, resolution], the ids of classes.py
    hair: Tensor  # float32 [faces, resolution, resolution]: the share of each pixel that is hair, 0 to 1


class Generator(Protocol):
    """A mapping from what is wanted to a style w, and a synthesis of images from w (StyleGAN's terms)."""

    @property
    def resolution(self) -> int: ...

    @property
    def latent_dim(self) -> int: ...

    @property
    def properties(self) -> Mapping[str, Real]:
        """Names, in the order of the columns, and ranges of what can be asked for."""
        ...

    @property
    def w_mean(self) -> Tensor:
        """The style [w] of the average face."""
        ...

    def mapping(self, latents: Tensor, properties: Tensor) -> Tensor:
        """Styles [faces, w] of latents [faces, latent_dim] and properties [faces, properties]."""
        ...

    def synthesis(self, w: Tensor) -> Tensor:
        """Images [faces, 3, resolution, resolution], -1 to 1."""
        ...

    def picture(self, w: Tensor) -> Picture:
        """The same images with their maps: exact ones of a renderer, those of its mask head of a network."""
        ...


@runtime_checkable
class ShowsSome(Protocol):
    """A generator that shows only some of its properties, whatever is asked of the others."""

    @property
    def shown(self) -> Collection[str]: ...


@runtime_checkable
class HasNotice(Protocol):
    """A generator whose pictures somebody who sees them should know something about."""

    @property
    def notice(self) -> Mapping[str, str]:
        """One sentence, by language (en, ko)."""
        ...


@runtime_checkable
class GeneratorSettings(Protocol):
    """Names a generator: the renderer, or weights in a folder."""

    def load(self) -> Generator: ...


def to_uint8(images: Tensor) -> Tensor:
    """Images as they are kept, of images -1 to 1."""
    return ((images + 1) * 127.5).round().clamp(0, 255).byte()


def to_network(images: Tensor) -> Tensor:
    """Images as networks take them, -1 to 1, of uint8 images."""
    return images.float() / 127.5 - 1
