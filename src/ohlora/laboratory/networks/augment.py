"""Pictures as other cameras would have taken them; the label map and the properties stay what they were."""

from __future__ import annotations

import math
from io import BytesIO

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ohlora.datasets.pictures import to_picture
from ohlora.face.drawing.generator import to_network, to_uint8
from ohlora.laboratory.networks.settings import Augmentation


def draw(settings: Augmentation, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Other pictures, and which of their pixels [n, rows, columns] still show what was there.

    `images` and result are [n, 3, rows, columns], -1 to 1.
    """
    n, device = len(images), images.device

    def uniform(*shape: int) -> Tensor:
        """0 to 1, drawn on the CPU: the same numbers on every device."""
        return torch.rand(n, *shape, generator=generator).to(device)

    images = turn_hue(images, settings.hue * (2 * uniform() - 1))
    gain, shift = (1 + settings.light * (2 * uniform(1, 1, 1) - 1) for _ in range(2))
    images = images * gain + (shift - 1)
    if settings.blur_share:
        images = torch.where(uniform(1, 1, 1) < settings.blur_share, soften(images), images)
    if settings.noise:
        noise = torch.randn(images.shape, generator=generator).to(device)
        images = images + settings.noise * uniform(1, 1, 1) * noise
    images = images.clamp(-1, 1)
    if settings.jpeg_share:
        low, high = settings.jpeg_quality
        quality = int(torch.randint(low, high + 1, (), generator=generator))
        rows = (uniform() < settings.jpeg_share).nonzero()[:, 0]
        images = images.index_copy(0, rows, compressed(images[rows], quality))
    visible = cut(images, settings.cutout_side * uniform(2), uniform(2)) | (
        uniform() >= settings.cutout_share
    ).view(-1, 1, 1)
    colour = 2 * uniform(3, 1, 1) - 1
    return torch.where(visible[:, None], images, colour), visible


def turn_hue(images: Tensor, angle: Tensor) -> Tensor:
    """Colours turned about the grey axis by `angle` [n], rad (Rodrigues' rotation formula)."""
    cos, sin = angle.cos(), angle.sin()
    grey = (1 - cos) / 3
    across = sin / math.sqrt(3)
    rows = [cos + grey, grey - across, grey + across]
    matrix = torch.stack([torch.stack(rows[-i:] + rows[:-i], dim=1) for i in range(3)], dim=1)
    return torch.einsum("nij,njhw->nihw", matrix, images)


def soften(images: Tensor) -> Tensor:
    """A binomial blur of three pixels either way."""
    kernel = images.new_tensor([1.0, 2.0, 1.0]) / 4
    kernel = (kernel[:, None] * kernel[None, :]).expand(images.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=images.shape[1])


def compressed(images: Tensor, quality: int) -> Tensor:
    """As JPEG files of this quality, 1 to 100, would show them."""
    files = []
    for image in to_uint8(images).cpu():
        file = BytesIO()
        to_picture(image).save(file, "JPEG", quality=quality)
        with Image.open(file) as picture:
            files.append(torch.from_numpy(np.array(picture)).permute(2, 0, 1))
    return to_network(torch.stack(files)).to(images.device) if files else images


def cut(images: Tensor, sides: Tensor, corners: Tensor) -> Tensor:
    """What a rectangle of `sides` [n, 2], shares of the picture, leaves visible; `corners` place it."""
    rows, columns = (torch.linspace(0, 1, length, device=images.device) for length in images.shape[-2:])
    start = corners * (1 - sides)
    hidden = [
        (axis >= start[:, i, None]) & (axis < (start + sides)[:, i, None])
        for i, axis in enumerate((rows, columns))
    ]
    return ~(hidden[0][:, :, None] & hidden[1][:, None, :])
