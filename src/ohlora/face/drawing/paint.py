"""Layers -> picture, label map and share of hair."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ohlora.face.drawing.classes import HAIR
from ohlora.face.drawing.layers import Grid, Named, layers


def paint(p: Named, resolution: int, supersample: int) -> tuple[Tensor, Tensor, Tensor]:
    """Colours [faces, 3, resolution, resolution], 0 to 1; labels [faces, resolution, resolution], uint8; and
    the share of each pixel that is hair, of the labels' shape, 0 to 1.

    A layer covers a sample as far as its edge has passed it, over the width of one sample. The label of a
    pixel is that of the topmost layer its centre lies in.
    """
    some = p["scale"]
    grid = Grid(resolution * supersample, supersample, some.device)
    faces = some.shape[0]
    colours = torch.zeros(faces, 3, grid.size, grid.size, device=some.device)
    labels = torch.zeros(faces, resolution, resolution, dtype=torch.uint8, device=some.device)
    hair = torch.zeros(faces, grid.size, grid.size, device=some.device)
    sharpness = p["scale"] * grid.size / 2  # samples a unit of the face
    for layer in layers(p, grid):
        rows, columns = layer.window.slices
        coverage = (0.5 - layer.distance * sharpness).clamp_(0, 1)
        if not isinstance(layer.opacity, float) or layer.opacity != 1.0:
            coverage = coverage * layer.opacity
        colours[:, :, rows, columns].lerp_(
            layer.colour.expand(faces, 3, *coverage.shape[1:]), coverage[:, None]
        )
        if layer.label is not None:
            hair[:, rows, columns] *= 1 - coverage
            if layer.label == HAIR:
                hair[:, rows, columns] += coverage
            # Between neighbouring samples a distance is as good as linear: their mean is the centre's.
            middle = F.avg_pool2d(layer.distance, supersample) if supersample > 1 else layer.distance
            part = labels[
                :,
                layer.window.top // supersample : layer.window.bottom // supersample,
                layer.window.left // supersample : layer.window.right // supersample,
            ]
            part.masked_fill_(middle.expand(part.shape) < 0, layer.label)
    if supersample > 1:
        colours, hair = F.avg_pool2d(colours, supersample), F.avg_pool2d(hair, supersample)
    return colours.clamp_(0, 1), labels, hair
