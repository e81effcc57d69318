"""What a generator can be told of a face it drew; each a number that is 0, or least, where it is right."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ohlora.face.drawing.classes import BACKGROUND, CLASSES


def per_class_mean(values: Tensor, label_maps: Tensor) -> Tensor:
    """Mean of `values` [n, rows, columns] over each class's pixels, then over the classes that are there.

    An eye weighs as much as the whole background: a plain mean does not see parts of a few pixels.
    """
    labels = label_maps.flatten().long()
    sums = values.new_zeros(len(CLASSES)).index_add_(0, labels, values.flatten())
    counts = torch.bincount(labels, minlength=len(CLASSES))
    return (sums / counts.clamp_min(1)).sum() / (counts > 0).sum()


def reconstruction(images: Tensor, targets: Tensor, label_maps: Tensor) -> Tensor:
    """L1 over pixels, over classes of the target's map, and at a quarter of the resolution; their mean.

    `images` and `targets` [n, 3, rows, columns], -1 to 1; `label_maps` [n, rows, columns] of the targets.
    """
    images, targets = images.float(), targets.float()
    apart = (images - targets).abs()
    coarse = F.l1_loss(F.avg_pool2d(images, 4), F.avg_pool2d(targets, 4))
    return (apart.mean() + coarse + per_class_mean(apart.mean(dim=1), label_maps)) / 3


def feature_distance(seen: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of a network's features, each level over its own mean size."""
    levels = [
        (a.float() - b.float()).abs().mean() / b.float().abs().mean().clamp_min(1e-6)
        for a, b in zip(seen, wanted, strict=True)
    ]
    return torch.stack(levels).mean()


def kl_divergence(mean: Tensor, log_variance: Tensor, free_bits: float) -> Tensor:
    """KL from N(mean, variance) to N(0, 1) in nats a face, every dimension free up to `free_bits` nats.

    Free bits (arXiv:1606.04934) keep a dimension from being given up before it is of use.
    """
    nats = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
    return nats.mean(dim=0).clamp_min(free_bits).sum()


def property_error(measured: Tensor, wanted: Tensor, emphasis: Tensor) -> Tensor:
    """Mean squared error of z-scored property values [n, properties], weighted by column."""
    return ((measured.float() - wanted).square() * emphasis).mean() / emphasis.mean().clamp_min(1e-6)


def mask_cross_entropy(logits: Tensor, label_maps: Tensor) -> Tensor:
    """Cross-entropy of a label map, every class weighing the same."""
    entropy = F.nll_loss(logits.float().log_softmax(dim=1), label_maps.long(), reduction="none")
    return per_class_mean(entropy, label_maps)


def latent_leak(latents: Tensor, conditions: Tensor) -> Tensor:
    """Mean squared correlation between latents [n, latent] and conditions [n, properties] over the batch.

    About 1 / n where they know nothing of one another.
    """
    z, c = (x.float() - x.float().mean(dim=0) for x in (latents, conditions))
    together = (z.T @ c).square()
    alone = z.square().sum(0)[:, None] * c.square().sum(0)[None, :]
    return (together / alone.clamp_min(1e-6)).mean()


def latent_overlap(latents: Tensor) -> Tensor:
    """Mean squared correlation between any two latents [n, latent] over the batch (arXiv:2105.04906).

    Latents that say the same leave little room for the rest of a person; the KL does not see it.
    """
    z = latents.float() - latents.float().mean(dim=0)
    together, alone = (z.T @ z).square(), z.square().sum(0)
    r2 = together / (alone[:, None] * alone[None, :]).clamp_min(1e-6)
    return (r2.sum() - r2.diagonal().sum()) / max(1, r2.numel() - len(r2))


def background_spread(images: Tensor, targets: Tensor, label_maps: Tensor) -> Tensor:
    """Mean absolute difference of the brightness's standard deviation over the background.

    A pattern that cannot be foretold is blurred away by an L1; how strong it is can still be right.
    """
    behind = (label_maps == BACKGROUND).flatten(1).float()
    behind = behind / behind.sum(dim=1, keepdim=True).clamp_min(1)

    def spread(pictures: Tensor) -> Tensor:
        light = pictures.float().mean(dim=1).flatten(1)
        apart = light - (light * behind).sum(dim=1, keepdim=True)
        return ((apart.square() * behind).sum(dim=1) + 1e-6).sqrt()

    return (spread(images) - spread(targets)).abs().mean()


def squared_mean(mean: Tensor) -> Tensor:
    """The original's stand-in for half of the KL."""
    return mean.square().mean()


def squared_log_variance(log_variance: Tensor) -> Tensor:
    """The original's stand-in for the other half."""
    return log_variance.square().mean()


def not_named(probability: Tensor) -> Tensor:
    """Mean squared shortfall of a probability that should be 1, such as of being a woman's face."""
    return (1 - probability).square().mean()


def fooled(fake_logits: Tensor) -> Tensor:
    """What a generator wants of its discriminator (non-saturating, arXiv:1406.2661)."""
    return F.softplus(-fake_logits.float()).mean()


def told_apart(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """What a discriminator wants."""
    return F.softplus(-real_logits.float()).mean() + F.softplus(fake_logits.float()).mean()


def r1_penalty(real_logits: Tensor, real_images: Tensor) -> Tensor:
    """Half the squared gradient of the logits at real images, which need gradients (arXiv:1801.04406)."""
    (gradient,) = torch.autograd.grad(real_logits.sum(), real_images, create_graph=True)
    return 0.5 * gradient.square().flatten(1).sum(dim=1).mean()
