"""Signed distances to shapes, and smooth steps and bumps: pure functions of tensors, no pixels, no faces.

A distance is negative inside, zero on the edge, in the units of the coordinates. Those of ellipses and of
regions under curves are exact to first order near the edge, which is where a soft edge needs them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def ellipse(x: Tensor, y: Tensor, radius_x: Tensor | float, radius_y: Tensor | float) -> Tensor:
    """Distance to an ellipse around the origin: f/|grad f| of f = |(x/a, y/b)| - 1.

    A radius may vary over the plane (slowly), which makes eggs and jaws of ellipses.
    """
    u, v = x / radius_x, y / radius_y
    length = torch.hypot(u, v).clamp_min(1e-6)
    slope = torch.hypot(u / radius_x, v / radius_y).clamp_min(1e-6)
    return length * (length - 1) / slope


def above(y: Tensor, curve: Tensor | float, slope: Tensor | float = 0.0) -> Tensor:
    """Distance to the half plane above a curve (y grows downwards), whose `slope` is dy/dx."""
    return (y - curve) / (1 + slope * slope) ** 0.5


def stroke(x: Tensor, y: Tensor, half_length: Tensor | float, thickness: Tensor | float) -> Tensor:
    """Distance to a line along the x axis with round ends; `thickness` is half its width, also a tensor."""
    beyond = (x.abs() - half_length).clamp_min(0)
    return torch.hypot(beyond, y) - thickness


def union(*distances: Tensor) -> Tensor:
    """What lies in any of them."""
    nearest = distances[0]
    for other in distances[1:]:
        nearest = torch.minimum(nearest, other)
    return nearest


def intersection(*distances: Tensor) -> Tensor:
    """What lies in all of them."""
    farthest = distances[0]
    for other in distances[1:]:
        farthest = torch.maximum(farthest, other)
    return farthest


def smooth_union(first: Tensor, second: Tensor, radius: float) -> Tensor:
    """A union whose inner corners are filled to about `radius` (polynomial smooth minimum)."""
    share = (0.5 + 0.5 * (second - first) / radius).clamp(0, 1)
    return torch.lerp(second, first, share) - radius * share * (1 - share)


def smoothstep(x: Tensor, low: float, high: float) -> Tensor:
    """0 up to `low`, 1 from `high`, smooth between; falling where `low` > `high`."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def bump(x: Tensor, width: Tensor | float) -> Tensor:
    """A bell of height 1 at 0; 0.61 at `width`."""
    return torch.exp(-0.5 * (x / width) ** 2)


def zigzag(x: Tensor) -> Tensor:
    """A triangle wave, -1 to 1, with a tooth's point at every whole x."""
    return 4 * (x - (x + 0.5).floor()).abs() - 1
