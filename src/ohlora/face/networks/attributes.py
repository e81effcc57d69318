"""Image -> is she a woman, is the picture good: five networks, each taught by four fifths of the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ohlora.assets import load_network
from ohlora.face.faces import Faces
from ohlora.face.generator import to_network
from ohlora.face.networks.augment import Augmentation
from ohlora.face.networks.evaluate import predict
from ohlora.face.networks.learner import Learner
from ohlora.face.networks.regressor import stem

TARGETS = ("gender", "quality")


@dataclass(frozen=True)
class AttributeSettings:
    """The shape of one network of an ensemble."""

    widths: tuple[int, ...]  # after each halving of the picture
    hidden: int
    dropout: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))

    def build(self) -> nn.Module:
        """Images, -1 to 1 [n, 3, rows, columns] -> logits [n, 1]."""
        network = nn.Sequential(
            stem(3, self.widths, (4, 4), self.hidden), nn.Dropout(self.dropout), nn.Linear(self.hidden, 1)
        )
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class Ensemble(nn.Module):
    """The mean probability, float32 [n], of several networks."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([member(images).float().sigmoid()[:, 0] for member in self.members]).mean(dim=0)


class AttributeLearner(Learner):
    """Binary cross-entropy of a target of the faces, gender or quality, as labelled."""

    def __init__(self, network: nn.Module, augmentation: Augmentation, target: str, **lesson: Any) -> None:
        super().__init__(network, **lesson)
        self.augmentation = augmentation
        self.target = target

    def losses(self, faces: Faces, generator: torch.Generator) -> dict[str, Tensor]:
        images = to_network(faces.images)
        if self.training:
            images, _ = self.augmentation.draw(images, generator)
            mirrored = torch.rand(len(images), generator=generator).to(images.device) < 0.5
            images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
        logits = self.network(images).float()[:, 0]
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
        settings = AttributeSettings(**card["network"])
        return Ensemble([settings.build() for _ in range(int(card["folds"]))])

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
