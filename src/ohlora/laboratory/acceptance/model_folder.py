"""The networks of a folder, read once and when they are asked for; what is not there names its command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch

from ohlora.assets import load_model, need_resolution
from ohlora.face.trained.face_bank import BANK_KIND, FaceBank, load_bank
from ohlora.face.trained.vae import VaeGenerator, load_generator
from ohlora.laboratory.networks.attributes import Judge, load_judge
from ohlora.laboratory.networks.directions import DIRECTIONS_KIND, Directions, load_directions
from ohlora.laboratory.networks.identity import Embedder, load_embedder
from ohlora.laboratory.networks.regressor import Regressor, load_regressor
from ohlora.laboratory.networks.segmenter import Segmenter, load_segmenter
from ohlora.laboratory.roles import ROLES
from ohlora.laboratory.sources.source import need_domain
from ohlora.laboratory.training.fill_bank import BANK
from ohlora.laboratory.training.filter_faces import FILTER, FILTER_KIND

Loaded = TypeVar("Loaded")
DIRECTIONS = "directions_"


class Missing(Exception):
    """Why something was not measured."""


@dataclass(frozen=True)
class ModelFolder:
    """Networks of `resolution` px, on `device`."""

    folder: Path
    generator_name: str
    resolution: int
    device: torch.device
    domain: str  # of the faces they are measured on
    kept: dict[str, Any] = field(default_factory=dict)  # those that were read

    def segmenter(self, suffix: str) -> Segmenter:
        name = f"segmenter_{suffix}"
        return self.take(name, lambda: load_segmenter(self.folder, name))

    def regressor(self, suffix: str) -> Regressor:
        name = f"regressor_{suffix}"
        return self.take(name, lambda: load_regressor(self.folder, name))

    def judge(self, target: str) -> Judge:
        return self.take(target, lambda: load_judge(self.folder, target))

    @property
    def embedder(self) -> Embedder:
        return self.take("identity_b", lambda: load_embedder(self.folder, "identity_b"))

    @property
    def generator(self) -> VaeGenerator:
        return self.take(self.generator_name, lambda: load_generator(self.folder, self.generator_name))

    @property
    def sieve(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """What a filter kept, and its card."""
        self.need(FILTER)
        return load_model(self.folder, FILTER, FILTER_KIND)

    @property
    def bank(self) -> FaceBank:
        self.need(BANK)
        return self.of_this_generator(load_bank, BANK, BANK_KIND)

    def directions(self, name: str) -> Directions:
        self.need(name)
        return self.of_this_generator(load_directions, name, DIRECTIONS_KIND)

    def names(self, prefix: str) -> list[str]:
        """Every model there is whose name begins so."""
        return sorted(path.stem for path in self.folder.glob(f"{prefix}*.safetensors"))

    def of_this_generator(self, load: Callable[[Path, str, str], Loaded], name: str, kind: str) -> Loaded:
        """Missing where it belongs to another generator of the folder, which is no mistake."""
        generator = self.generator.card["weights"]["sha256"]
        _, card = load_model(self.folder, name, kind)
        if card["generator"] != generator:
            raise Missing(f"{name} belongs to another generator than {self.generator_name}")
        return load(self.folder, name, generator)

    def take(self, name: str, load: Callable[[], Loaded]) -> Loaded:
        """A network in eval mode on the device; OhloraError where it does not fit these faces."""
        if name not in self.kept:
            self.need(name)
            loaded: Any = load()
            need_resolution(loaded.card, self.resolution)
            need_domain(loaded.card, self.domain)
            loaded.network.to(self.device)
            self.kept[name] = loaded
        return self.kept[name]

    def need(self, name: str) -> None:
        """Missing, with the command that makes it, where neither its weights nor its card are there."""
        if not any((self.folder / f"{name}{ending}").is_file() for ending in (".safetensors", ".json")):
            raise Missing(f"no {name} in {self.folder} ({self.command(name)})")

    def command(self, name: str) -> str:
        """What makes a network of this name."""
        kind, _, rest = name.partition("_")
        space, _, method = rest.partition("_")
        alone, reading = (f"save_to={self.folder}", f"save_to={self.folder} paths.face={self.folder}")
        of_this = f"generator={self.generator_name} {reading}"
        words = {
            "segmenter": f"model=face_seg role={ROLES.get(rest)} {alone}",
            "regressor": f"model=face_props role={ROLES.get(rest)} {reading if rest == 'b' else alone}",
            "gender": f"model=face_attr target=gender {reading}",
            "quality": f"model=face_attr target=quality {alone}",
            "identity": f"model=face_identity role={ROLES.get(rest)} {alone}",
            FILTER: f"model=face_filter {reading}",
            "generator": f"model=face_vae variant={rest} {reading}",
            "directions": f"model=face_directions latent_space={space} method={method} {of_this}",
            BANK: f"model=face_bank {of_this}",
        }[kind]
        return f"python train.py {words} renderer.resolution={self.resolution}"
