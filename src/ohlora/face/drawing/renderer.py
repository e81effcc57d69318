"""The renderer behind the generator's interface: identity and property values -> image and label map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ohlora.errors import OhloraError
from ohlora.face.drawing.generator import Picture, to_uint8
from ohlora.face.drawing.paint import paint
from ohlora.space import Real

RESOLUTIONS = (16, 512)


@dataclass(frozen=True)
class Renderer:
    """A Generator that obeys to the pixel: the oracle of tests, and the face where no network is trained.

    A latent is one standard-normal number for each trait of `identity`, then one for each of `nuisance`; its
    pairs are centre and spread. A style w is the properties, then all traits, in their own units.
    """

    resolution: int
    supersample: int
    chunk: int
    device: str
    properties: Mapping[str, Real]
    clip_at: float
    limit: float
    identity: Mapping[str, tuple[float, float]]
    nuisance: Mapping[str, tuple[float, float]]

    def __post_init__(self) -> None:
        low, high = RESOLUTIONS
        faults = [
            f"{name}={value} is not a whole number from {least} to {most}"
            for name, value, least, most in (
                ("resolution", self.resolution, low, high),
                ("supersample", self.supersample, 1, 4),
                ("chunk", self.chunk, 1, 4096),
            )
            if not isinstance(value, int) or not least <= value <= most
        ]
        if faults:
            raise OhloraError("; ".join(faults))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the columns of w mean."""
        return (*self.properties, *self.identity, *self.nuisance)

    @property
    def identity_dim(self) -> int:
        """Latents that say who she is; those after them may change from photo to photo."""
        return len(self.identity)

    @property
    def latent_dim(self) -> int:
        return len(self.identity) + len(self.nuisance)

    @cached_property
    def pairs(self) -> Tensor:
        """Centre and spread of every trait, [2, latent_dim]."""
        traits = [*self.identity.values(), *self.nuisance.values()]
        return torch.tensor(traits, dtype=torch.float32, device=self.device).T

    @property
    def w_mean(self) -> Tensor:
        """The average person, every property in the middle of its range."""
        middle = torch.tensor([axis.at(0.5) for axis in self.properties.values()], device=self.device)
        return self.mapping(torch.zeros(1, self.latent_dim, device=self.device), middle[None])[0]

    def bounded(self, properties: Tensor) -> Tensor:
        """Properties as they can be shown: a background near black or white has little room to vary."""
        columns = {name: column for column, name in enumerate(self.properties)}
        mean, std = columns["background_mean"], columns["background_std"]
        shown = properties.clone()
        bound = torch.minimum(properties[:, mean], 1 - properties[:, mean]) / self.clip_at
        shown[:, std] = torch.minimum(properties[:, std], bound)
        return shown

    def mapping(self, latents: Tensor, properties: Tensor) -> Tensor:
        """Styles [faces, w] of latents [faces, latent_dim] and raw properties [faces, properties]."""
        centre, spread = self.pairs
        traits = centre + spread * latents.to(self.device).float().clamp(-self.limit, self.limit)
        return torch.cat([self.bounded(properties.to(self.device).float()), traits], dim=1)

    def synthesis(self, w: Tensor) -> Tensor:
        """Images [faces, 3, resolution, resolution], -1 to 1."""
        return self.paint(w)[0] * 2 - 1

    def picture(self, w: Tensor) -> Picture:
        """Images and exact label maps."""
        colours, labels, hair = self.paint(w)
        return Picture(to_uint8(colours * 2 - 1), labels, hair)

    @torch.no_grad()
    def paint(self, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Colours, 0 to 1, labels and shares of hair, a chunk of faces at a time."""
        painted = []
        for part in w.split(self.chunk):
            named = {name: part[:, column, None, None] for column, name in enumerate(self.names)}
            named["clip_at"] = torch.full_like(named["scale"], self.clip_at)
            painted.append(paint(named, self.resolution, self.supersample))
        colours, labels, hair = zip(*painted, strict=True)
        return torch.cat(colours), torch.cat(labels), torch.cat(hair)
