"""Image -> label map: a U-Net (arXiv:1505.04597) of eleven classes, with hair as a probability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ohlora.assets import load_network
from ohlora.face.drawing import classes
from ohlora.face.drawing.generator import to_network
from ohlora.face.trained.evaluate import predict
from ohlora.laboratory.networks.learner import Learner
from ohlora.laboratory.networks.settings import SEGMENTER_LEVELS, Augmentation
from ohlora.laboratory.sources.faces import Faces

SEGMENTER_KIND = "face_segmenter"
SMALL = (
    classes.LEFT_BROW,
    classes.RIGHT_BROW,
    classes.LEFT_EYE,
    classes.RIGHT_EYE,
    classes.UPPER_LIP,
    classes.LOWER_LIP,
)
UNSEEN = 255  # the label of pixels that teach nothing


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.SiLU(inplace=True)
    )


def block(inputs: int, outputs: int, convolutions: int) -> nn.Sequential:
    return nn.Sequential(*(convolution(outputs if i else inputs, outputs) for i in range(convolutions)))


class UNet(nn.Module):
    """Images, -1 to 1 [n, 3, rows, columns], both multiples of 8 -> logits [n, 11, rows, columns].

    `width` channels at full resolution, twice as many after each of three halvings: 0.48 M weights at 16. At
    full resolution there is one convolution either way, since normalising and bending so many pixels costs
    more than the convolution itself; elsewhere two.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels = widths = [width << level for level in range(SEGMENTER_LEVELS)]
        self.down = nn.ModuleList(
            block(inputs, outputs, 1 if level == 0 else 2)
            for level, (inputs, outputs) in enumerate(zip([3, *widths], widths, strict=False))
        )
        self.up = nn.ModuleList(
            block(3 * outputs, outputs, 1 if outputs == width else 2) for outputs in reversed(widths[:-1])
        )
        self.head = nn.Conv2d(width, len(classes.CLASSES), 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, images: Tensor, levels: int = SEGMENTER_LEVELS) -> list[Tensor]:
        """What the encoder sees at full, half, a quarter and an eighth of the resolution."""
        x, seen = images.contiguous(memory_format=torch.channels_last), []
        for level, down in enumerate(list(self.down)[:levels]):
            x = down(F.max_pool2d(x, 2) if level else x)
            seen.append(x)
        return seen

    def forward(self, images: Tensor) -> Tensor:
        *skips, x = self.features(images)
        for up, skip in zip(self.up, reversed(skips), strict=True):
            x = up(torch.cat([F.interpolate(x, scale_factor=2.0), skip], dim=1))
        return self.head(x)


def cross_entropy_and_dice(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy of `labels` [n, rows, columns]; one minus the mean Dice overlap of small classes.

    Pixels labelled UNSEEN count for neither. The overlap is that of the whole batch, so a class that one face
    does not show is no fault of that face.
    """
    log_p = logits.float().log_softmax(dim=1)
    seen = labels != UNSEEN
    entropy = F.nll_loss(log_p, labels.long(), ignore_index=UNSEEN)
    p = log_p[:, SMALL].exp() * seen[:, None]
    truth = labels[:, None] == torch.tensor(SMALL, device=labels.device)[None, :, None, None]
    overlap, sizes = ((p * truth).sum((0, 2, 3)), p.sum((0, 2, 3)) + truth.sum((0, 2, 3)))
    return entropy, 1 - ((2 * overlap + 1) / (sizes + 1)).mean()


class SegmenterLearner(Learner):
    """A U-Net taught by exact label maps; parts hidden in training are not asked for."""

    def __init__(self, network: UNet, augmentation: Augmentation, dice: float, **lesson: Any) -> None:
        super().__init__(network, **lesson)
        self.augmentation = augmentation
        self.dice = dice

    def losses(self, faces: Faces, generator: torch.Generator) -> dict[str, Tensor]:
        assert faces.label_maps is not None
        images, labels = to_network(faces.images), faces.label_maps
        if self.training:
            images, visible = self.augmentation.draw(images, generator)
            labels = labels.masked_fill(~visible, UNSEEN)
        entropy, dice = cross_entropy_and_dice(self.network(images), labels)
        return {"loss": entropy + self.dice * dice, "cross_entropy": entropy, "dice": dice}


@dataclass(frozen=True)
class Segmenter:
    """A trained segmenter and its card."""

    network: UNet
    card: Mapping[str, Any]

    @property
    def resolution(self) -> int:
        return int(self.card["resolution"])

    def probabilities(self, images: Tensor) -> Tensor:
        """Of the eleven classes, float32 [n, 11, rows, columns], of uint8 images."""
        return predict(self.network, images, ask=lambda part: self.ask(part).softmax(dim=1))

    def label_maps(self, images: Tensor) -> Tensor:
        """The likeliest class of each pixel, uint8 [n, rows, columns]."""
        return predict(self.network, images, ask=lambda part: self.ask(part).argmax(dim=1).byte())

    def ask(self, images: Tensor) -> Tensor:
        return self.network(to_network(images)).float()


def load_segmenter(folder: Path | str, name: str) -> Segmenter:
    """The segmenter `name` in `folder`; OhloraError where it is none."""
    return Segmenter(*load_network(Path(folder), name, SEGMENTER_KIND, lambda card: UNet(int(card["width"]))))


def confusions(label_maps: Tensor, predicted: Tensor) -> Tensor:
    """How often a pixel of one class (row) was taken for another (column), int64 [n, 11, 11]."""
    k, n = len(classes.CLASSES), len(label_maps)
    pairs = label_maps.long() * k + predicted.long()
    pairs = pairs.flatten(1) + k * k * torch.arange(n, device=pairs.device)[:, None]
    return torch.bincount(pairs.flatten(), minlength=n * k * k).view(n, k, k)


def confusion(label_maps: Tensor, predicted: Tensor) -> Tensor:
    """The same over all pictures, int64 [11, 11]."""
    return confusions(label_maps, predicted).sum(dim=0)


def overlap_scores(counts: Tensor) -> dict[str, float]:
    """Intersection over union of every class, their mean, and the hair's other scores, all 0 to 1."""
    counts = counts.double()
    hit, truth, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    iou = (hit / (truth + predicted - hit).clamp_min(1)).tolist()
    hair = classes.HAIR
    return {
        "mean_iou": sum(iou) / len(iou),
        "worst_eye_or_lip_iou": min(
            iou[label] for label in SMALL if label not in (classes.LEFT_BROW, classes.RIGHT_BROW)
        ),
        "pixel_accuracy": float(hit.sum() / counts.sum()),
        "hair_dice": float(2 * hit[hair] / (truth[hair] + predicted[hair]).clamp_min(1)),
        "hair_precision": float(hit[hair] / predicted[hair].clamp_min(1)),
        "hair_recall": float(hit[hair] / truth[hair].clamp_min(1)),
        **{f"iou_{name}": value for name, value in zip(classes.CLASSES, iou, strict=True)},
    }
