"""A subset -> named numbers: what Oh-LoRA sees of it, from its training images alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import multiclass_f1_score

from ohlora.datasets.images import Split, image_statistics
from ohlora.datasets.subset import Subset
from ohlora.precision import one_thread
from ohlora.trials.cnn import whitening_filters

# Raise it when a feature gets another meaning: cached features and fitted predictors carry it.
FEATURES_VERSION = 2
# Landmarks look at this many images at most; more cost time and hardly move them.
LANDMARK_IMAGES = 800


class Encoder(Protocol):
    """Anything that turns uint8 images [n, channels, height, width] into codes [n, code]."""

    def encode(self, images: Tensor) -> Tensor: ...


def encoders_digest(folder: Path) -> str:
    """Eight hex digits of the weights of all encoders in `folder`."""
    weights = [path.read_bytes() for path in sorted(folder.glob("*.safetensors"))]
    return hashlib.sha256(b"".join(weights)).hexdigest()[:8]


@one_thread()
def describe(subset: Subset, encoder: Encoder) -> dict[str, float]:
    """Return every feature of `subset` as `group.name`: counts, pixels, landmarks, codes.

    Only training images and their labels are looked at. Every feature is finite, also of one image, one
    class or blank images: a spread of one value is 0, a ratio without one of its sides is 1. Takes about
    half a second for 1,000 images.
    """
    train = subset.train
    rows = spread_rows(train, LANDMARK_IMAGES)
    sample = train.take(rows)
    codes = encoder.encode(train.images)
    patches = patch_embedding(sample.images)
    features = {f"counts.{k}": v for k, v in count_features(subset.class_counts).items()}
    features |= {f"pixels.{k}": v for k, v in pixel_features(train).items()}
    for name, embed, plain in (
        ("code", encoder.encode, codes[rows]),
        ("patch", patches, patches(sample.images)),
    ):
        found = landmarks(sample, plain, embed, len(subset.class_names))
        features |= {f"landmarks.{name}_{k}": v for k, v in found.items()}
    features |= {f"codes.mean_{i}": float(x) for i, x in enumerate(codes.mean(dim=0))}
    features |= {f"codes.spread_{i}": float(x) for i, x in enumerate(spread(codes))}
    return features


def count_features(counts: list[int]) -> dict[str, float]:
    """How many images and classes there are, and how evenly."""
    n = np.array([count for count in counts if count], dtype=float)
    share = n / n.sum()
    entropy = float(-(share * np.log(share)).sum() / np.log(len(n))) if len(n) > 1 else 1.0
    return {
        "log_images": float(np.log(n.sum())),
        "classes": float(len(n)),
        "log_images_per_class": float(np.log(n.mean())),
        "log_smallest_class": float(np.log(n.min())),
        "log_imbalance": float(np.log(n.max() / n.min())),
        "evenness": entropy,  # over its maximum
    }


def pixel_features(train: Split) -> dict[str, float]:
    """Size, colour, light and detail of the images."""
    _, channels, height, width = train.images.shape
    statistics = image_statistics(train.images)
    pixels = as_fractions(train.take(spread_rows(train, LANDMARK_IMAGES)).images)
    contrast = float(pixels.std(correction=int(pixels.numel() > 1))) + 1e-3
    steps = sum(mean_or(pixels.diff(dim=side).abs(), 0) for side in (2, 3)) / 2
    labels = train.labels.numpy()
    means = [statistics["brightness"][labels == k].mean() for k in np.unique(labels)]
    return {
        "log_side": float(np.log(height * width) / 2),
        "colour": float(channels == 3),
        "brightness": float(statistics["brightness"].mean()),
        "brightness_spread": float(statistics["brightness"].std()),
        "brightness_between_classes": float(np.std(means)),
        "contrast": float(statistics["contrast"].mean()),
        "contrast_spread": float(statistics["contrast"].std()),
        "saturation": float(statistics["saturation"].mean()) if channels == 3 else 0.0,
        "detail": float(steps) / contrast,  # mean step between neighbouring pixels, in units of their spread
    }


def landmarks(
    sample: Split, plain: Tensor, embed: Callable[[Tensor], Tensor], n_classes: int
) -> dict[str, float]:
    """How cheap classifiers fare on an embedding, and how it takes mirroring and shifting.

    `plain` [images, code] are the sample's images, embedded. Scores are macro-F1, 0 to 1, each image judged
    without itself.
    """
    labels = sample.labels
    codes = standardise(plain)
    mirrored = standardise(embed(sample.images.flip(3)), like=plain)
    shifted = standardise(embed(sample.images.roll((1, 1), (2, 3))), like=plain)

    def f1(predicted: Tensor) -> float:
        return multiclass_f1_score(predicted, labels, max(n_classes, 2), average="macro").item()

    apart = torch.cdist(codes, codes)
    same = labels[:, None] == labels[None, :]
    others = apart.clone().fill_diagonal_(torch.inf)
    # A mirrored (or shifted) image looks for its class among the others as they are: where that works,
    # training on mirrored images does no harm; where it does not, mirroring makes another class.
    from_mirror = torch.cdist(mirrored, codes).fill_diagonal_(torch.inf)
    from_shift = torch.cdist(shifted, codes).fill_diagonal_(torch.inf)
    nearest = others.min(dim=1)
    typical = nearest.values.mean() + 1e-6
    # Each half judged by the other: how much the last doubling of the images was worth.
    half = torch.arange(len(labels)) % 2 == 0
    first = ridge_from(codes[half], labels[half], codes, n_classes)
    second = ridge_from(codes[~half], labels[~half], codes, n_classes)
    return {
        "neighbour_f1": f1(labels[nearest.indices]),
        "probe_f1": f1(ridge_leave_one_out(codes, labels, n_classes)),
        "half_probe_f1": f1(torch.where(half, second, first)),
        "separation": separation(apart, same),
        "mirror_neighbour_f1": f1(labels[from_mirror.argmin(dim=1)]),
        "mirror_distance": float((mirrored - codes).norm(dim=1).mean() / typical),
        "shift_neighbour_f1": f1(labels[from_shift.argmin(dim=1)]),
        "shift_distance": float((shifted - codes).norm(dim=1).mean() / typical),
    }


def separation(apart: Tensor, same: Tensor) -> float:
    """Mean distance between images of different classes over that within a class; 1 where either has no pair.

    `apart` [images, images] are distances, `same` says which images are of one class, each with itself too.
    """
    within, between = int(same.sum()) - len(same), int((~same).sum())
    if not (within and between):
        return 1.0
    alike = apart.masked_fill(~same, 0).fill_diagonal_(0).sum()
    return float(apart.masked_fill(same, 0).sum() / between / (alike / within + 1e-6))


def spread(codes: Tensor) -> Tensor:
    """Standard deviation of every column; 0 of a single row."""
    return codes.std(dim=0) if len(codes) > 1 else torch.zeros(codes.shape[1])


def mean_or(values: Tensor, empty: float) -> Tensor:
    return values.mean() if values.numel() else torch.tensor(empty)


def as_fractions(images: Tensor) -> Tensor:
    """A copy of uint8 images as float32, 0 to 1; to be changed in place, as new memory is what costs here."""
    return images.to(torch.float32, copy=True).div_(255)


def patch_embedding(images: Tensor) -> Callable[[Tensor], Tensor]:
    """The CNN's own fixed first layer, pooled to 4 x 4: what it starts from before any training."""
    some = images if len(images) > 1 else images.repeat(2, 1, 1, 1)  # one has no spread
    pixels = as_fractions(some)
    mean, std = (
        pixels.mean(dim=(0, 2, 3), keepdim=True),
        pixels.std(dim=(0, 2, 3), keepdim=True).clamp_min(1e-3),
    )
    kernel = whitening_filters(pixels.sub_(mean).div_(std), patch=5)[:16]

    def embed(batch: Tensor) -> Tensor:
        maps = F.conv2d(as_fractions(batch).sub_(mean).div_(std), kernel, stride=2, padding=2)
        # Each filter and its negative, as in the CNN; one map at a time, as new memory is what costs here.
        bright = F.adaptive_avg_pool2d(maps.relu(), 4)
        return torch.cat([bright, F.adaptive_avg_pool2d(maps.neg_().relu_(), 4)], dim=1).flatten(1)

    return embed


def standardise(codes: Tensor, like: Tensor | None = None) -> Tensor:
    reference = codes if like is None else like
    by_code = spread(reference)
    # A code that hardly varies here would blow up as soon as images are moved.
    return (codes - reference.mean(dim=0)) / torch.maximum(by_code, 0.1 * by_code.mean() + 1e-6)


def ridge_leave_one_out(codes: Tensor, labels: Tensor, n_classes: int, penalty: float = 0.1) -> Tensor:
    """Classes a ridge classifier gives each image when trained on all others.

    `penalty` is lambda, on standardised codes divided by sqrt(code); the bias is penalised too. The residual
    without an image is residual / (1 - leverage) (Allen's PRESS; Rasmussen and Williams, Gaussian Processes
    for Machine Learning, eq. 5.12).
    """
    targets = F.one_hot(labels, n_classes).double()
    x = torch.cat(
        [codes.double() / codes.shape[1] ** 0.5, torch.ones(len(codes), 1, dtype=torch.float64)], dim=1
    )
    if x.shape[1] < len(x):  # by code or by image, whichever is less
        root = penalised_cholesky(x.T @ x, penalty)
        half = torch.linalg.solve_triangular(root, x.T, upper=False)
        residual = targets - half.T @ (half @ targets)
        own = 1 - half.square().sum(dim=0)
    else:
        inverse = penalty * torch.cholesky_inverse(penalised_cholesky(x @ x.T, penalty))
        residual, own = inverse @ targets, inverse.diagonal()
    return (targets - residual / own.clamp_min(1e-6).unsqueeze(1)).argmax(dim=1)


def penalised_cholesky(kernel: Tensor, penalty: float) -> Tensor:
    """The Cholesky factor of a kernel matrix with `penalty` added to its diagonal."""
    return torch.linalg.cholesky(kernel + penalty * torch.eye(len(kernel), dtype=kernel.dtype))


def ridge_from(
    codes: Tensor, labels: Tensor, queries: Tensor, n_classes: int, penalty: float = 0.1
) -> Tensor:
    """Classes of `queries` after training a ridge classifier on `codes`."""
    targets = F.one_hot(labels, n_classes).double()
    scale = codes.shape[1] ** 0.5
    x, q = codes.double() / scale, queries.double() / scale
    weights = torch.cholesky_solve(targets, penalised_cholesky(x @ x.T + 1, penalty))
    return ((q @ x.T + 1) @ weights).argmax(dim=1)


def spread_rows(split: Split, most: int) -> np.ndarray:
    """Rows of at most `most` images or so, of every class the same share and none left out.

    The images of a split lie by class.
    """
    labels = split.labels.numpy()
    if len(labels) <= most:
        return np.arange(len(labels))
    rows = [
        np.flatnonzero(labels == k)[: max(2, int((labels == k).sum() * most / len(labels)))]
        for k in np.unique(labels)
    ]
    return np.sort(np.concatenate(rows))
