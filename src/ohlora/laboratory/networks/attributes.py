"""Image -> is she a woman, is the picture good: five networks, each taught by four fifths of the labels."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ohlora.assets import load_network
from ohlora.face.drawing import classes
from ohlora.face.drawing.generator import to_network
from ohlora.face.trained.blocks import stem
from ohlora.face.trained.evaluate import evaluating, predict
from ohlora.laboratory.networks.learner import Learner
from ohlora.laboratory.networks.segmenter import UNet
from ohlora.laboratory.networks.settings import Augmentation, PictureSettings, RegionSettings, Target
from ohlora.laboratory.sources.faces import Faces

TARGETS: tuple[Target, ...] = get_args(Target)


def build_picture_network(settings: PictureSettings, finder: UNet | None) -> nn.Module:
    """A network -> logits [n, 1] of images, -1 to 1 [n, 3, rows, columns]."""
    network = nn.Sequential(
        stem(3, settings.widths, (4, 4), settings.hidden),
        nn.Dropout(settings.dropout),
        nn.Linear(settings.hidden, 1),
    )
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def build_region_network(settings: RegionSettings, finder: UNet | None) -> nn.Module:
    """A network -> logits [n, 1] of images and of a map."""
    if finder is None:
        raise ValueError("regions are found by a segmenter, and none was given")
    return RegionNetwork(finder, settings.levels, settings.hidden, settings.dropout)


class RegionNetwork(nn.Module):
    """Images and class probabilities [n, 11, rows, columns] -> logits [n, 1].

    What each level of an encoder sees, averaged over every class, beside the classes' areas. Few labels are
    enough: where to look is known before the first of them, and how to see edges and colours as well.
    """

    def __init__(self, finder: UNet, levels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.down = copy.deepcopy(finder.down[:levels]).requires_grad_(True).train()
        seen = sum(finder.channels[:levels]) + 1
        self.head = nn.Sequential(
            nn.BatchNorm1d(len(classes.CLASSES) * seen),
            nn.Dropout(dropout),
            nn.Linear(len(classes.CLASSES) * seen, hidden),
            nn.SiLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, 1),
        )

    def forward(self, images: Tensor, p: Tensor) -> Tensor:
        areas = p.mean(dim=(2, 3))
        features, x = [areas], images.contiguous(memory_format=torch.channels_last)
        for level, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if level else x)
            some = (F.avg_pool2d(p, 1 << level) if level else p).flatten(2)
            # One pixel more: a class that is not there has no colour, and does not divide by nothing.
            weights = some / (some.sum(dim=2, keepdim=True) + 1)
            features.append(torch.einsum("nkp,ncp->nkc", weights, x.float().flatten(2)).flatten(1))
        return self.head(torch.cat(features, dim=1))


KINDS: dict[str, type[PictureSettings | RegionSettings]] = {
    "picture": PictureSettings,
    "regions": RegionSettings,
}


class Ensemble(nn.Module):
    """The mean probability, float32 [n], of several networks, which share the segmenter that shows where."""

    def __init__(self, members: Sequence[nn.Module], finder: UNet | None = None) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        # In the mode of the whole, or Lightning warns; it is asked in eval mode whatever that is.
        self.finder = finder.requires_grad_(False).train(self.training) if finder else None

    def logits(self, images: Tensor) -> Tensor:
        """Of every member, float32 [members, n]."""
        given: tuple[Tensor, ...] = (images,)
        if self.finder is not None:
            with evaluating(self.finder):
                given = images, self.finder(images).float().softmax(dim=1)
        return torch.stack([member(*given).float()[:, 0] for member in self.members])

    def forward(self, images: Tensor) -> Tensor:
        return self.logits(images).sigmoid().mean(dim=0)


class AttributeLearner(Learner):
    """An ensemble of one: binary cross-entropy of gender or quality, as labelled."""

    network: Ensemble

    def __init__(self, network: Ensemble, augmentation: Augmentation, target: str, **lesson: Any) -> None:
        super().__init__(network, **lesson)
        self.augmentation = augmentation
        self.target = target

    def losses(self, faces: Faces, generator: torch.Generator) -> dict[str, Tensor]:
        images = to_network(faces.images)
        if self.training:
            images, _ = self.augmentation.draw(images, generator)
            mirrored = torch.rand(len(images), generator=generator).to(images.device) < 0.5
            images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
        logits = self.network.logits(images)[0]
        return {"loss": F.binary_cross_entropy_with_logits(logits, getattr(faces, self.target))}


@dataclass(frozen=True)
class Judge:
    """A trained ensemble and its card: how probably a face is a woman's, or a picture good."""

    network: Ensemble
    card: Mapping[str, Any]

    @property
    def resolution(self) -> int:
        return int(self.card["resolution"])

    def judge(self, images: Tensor) -> Tensor:
        """Probabilities, float32 [n] on the CPU, of uint8 images."""
        return predict(self.network, images, ask=lambda part: self.network(to_network(part)))


def judge_kind(target: str) -> str:
    return f"face_{target}"


def load_judge(folder: Path | str, target: str) -> Judge:
    """The ensemble for `target` in `folder`; OhloraError where it is none."""

    def build(card: dict[str, Any]) -> Ensemble:
        settings, width = KINDS[card["network"]["kind"]](**card["network"]), card.get("segmenter_width")
        finder = UNet(int(width)) if width else None
        return Ensemble([settings.build(finder) for _ in range(int(card["folds"]))], finder)

    return Judge(*load_network(Path(folder), target, judge_kind(target), build))


def stratified_folds(labels: Tensor, folds: int, seed: int) -> Tensor:
    """A fold, 0 to folds - 1, for each row, int64; every fold has its share of either label."""
    generator = torch.Generator().manual_seed(seed)
    dealt = torch.empty(len(labels), dtype=torch.int64)
    begun = 0
    for label in labels.unique():
        rows = (labels == label).nonzero()[:, 0]
        shuffled = rows[torch.randperm(len(rows), generator=generator)]
        dealt[shuffled] = (begun + torch.arange(len(rows))) % folds  # go on where the last label stopped
        begun += len(rows)
    return dealt
