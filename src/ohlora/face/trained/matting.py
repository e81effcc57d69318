"""The share of each pixel that is hair, from a network's probability of hair: alpha matting.

A class probability says how sure a network is, not how much of a pixel is hair: along an edge it is too wide
by a pixel, and an ombre painted by it lights up the wall beside the hair.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SURE = 0.98  # a probability above is hair, and one below 1 - SURE is not
REACH = 9  # colours of hair and of what lies beside it are those within a REACH-th of the picture
LEAST_CONTRAST = 0.01  # of both colours, squared; where they are nearer to each other, probabilities stay


def hair_shares(images: Tensor, probability: Tensor) -> Tensor:
    """Shares of hair [n, rows, columns], 0 to 1, of uint8 images and their probability of hair.

    A doubtful pixel's colour is taken for a mixture of the mean colours of sure hair and of what surely is
    none, around it.
    """
    side = images.shape[-1] // REACH | 1
    pictures, hair = images.float() / 255, probability[:, None]

    def mean_around(sure: Tensor) -> tuple[Tensor, Tensor]:
        """Mean colour of sure pixels around each, and whether there are any."""
        near = F.avg_pool2d(torch.cat([pictures * sure, sure], dim=1), side, 1, side // 2)
        return near[:, :3] / near[:, 3:].clamp_min(1e-6), near[:, 3:] > 1e-6

    inside, some_inside = mean_around((hair > SURE).float())
    outside, some_outside = mean_around((hair < 1 - SURE).float())
    apart = inside - outside
    contrast = apart.square().sum(dim=1, keepdim=True)
    mixed = ((pictures - outside) * apart).sum(dim=1, keepdim=True) / contrast.clamp_min(LEAST_CONTRAST)
    doubtful = (hair <= SURE) & (hair >= 1 - SURE)
    known = doubtful & some_inside & some_outside & (contrast > LEAST_CONTRAST)
    return torch.where(known, mixed.clamp(0, 1), hair)[:, 0]
