"""What the renderer computes: styles, images and label maps."""

from __future__ import annotations

import torch
from torch import Tensor

from ohlora.face.drawing.generator import Picture, to_uint8
from ohlora.face.drawing.paint import paint
from ohlora.face.drawing.population import BACKGROUND
from ohlora.face.drawing.renderer import Renderer


def pairs(renderer: Renderer) -> Tensor:
    """Centre and spread of every trait, [2, latent_dim]."""
    traits = [*renderer.identity.values(), *renderer.nuisance.values()]
    return torch.tensor(traits, dtype=torch.float32, device=renderer.device).T


def w_mean(renderer: Renderer) -> Tensor:
    """The average person, every property in the middle of its range."""
    middle = torch.tensor([axis.at(0.5) for axis in renderer.properties.values()], device=renderer.device)
    return mapping(renderer, torch.zeros(1, renderer.latent_dim, device=renderer.device), middle[None])[0]


def bounded(renderer: Renderer, properties: Tensor) -> Tensor:
    """Properties as they can be shown: a background near black or white has little room to vary."""
    columns = {name: column for column, name in enumerate(renderer.properties)}
    mean, std = (columns[name] for name in BACKGROUND)
    shown = properties.clone()
    bound = torch.minimum(properties[:, mean], 1 - properties[:, mean]) / renderer.clip_at
    shown[:, std] = torch.minimum(properties[:, std], bound)
    return shown


def mapping(renderer: Renderer, latents: Tensor, properties: Tensor) -> Tensor:
    """Styles [faces, w] of latents [faces, latent_dim] and raw properties [faces, properties]."""
    centre, spread = renderer.pairs
    traits = centre + spread * latents.to(renderer.device).float().clamp(-renderer.limit, renderer.limit)
    return torch.cat([bounded(renderer, properties.to(renderer.device).float()), traits], dim=1)


def synthesis(renderer: Renderer, w: Tensor) -> Tensor:
    """Images [faces, 3, resolution, resolution], -1 to 1."""
    return paint_faces(renderer, w)[0] * 2 - 1


def picture(renderer: Renderer, w: Tensor) -> Picture:
    """Images and exact label maps."""
    colours, labels, hair = paint_faces(renderer, w)
    return Picture(to_uint8(colours * 2 - 1), labels, hair)


@torch.no_grad()
def paint_faces(renderer: Renderer, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Colours, 0 to 1, labels and shares of hair, a chunk of faces at a time."""
    painted = []
    for part in w.split(renderer.chunk):
        named = {name: part[:, column, None, None] for column, name in enumerate(renderer.names)}
        named["clip_at"] = torch.full_like(named["scale"], renderer.clip_at)
        painted.append(paint(named, renderer.resolution, renderer.supersample))
    colours, labels, hair = zip(*painted, strict=True)
    return torch.cat(colours), torch.cat(labels), torch.cat(hair)
