"""What both generations of StyleGAN are made of: equalised layers, pixel norm, resampling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky ReLU below zero


@dataclass(frozen=True)
class Plan:
    """The sizes of one generator; the rest is the same for all of its kind."""

    latent_dim: int
    label_dim: int
    embedding: int  # numbers a label becomes
    mapping: tuple[int, ...]  # outputs of each layer; the last is w
    channels: tuple[int, ...]  # at 4, 8, 16, ... pixels

    @property
    def w_dim(self) -> int:
        return self.mapping[-1]

    @property
    def resolution(self) -> int:
        return 2 ** (len(self.channels) + 1)

    @property
    def layers(self) -> int:
        """How many styles a picture takes."""
        return 2 * len(self.channels)


class Dense(nn.Module):
    """A linear layer at an equalised learning rate: stored weights have unit variance, scaled when used."""

    def __init__(self, inputs: int, outputs: int, gain: float = 1.0, lr_multiplier: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.lr_multiplier = lr_multiplier
        self.scale = gain * lr_multiplier / math.sqrt(inputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.lr_multiplier)


def pixel_norm(x: Tensor) -> Tensor:
    """Scale each row [faces, numbers] to a mean square of 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def upfirdn2d(
    x: Tensor,
    kernel: Tensor,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int] = (0, 0),
    gain: float = 1.0,
) -> Tensor:
    """Insert zeros, pad, filter and thin out images [faces, channels, rows, columns].

    Each pixel is followed by `up - 1` zeros; `padding` (before, after) is counted on that grid, on both axes;
    the FIR `kernel` [taps, taps] is convolved, its footprint inside; every `down`-th pixel is kept.
    """
    faces, channels, rows, columns = x.shape
    spread = x.new_zeros(faces, channels, rows, up, columns, up)
    spread[:, :, :, 0, :, 0] = x
    spread = spread.reshape(faces, channels, rows * up, columns * up)
    spread = F.pad(spread, (*padding, *padding))
    # conv2d correlates: the kernel is turned over to convolve.
    weight = (kernel * gain).flip(0, 1).expand(channels, 1, *kernel.shape)
    return F.conv2d(spread, weight, groups=channels)[:, :, ::down, ::down]


def upsampled(images: Tensor, kernel: Tensor) -> Tensor:
    """Twice the size, through the filter, at unchanged brightness."""
    taps = kernel.shape[0]
    return upfirdn2d(images, kernel, up=2, padding=((taps + 1) // 2, (taps - 2) // 2), gain=4)
