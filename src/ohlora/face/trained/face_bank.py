"""A bank of faces that passed the screening: latents and properties of people whose pictures obey."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ohlora.assets import load_model
from ohlora.errors import OhloraError
from ohlora.face.acting.expression import MOVING
from ohlora.face.acting.person import Person
from ohlora.face.trained.settings import BankedPerson
from ohlora.face.trained.vae import VAE_KIND

BANK_KIND = "face_bank"


@dataclass(frozen=True)
class FaceBank:
    """Faces that passed: their latents, what else they look like, and both reports."""

    latents: Tensor  # [faces, latent_dim]
    bases: Tensor  # [faces, properties], raw
    thumbnails: Tensor  # uint8 [faces, 3, resolution, resolution]
    first: Tensor  # [faces, len(ROW)]: by the judge that chose
    second: Tensor  # [faces, len(ROW)]: by the one that did not
    card: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.latents)

    def face(self, number: int) -> tuple[Tensor, Tensor]:
        """Latent and base of a face; OhloraError where there is none of that number."""
        if not isinstance(number, int) or not 0 <= number < len(self):
            raise OhloraError(f"face={number} is not in the bank, whose faces are 0 to {len(self) - 1}")
        return self.latents[number], self.bases[number]


def load_person(banked: BankedPerson, face: int | None = None) -> Person:
    """Her, or another `face`; OhloraError where the bank has no such face, or is another generator's."""
    number = banked.face if face is None else face
    _, card = load_model(Path(banked.folder), banked.generator, VAE_KIND)
    latents, base = load_bank(banked.folder, banked.name, card["weights"]["sha256"]).face(number)
    own = {key: float(value) for key, value in zip(card["properties"], base, strict=True)}
    return Person(
        latents.numpy(), {**{key: own[key] for key in own if key not in MOVING}, **banked.properties}
    )


def load_bank(folder: Path | str, name: str, generator_sha256: str) -> FaceBank:
    """The bank `name` in `folder`; OhloraError where it was made with another generator."""
    tensors, card = load_model(Path(folder), name, BANK_KIND)
    if card["generator"] != generator_sha256:
        raise OhloraError(
            f"{Path(folder) / name} was made with another generator, whose faces these would not be;"
            " run model=face_bank again"
        )
    kept = ("latents", "bases", "thumbnails", "first", "second")
    return FaceBank(**{key: tensors[key] for key in kept}, card=card)
