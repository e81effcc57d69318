"""What the portrait computes as a Generator: styles, images and label maps, as tensors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ohlora.face.drawing.generator import Picture, to_uint8
from ohlora.face.drawing.portrait.raster import draw
from ohlora.face.drawing.portrait.settings import Portrait
from ohlora.face.drawing.portrait.styles import scenes_of, styles


def w_mean(portrait: Portrait) -> Tensor:
    """The average person at rest, every property in the middle of its range."""
    middle = [axis.at(0.5) for axis in portrait.asked.values()] + [0.0] * len(portrait.controls)
    return mapping(portrait, torch.zeros(1, portrait.latent_dim), torch.tensor(middle)[None])[0]


def mapping(portrait: Portrait, latents: Tensor, properties: Tensor) -> Tensor:
    """Styles [faces, w] of latents [faces, latent_dim] and raw properties, then controls [faces, both]."""
    return torch.from_numpy(styles(portrait, latents.numpy(force=True), properties.numpy(force=True)))


def synthesis(portrait: Portrait, w: Tensor) -> Tensor:
    """Images [faces, 3, resolution, resolution], -1 to 1."""
    drawn = [draw(one, portrait.resolution)[0] for one in scenes_of(portrait, w.tolist())]
    return torch.from_numpy(np.stack(drawn)) * 2 - 1


def picture(portrait: Portrait, w: Tensor) -> Picture:
    """Images and exact label maps."""
    drawn = zip(*(draw(one, portrait.resolution) for one in scenes_of(portrait, w.tolist())), strict=True)
    colours, labels, hair = (torch.from_numpy(np.stack(part)) for part in drawn)
    return Picture(to_uint8(colours * 2 - 1), labels, hair)
