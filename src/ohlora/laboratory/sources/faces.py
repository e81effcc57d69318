"""Faces with everything that is known of them, whatever their source."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from ohlora.face.drawing.population import Draws
from ohlora.face.drawing.renderer import Renderer
from ohlora.laboratory.sources.defects import spoil


@dataclass(frozen=True)
class Faces:
    """A batch of faces; None where the source does not know."""

    images: Tensor  # uint8 [faces, 3, resolution, resolution]
    label_maps: Tensor | None  # uint8 [faces, resolution, resolution], the ids of classes.py
    properties: Tensor | None  # float32 [faces, properties], raw, in the renderer's order
    gender: Tensor | None  # float32 [faces], 0 a man to 1 a woman
    quality: Tensor | None  # float32 [faces], 0 bad to 1 good
    identity: Tensor | None  # int64 [faces]: the same number, the same person
    twin_of: Tensor | None  # int64 [faces]: the row this face is a twin of, -1 where none
    split: Tensor | None  # int64 [faces], a position in the population's splits

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> Faces:
        """The same faces elsewhere; Lightning moves batches by it."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{k: value.to(device) for k, value in values.items() if value is not None})


def render(renderer: Renderer, draws: Draws, twin_of: Tensor | None = None) -> Faces:
    """Photos of what was drawn, spoilt where it says so."""
    picture = renderer.picture(renderer.mapping(draws.latents, draws.properties))
    return described(renderer, draws, (picture.images, picture.label_maps), twin_of)


def described(
    renderer: Renderer, draws: Draws, clean: tuple[Tensor, Tensor], twin_of: Tensor | None = None
) -> Faces:
    """What is known of drawn faces, given their clean images and the maps of what lies under defects."""
    images, label_maps = clean
    return Faces(
        images=spoil(images, draws),
        label_maps=label_maps,
        properties=renderer.bounded(draws.properties),
        gender=draws.gender,
        quality=draws.quality,
        identity=draws.identity,
        twin_of=torch.full((len(draws),), -1) if twin_of is None else twin_of,
        split=draws.split,
    )
