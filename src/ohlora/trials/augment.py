"""Augmentation on whole batches of tensors."""

from __future__ import annotations

import torch
from torch import Tensor


def augment(images: Tensor, kind: str) -> Tensor:
    """Random shifts (up to a twelfth of the side, edges repeated) and mirror images, each image its own.

    `images` is [n, channels, height, width]; `kind` is none | shift | flip | shift_flip.
    """
    if kind == "none":
        return images
    n, _, height, width = images.shape
    device = images.device
    rows = torch.arange(height, device=device).expand(n, height)
    columns = torch.arange(width, device=device).expand(n, width)
    if "shift" in kind:
        reach = max(1, round(min(height, width) / 12))
        rows = (rows + torch.randint(-reach, reach + 1, (n, 1), device=device)).clamp_(0, height - 1)
        columns = (columns + torch.randint(-reach, reach + 1, (n, 1), device=device)).clamp_(0, width - 1)
    if "flip" in kind:
        mirrored = torch.rand(n, 1, device=device) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    # Channels-last storage: one gather moves whole pixels and leaves channels-last storage.
    pixels = images.permute(0, 2, 3, 1)
    picked = pixels[torch.arange(n, device=device)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)
