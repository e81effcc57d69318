"""What spoils a photo: a smear at the top, blur, a colour cast, a ghost beside the face."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ohlora.face.drawing.generator import to_network, to_uint8
from ohlora.face.drawing.population import DEFECTS, Draws


def spoil(images: Tensor, draws: Draws) -> Tensor:
    """uint8 images [faces, 3, rows, columns], each with its defect; severity 0 leaves an image as it is."""
    spoilt = images.clone()
    for position, name in enumerate(DEFECTS):
        rows = ((draws.defect == position) & (draws.severity > 0)).nonzero()[:, 0]
        if len(rows):
            severity = draws.severity[rows].to(images.device)[:, None, None, None]
            place = rows.to(images.device)
            spoilt[place] = to_uint8(DAMAGE[name](to_network(images[place]), severity))
    return spoilt


def smear(images: Tensor, severity: Tensor) -> Tensor:
    """The top is pulled up and blurred sideways: what upstream's generator did most often."""
    size = images.shape[-1]
    blurred = F.avg_pool2d(images, (1, size // 8 + 1), 1, (0, size // 16), count_include_pad=False)
    blurred = blurred[..., :size]
    y = torch.linspace(-1, 1, size, device=images.device)[None, :, None]
    end = -0.75 + 0.85 * severity[:, 0]
    pulled = torch.where(y < end, end + (y - end) * (1 - 0.85 * severity[:, 0]), y)
    x = torch.linspace(-1, 1, size, device=images.device).expand(len(images), size, size)
    grid = torch.stack([x, pulled.expand_as(x)], dim=-1)
    stretched = F.grid_sample(blurred, grid, mode="bilinear", padding_mode="border", align_corners=True)
    share = ((end - y) / 0.25).clamp(0, 1)[:, None]
    return torch.lerp(images, stretched, share)


def blur(images: Tensor, severity: Tensor) -> Tensor:
    """A Gaussian of up to 4 % of the picture's width."""
    faces, channels, size, _ = images.shape
    reach = math.ceil(0.1 * size)
    offsets = torch.arange(-reach, reach + 1, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / (0.04 * size * severity.flatten()[:, None] + 1e-3)) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    rows = images.reshape(1, faces * channels, size, size)
    rows = F.conv2d(
        F.pad(rows, (reach, reach, 0, 0), "replicate"), kernel[:, None, None, :], groups=len(kernel)
    )
    rows = F.conv2d(
        F.pad(rows, (0, 0, reach, reach), "replicate"), kernel[:, None, :, None], groups=len(kernel)
    )
    return rows.reshape(images.shape)


def cast(images: Tensor, severity: Tensor) -> Tensor:
    """A blotch of green light, its place by the severity's own digits."""
    size = images.shape[-1]
    axis = torch.linspace(-1, 1, size, device=images.device)
    turn = severity * 40
    away = (axis[None, None, None, :] - 0.5 * turn.cos()) ** 2 + (
        axis[None, None, :, None] - 0.5 * turn.sin()
    ) ** 2
    blotch = severity * 0.85 * torch.exp(-away / 0.5)
    return torch.lerp(
        images, images.new_tensor([-0.4, 0.5, -0.2])[None, :, None, None].expand_as(images), blotch
    )


def ghost(images: Tensor, severity: Tensor) -> Tensor:
    """The picture once more beside itself, half seen through."""
    size = images.shape[-1]
    beside = torch.roll(images, round(0.09 * size), dims=-1)
    return torch.lerp(images, beside, 0.5 * severity)


DAMAGE = {"smear": smear, "blur": blur, "cast": cast, "ghost": ghost}
