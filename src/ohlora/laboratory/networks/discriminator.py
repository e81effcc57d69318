"""Is this a photo, and of what was asked for? The opponent of an adversarially trained generator."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ohlora.face.trained.vae import SLOPE, START


class Discriminator(nn.Module):
    """Images, -1 to 1 [n, 3, resolution, resolution], and conditions [n, properties] -> logits [n].

    A projection discriminator: it judges by the inner product of features and conditions (arXiv:1802.05637).
    """

    def __init__(self, resolution: int, conditions: int, base: int, most_channels: int) -> None:
        super().__init__()
        sizes = [resolution >> i for i in range(round(math.log2(resolution / START)) + 1)]
        widths = [max(1, min(most_channels, base // size)) for size in sizes]
        self.stem = nn.Conv2d(3, widths[0], 3, padding=1)
        self.body = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1) for inputs, outputs in pairwise(widths)
        )
        features = widths[-1] * START**2
        self.hidden = nn.Linear(features + 1, most_channels)
        self.projection = nn.Linear(conditions, most_channels, bias=False)
        self.head = nn.Linear(most_channels, 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor, conditions: Tensor) -> Tensor:
        x = F.leaky_relu(self.stem(images.contiguous(memory_format=torch.channels_last)), SLOPE)
        for conv in self.body:
            x = F.leaky_relu(conv(x), SLOPE)
        x = x.flatten(1).float()
        # How unlike one another the batch's pictures are (arXiv:1710.10196): all alike gives a forger away.
        spread = (x.var(dim=0, correction=0) + 1e-8).sqrt().mean().expand(len(x), 1)
        x = F.leaky_relu(self.hidden(torch.cat([x, spread], dim=1)), SLOPE)
        return self.logits(x, conditions)

    def logits(self, x: Tensor, conditions: Tensor) -> Tensor:
        """Of features [n, channels] and conditions."""
        agreement = (self.projection(conditions.to(x.dtype)) * x).sum(dim=1) / math.sqrt(x.shape[1])
        return (self.head(x)[:, 0] + agreement).float()
