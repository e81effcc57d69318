"""The spaces in which a face can be moved: latents z, styles w, and channel styles (arXiv:2011.12799)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

SPACES = ("z", "w", "style")


class Movable(Protocol):
    """A generator whose styles can be taken apart: ours, or a converted StyleGAN."""

    def mapping(self, latents: Tensor, properties: Tensor) -> Tensor: ...

    def synthesis(self, w: Tensor) -> Tensor: ...

    def channel_styles(self, w: Tensor) -> Tensor: ...

    def painted(self, styles: Tensor) -> Tensor: ...


def points_of(
    generator: Movable, space: str, latents: Tensor, asked: Tensor
) -> tuple[Tensor, Callable[[Tensor, Tensor], Tensor]]:
    """Where people lie in a space, [n, ...], and what draws moved points of the faces `rows` among them.

    z goes through the mapping, each face with what was asked of it; `style` is what scales each channel.
    """
    if space == "z":
        return latents, lambda moved, rows: generator.synthesis(generator.mapping(moved, asked[rows]))
    w = generator.mapping(latents, asked).cpu()
    if space == "w":
        return w, lambda moved, rows: generator.synthesis(moved)
    return generator.channel_styles(w).cpu(), lambda moved, rows: generator.painted(moved)
