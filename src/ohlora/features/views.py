"""Another view of the same image: turned, zoomed, shifted, relit; what it shows stays what it was."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ohlora.features.autoencoder_job import Views


def draw_views(views: Views, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """One view of each image; `images` and result are [n, channels, height, width], 0 to 1."""
    n, channels, _, _ = images.shape
    device = images.device

    def either_way(reach: float, *shape: int) -> Tensor:
        return reach * (2 * torch.rand(n, *shape, generator=generator).to(device) - 1)

    zoom, stretch, turn = either_way(views.zoom), either_way(views.stretch), either_way(views.turn)
    wide, high = torch.exp(zoom + stretch), torch.exp(zoom - stretch)
    if channels == 3 and views.mirror_colour:
        wide = wide * torch.sign(either_way(1.0) + 1e-9)
    place = torch.stack(
        [
            torch.stack([wide * turn.cos(), -high * turn.sin()], dim=1),
            torch.stack([wide * turn.sin(), high * turn.cos()], dim=1),
        ],
        dim=1,
    )
    # affine_grid measures from -1 to 1: the side is 2
    place = torch.cat([place, either_way(2 * views.shift, 2, 1)], dim=2)
    grid = F.affine_grid(place, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    mean = moved.mean(dim=(1, 2, 3), keepdim=True)
    contrast, gain = 1 + either_way(views.light, 1, 1, 1), 1 + either_way(views.light, 1, 1, 1)
    if channels == 3:
        gain = gain * (1 + either_way(views.tint, channels, 1, 1))
    return ((moved - mean) * contrast + mean).mul(gain).clamp(0, 1)
