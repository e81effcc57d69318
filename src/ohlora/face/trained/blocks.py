"""What readers and encoders of faces are built of."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def halving(inputs: int, outputs: int) -> nn.Sequential:
    """Pooled before it is normalised and bent: a quarter of the elementwise work."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(outputs),
        nn.SiLU(inplace=True),
    )


def stem(channels: int, widths: Sequence[int], grid: tuple[int, int], hidden: int) -> nn.Sequential:
    """Halvings, then one dense layer on a map of `grid` rows and columns."""
    return nn.Sequential(
        *(halving(inputs, outputs) for inputs, outputs in zip([channels, *widths], widths, strict=False)),
        nn.AdaptiveAvgPool2d(grid),
        nn.Flatten(),
        nn.Linear(widths[-1] * grid[0] * grid[1], hidden),
        nn.SiLU(inplace=True),
    )
