"""Augmentation on whole batches of tensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moves:
    """What happens to each image: down and right by whole pixels, then mirrored."""

    down: Tensor  # int64 [n]
    right: Tensor  # int64 [n]
    mirrored: Tensor  # bool [n]

    @classmethod
    def draw(
        cls, kind: str, n: int, side: int, device: torch.device, generator: torch.Generator | None = None
    ) -> Moves:
        """`n` random moves: none | shift | flip | shift_flip; shifts reach a twelfth of `side`."""
        down = right = torch.zeros(n, dtype=torch.int64, device=device)
        mirrored = torch.zeros(n, dtype=torch.bool, device=device)
        if "shift" in kind:
            reach = max(1, round(side / 12))
            down = torch.randint(-reach, reach + 1, (n,), device=device, generator=generator)
            right = torch.randint(-reach, reach + 1, (n,), device=device, generator=generator)
        if "flip" in kind:
            mirrored = torch.rand(n, device=device, generator=generator) < 0.5
        return cls(down, right, mirrored)

    def pixels(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Row and column each target pixel is read from, [n, height] and [n, width]; edges repeat."""
        rows = torch.arange(height, device=self.down.device) + self.down[:, None]
        columns = (torch.arange(width, device=self.down.device) + self.right[:, None]).clamp_(0, width - 1)
        columns = torch.where(self.mirrored[:, None], columns.flip(1), columns)
        return rows.clamp_(0, height - 1), columns


def augment(images: Tensor, kind: str) -> Tensor:
    """Random shifts (up to a twelfth of the side, edges repeated) and mirror images, each image its own.

    `images` is [n, channels, height, width]; `kind` is none | shift | flip | shift_flip.
    """
    if kind == "none":
        return images
    n, _, height, width = images.shape
    rows, columns = Moves.draw(kind, n, min(height, width), images.device).pixels(height, width)
    # Channels-last storage: one gather moves whole pixels and leaves channels-last storage.
    pixels = images.permute(0, 2, 3, 1)
    every = torch.arange(n, device=images.device)
    picked = pixels[every[:, None, None], rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)
