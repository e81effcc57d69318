"""Image -> who it is: a point on a sphere, near those of the same person's other pictures.

No face recogniser is at hand, so these learn from what renders have and photos lack: twins, and the same
person on another day. Embedder a teaches the generator; embedder b is a ruler, and teaches no other network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ohlora.assets import load_network
from ohlora.face.drawing.generator import to_network
from ohlora.face.trained.blocks import stem
from ohlora.face.trained.evaluate import predict
from ohlora.laboratory.measures.binary import auroc
from ohlora.laboratory.measures.statistics import with_interval
from ohlora.laboratory.networks.learner import Learner
from ohlora.laboratory.networks.settings import Augmentation, IdentitySettings
from ohlora.laboratory.sources.faces import Faces

IDENTITY_KIND = "face_identity"
STRANGERS = 10  # that everybody is compared with


class IdentityNetwork(nn.Module):
    """Images, -1 to 1 [n, 3, rows, columns] -> unit vectors, float32 [n, dimensions]."""

    def __init__(self, settings: IdentitySettings, resolution: int) -> None:
        super().__init__()
        side = max(1, resolution >> len(settings.widths))
        self.body = stem(3, settings.widths, (side, side), settings.hidden)
        self.head = nn.Linear(settings.hidden, settings.dimensions)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(self.head(self.body(images)).float(), dim=1)

    def features(self, images: Tensor) -> list[Tensor]:
        """What it sees after each halving, and last what is left when only the person is to be kept."""
        seen, x = [], images
        for part in self.body:
            x = part(x)
            if isinstance(part, nn.Sequential):
                seen.append(x)
        return [*seen, x]


def contrastive(embeddings: Tensor, identity: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss (arXiv:2004.11362, equation 2), nats; with two pictures each it is InfoNCE.

    For every picture, how unlikely its person's other pictures are among all others of the batch, by a
    softmax of cosines over `temperature`. `embeddings` are unit vectors [n, d], `identity` int64 [n].
    """
    with torch.autocast(embeddings.device.type, enabled=False):  # cosines over 0.1 are too coarse in bf16
        alike = embeddings.float() @ embeddings.float().T / temperature
    itself = torch.eye(len(alike), dtype=torch.bool, device=alike.device)
    log_share = alike.masked_fill(itself, -torch.inf).log_softmax(dim=1)
    same = (identity[:, None] == identity[None, :]) & ~itself
    others = same.sum(dim=1)
    surprise = -log_share.masked_fill(~same, 0.0).sum(dim=1) / others.clamp_min(1)
    return surprise[others > 0].mean()


class IdentityLearner(Learner):
    """Pulls pictures of one person together and those of different people apart."""

    def __init__(
        self, network: nn.Module, augmentation: Augmentation, temperature: float, **lesson: Any
    ) -> None:
        super().__init__(network, **lesson)
        self.augmentation = augmentation
        self.temperature = temperature

    def losses(self, faces: Faces, generator: torch.Generator) -> dict[str, Tensor]:
        assert faces.identity is not None
        images = to_network(faces.images)
        if self.training:
            images, _ = self.augmentation.draw(images, generator)
        return {"loss": contrastive(self.network(images), faces.identity, self.temperature)}


@dataclass(frozen=True)
class Embedder:
    """A trained network and its card."""

    network: IdentityNetwork
    card: Mapping[str, Any]

    @property
    def resolution(self) -> int:
        return int(self.card["resolution"])

    def embed(self, images: Tensor) -> Tensor:
        """Who they are: unit vectors, float32 [n, dimensions] on the CPU, of uint8 images."""
        return predict(self.network, images, ask=lambda part: self.network(to_network(part)))

    def features(self, images: Tensor) -> Tensor:
        """What they look like, float32 [n, hidden]: before the last layer drops all but the person."""
        return predict(self.network, images, ask=lambda part: self.network.body(to_network(part)).float())


def load_embedder(folder: Path | str, name: str) -> Embedder:
    """The embedder `name` in `folder`; OhloraError where it is none."""

    def build(card: dict[str, Any]) -> IdentityNetwork:
        return IdentitySettings(**card["network"]).build(int(card["resolution"]))

    return Embedder(*load_network(Path(folder), name, IDENTITY_KIND, build))


def found_again(probes: Tensor, gallery: Tensor) -> Tensor:
    """Whether each probe's nearest of the gallery is its own row, bool [n]; unit vectors [n, d] both.

    One that is as near as its own is a miss: an embedder that sees no difference finds nobody.
    """
    alike = probes @ gallery.T
    own = alike.diagonal().clone()
    return own > alike.fill_diagonal_(-torch.inf).amax(dim=1)


def same_person_auroc(first: Tensor, others: Tensor, rows: Tensor | None = None) -> float:
    """The chance that one person's two pictures are more alike than those of two people.

    `first` and `others` are unit vectors [n, d] of the same people, of whom `rows` are drawn (None: each
    once). Everybody is compared with the STRANGERS next ones.
    """
    apart = [others.roll(-shift, 0) for shift in range(min(STRANGERS, len(first) - 1) + 1)]
    alike = torch.stack([(first * other).sum(dim=1) for other in apart], dim=1)
    alike = (alike if rows is None else alike[rows]) / 2 + 0.5
    truth = torch.zeros_like(alike)
    truth[:, 0] = 1
    return auroc(truth.flatten(), alike.clamp(0, 1).flatten())


def identity_scores(embedder: Embedder, part: Any) -> dict[str, float]:
    """What the ruler itself is worth, 0 to 1, on an Album: photos against those of another day.

    Between those everything differs but the person; `auroc_of_twins` has one or all properties changed,
    `auroc_of_women` leaves out what gender tells, and `found_again` picks everybody out of all people.
    """
    kinds: list[list[Tensor]] = [[], [], []]
    for faces in part.in_order():
        for kind, images in zip(kinds, faces.images.chunk(3), strict=True):
            kind.append(embedder.embed(images))
    photos, twins, others = (torch.cat(kind) for kind in kinds)
    women = part.label("gender") > 0.5
    scores: dict[str, float] = {"people": len(part)}
    for name, first, second in (
        ("auroc", photos, others),
        ("auroc_of_twins", photos, twins),
        ("auroc_of_women", photos[women], others[women]),
    ):
        if len(first) > 1:
            scores |= with_interval(
                name, lambda rows, a=first, b=second: same_person_auroc(a, b, rows), len(first)
            )
    found = found_again(others, photos).float()
    return {**scores, **with_interval("found_again", lambda rows: float(found[rows].mean()), len(found))}
