"""How far a set of pictures lies from another, whoever is on them: by features, rows of float32 [n, d]."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ohlora.face.drawing.chance import normal
from ohlora.face.drawing.generator import to_network

COMPONENTS = 64  # of the Gaussian that is to be beaten
NEIGHBOUR = 5  # whose distance is a point's reach
UNTRAINED = (16, 32, 64, 64)  # channels after each halving
TOGETHER = 256


def frechet(first: Tensor, second: Tensor) -> float:
    """Squared Fréchet distance of the normal distributions that two sets of features suggest.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), Dowson and Landau (1982); of Inception features it is FID
    (arXiv:1706.08500). Zero or above, in the features' own unit squared.
    """
    means, spreads = zip(*((x.double().mean(dim=0), covariance(x)) for x in (first, second)), strict=True)
    root = square_root(spreads[0])
    # The eigenvalues of C1 C2 are those of this symmetric product.
    shared = torch.linalg.eigvalsh(root @ spreads[1] @ root).clamp_min(0).sqrt().sum()
    apart = (means[0] - means[1]).square().sum()
    return max(0.0, float(apart + spreads[0].trace() + spreads[1].trace() - 2 * shared))


def covariance(features: Tensor) -> Tensor:
    """float64 [d, d], of n - 1."""
    centred = features.double() - features.double().mean(dim=0)
    return centred.T @ centred / max(1, len(centred) - 1)


def square_root(matrix: Tensor) -> Tensor:
    """Of a symmetric matrix without negative eigenvalues but for rounding."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def normalised_frechet(made: Tensor, real: Tensor, held_out: Tensor, crude: Tensor) -> dict[str, float]:
    """Fréchet distance of `made` from `real`: 0 as far as `held_out` real ones lie, 1 as far as `crude` ones.

    Four sets of features of as many pictures each, for the distance falls with their number; `floor` is the
    distance of the held-out ones over that of the crude ones, without anything taken off.
    """
    floor, far = frechet(held_out, real), frechet(crude, real)
    return {
        "frechet": (frechet(made, real) - floor) / max(far - floor, 1e-12),
        "floor": floor / max(far, 1e-12),
    }


def pixel_gaussian(images: Tensor, count: int, components: int = COMPONENTS, seed: int = 0) -> Tensor:
    """The crude sampler: `count` pictures of pixels' normal distribution, uint8 [count, 3, rows, columns].

    It has the mean and the `components` largest principal components of `images` [n, 3, rows, columns].
    """
    pixels = images.flatten(1).float()
    mean = pixels.mean(dim=0)
    centred = pixels - mean
    # Of n pictures, not of as many pixels: both products have the same eigenvalues.
    _, vectors = torch.linalg.eigh((centred @ centred.T).double() / max(1, len(centred) - 1))
    kept = min(components, len(centred) - 1)
    weights = vectors[:, -kept:] / math.sqrt(max(1, len(centred) - 1))
    drawn = torch.randn(count, kept, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    made = mean + (drawn @ weights.T).float() @ centred
    return made.round().clamp(0, 255).byte().view(count, *images.shape[1:])


def within(points: Tensor, others: Tensor, neighbour: int = NEIGHBOUR) -> Tensor:
    """Whether each of `points` lies where `others` are, bool [n] (arXiv:1904.06991).

    That is, no farther from one of them than that one's own `neighbour`-th nearest. The share of made
    pictures among real ones is precision; of real ones among made ones, recall.
    """
    points, others = points.double(), others.double()
    neighbour = min(neighbour, len(others) - 1)
    reach = torch.cat(
        [
            torch.cdist(some, others).topk(neighbour + 1, largest=False).values[:, -1]
            for some in others.split(TOGETHER)
        ]
    )
    return torch.cat([(torch.cdist(some, others) <= reach).any(dim=1) for some in points.split(TOGETHER)])


def untrained_features(images: Tensor) -> Tensor:
    """float32 [n, 352]: mean and spread of every channel of a convolution net whose weights are drawn.

    Nothing was ever trained against it, so nothing can have learned to please it. Its weights are the same on
    every machine; rectified, of unit variance in expectation (He et al., 2015). uint8 images.
    """
    layers = []
    for level, (inputs, outputs) in enumerate(zip((3, *UNTRAINED), UNTRAINED, strict=False)):
        drawn = normal([level], "untrained", outputs * inputs * 9) * math.sqrt(2 / (9 * inputs))
        layers.append(torch.from_numpy(drawn).float().view(outputs, inputs, 3, 3))
    features = []
    for some in images.split(TOGETHER):
        x, seen = to_network(some), []
        for weight in layers:
            x = F.relu(F.conv2d(x, weight, stride=2, padding=1))
            seen += [x.mean((2, 3)), x.std((2, 3), correction=0)]
        features.append(torch.cat(seen, dim=1))
    return torch.cat(features)
