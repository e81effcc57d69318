"""A converted StyleGAN behind the generator's interface, moved along the directions that were found in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ohlora.assets import load_model
from ohlora.errors import OhloraError
from ohlora.face.acting.person import Person
from ohlora.face.drawing.classes import HAIR
from ohlora.face.drawing.generator import Picture, to_uint8
from ohlora.face.trained.face_bank import load_bank
from ohlora.face.trained.matting import hair_shares
from ohlora.face.trained.parser import Parser, class_logits
from ohlora.face.trained.spaces import SPACES, points_of
from ohlora.face.trained.stylegan.calibration import Curve, Scale
from ohlora.face.trained.stylegan.pretrained import PretrainedGenerator, load_generator
from ohlora.face.trained.stylegan.settings import (
    CONTROL,
    CONVERT,
    MOVED,
    StyleGANFile,
    StyleGANPerson,
    folder_and_name,
    made_by,
)
from ohlora.precision import threads
from ohlora.space import Real

DIRECTIONS_KIND = "stylegan_directions"
LARGE = 128  # pixels a side from which several threads are faster
ANGLES = ("roll", "yaw", CONTROL)  # rad


@dataclass(frozen=True)
class StyleGANDirections:
    """Directions of one StyleGAN in one of its spaces, and how far along them a reading lies."""

    moves: Tensor  # [properties, d]: along each, the others' coordinates stay
    readers: Tensor  # [properties, d]: a point's coordinate is its product with the reader; 1 for its move
    coordinates: Tensor  # [properties, knots] of the calibration
    readings: Tensor  # [properties, knots], in the units the pictures were scored in
    card: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.card["properties"])

    @property
    def space(self) -> str:
        return self.card["space"]

    def curve(self, name: str) -> Curve:
        number = self.names.index(name)
        return Curve(self.coordinates[number], self.readings[number])

    def moved(self, points: Tensor, wanted: Mapping[str, Tensor]) -> Tensor:
        """Points [n, d] moved to these coordinates [n] of the named properties."""
        for name, coordinate in wanted.items():
            number = self.names.index(name)
            steps = coordinate - points @ self.readers[number]
            points = points + steps[:, None] * self.moves[number]
        return points


@dataclass(frozen=True)
class ActingStyleGAN:
    """A Generator that shows those properties of a mood that it has directions for.

    A latent is z, then the network's class labels if it has any. Of looks it is asked for and ignores: its
    people keep their own. Without a parser it tells no hair from other pixels, so none is coloured.
    """

    network: PretrainedGenerator
    directions: StyleGANDirections
    axes: Mapping[str, Real]  # all that may be asked for, in the order of the columns
    threads: int = 1  # of torch, for its large pictures; films are drawn by one otherwise
    parser: Parser | None = None  # tells what is where on its pictures

    @property
    def resolution(self) -> int:
        return self.network.resolution

    @property
    def latent_dim(self) -> int:
        return self.network.latent_dim + len(self.network.properties)

    @property
    def properties(self) -> Mapping[str, Real]:
        return self.axes

    @property
    def shown(self) -> tuple[str, ...]:
        """Those of its properties that show."""
        return tuple(name for name in self.axes if name in MOVED and name in self.directions.names)

    @property
    def notice(self) -> Mapping[str, str]:
        """What it is, for those who see its pictures."""
        side, moving = f"{self.resolution} px", ", ".join(self.shown) or "-"
        return {
            "en": f"Drawn by a StyleGAN at {side}: {moving} move; brows, gaze and cheeks do not.",
            "ko": f"StyleGAN이 {side}로 그린 얼굴이야. 움직이는 것: {moving}.",
        }

    @cached_property
    def scales(self) -> dict[str, Scale]:
        """Of everything that shows, how far what is asked for lies."""
        return {
            name: Scale(self.axes[name], self.directions.curve(name), name in ANGLES) for name in self.shown
        }

    @property
    def w_mean(self) -> Tensor:
        """The average face, as `mapping` gives faces."""
        w = self.network.w_mean
        return self.network.channel_styles(w[None])[0] if self.directions.space == "style" else w

    def mapping(self, latents: Tensor, properties: Tensor) -> Tensor:
        """Styles w of moved faces, or their channel styles where the directions lie among those."""
        z, labels = latents.float().split([self.network.latent_dim, len(self.network.properties)], dim=1)
        columns = dict(zip(self.axes, properties.float().unbind(dim=1), strict=True))
        points, _ = points_of(self.network, self.directions.space, z, labels)
        wanted = {name: scale.coordinate(columns[name]) for name, scale in self.scales.items()}
        moved = self.directions.moved(points, wanted)
        return self.network.mapping(moved, labels) if self.directions.space == "z" else moved

    def synthesis(self, w: Tensor) -> Tensor:
        """Images [faces, 3, resolution, resolution], -1 to 1."""
        draw = self.network.painted if self.directions.space == "style" else self.network.synthesis
        with torch.no_grad(), threads(self.threads):
            return draw(w).clamp(-1, 1)

    def picture(self, w: Tensor) -> Picture:
        """Images with their maps, as the parser sees them; without one, background throughout."""
        drawn = self.synthesis(w)
        images = to_uint8(drawn)
        if self.parser is None:
            hair = torch.zeros(len(images), self.resolution, self.resolution)
            return Picture(images, hair.byte(), hair)
        logits = class_logits(self.parser, drawn)
        hair = logits.float().softmax(dim=1)[:, HAIR]
        return Picture(images, logits.argmax(dim=1).byte(), hair_shares(images, hair))


def load_acting(settings: StyleGANFile) -> ActingStyleGAN:
    """The generator with its directions; OhloraError says what is missing and which command makes it."""
    assert settings.file is not None
    found: dict[str, Any] = {}
    faults = []
    loads = {
        "network": lambda: load_network(str(settings.file)),
        "directions": lambda: load_directions(str(settings.file)),
        "parser": settings.parser.load if settings.parser else lambda: None,
    }
    for what, load in loads.items():
        try:
            found[what] = load()
        except OhloraError as error:
            faults.append(str(error))
    if faults:
        raise OhloraError("; ".join(faults))
    network, directions = found["network"], found["directions"]
    if directions.card["generator"] != network.card["weights"]["sha256"]:
        raise OhloraError(
            f"{'/'.join(map(str, folder_and_name(settings.file, 'directions')))} were found in other weights;"
            f" {made_by('face_directions', settings.file)}"
        )
    sizes = {"z": network.latent_dim, "w": network.network.plan.w_dim}
    width = sizes.get(directions.space) or network.channel_styles(network.w_mean[None]).shape[1]
    if directions.moves.shape[1] != width:
        raise OhloraError(f"directions of {directions.moves.shape[1]} numbers, not {width}")
    axes = dict(settings.properties)
    # A generator may know the first of the controls.
    if CONTROL in directions.names and next(iter(settings.controls), None) == CONTROL:
        axes[CONTROL] = settings.controls[CONTROL]
    network = replace(network, psi=directions.card["psi"])
    cores = torch.get_num_threads() if network.resolution >= LARGE else 1
    return ActingStyleGAN(network, directions, axes, cores, found["parser"])


def load_network(file: str, psi: float = 1.0) -> PretrainedGenerator:
    """The weights in `file`; OhloraError names convert-weights where they are missing or of no use."""
    try:
        return load_generator(file, psi)
    except OhloraError as error:
        raise OhloraError(f"paths.stylegan={file}: {error}; {CONVERT} makes it") from None


def load_directions(file: str) -> StyleGANDirections:
    """What model=face_directions left beside the weights; OhloraError names that command where it did not."""
    folder, name = folder_and_name(file, "directions")
    try:
        tensors, card = load_model(folder, name, DIRECTIONS_KIND)
        kept = ("moves", "readers", "coordinates", "readings")
        directions = StyleGANDirections(**{key: tensors[key].float() for key in kept}, card=card)
        count = len(directions.names)
        if directions.space not in SPACES or any(len(tensors[key]) != count for key in kept):
            raise ValueError("not as many as its card says")
        if directions.moves.shape != directions.readers.shape or not 0 <= card["psi"] <= 1:
            raise ValueError("of different sizes")
        for one in directions.names:
            directions.curve(one)
        return directions
    except OhloraError as error:
        raise OhloraError(f"{error}; {made_by('face_directions', file)}") from None
    except (KeyError, TypeError, ValueError, IndexError) as error:
        why = f"{type(error).__name__}: {error}"
        raise OhloraError(f"{folder / name} is damaged ({why}); {made_by('face_directions', file)}") from None


def weights_digest(file: str) -> str:
    """What the weights' card says they are."""
    folder, name = folder_and_name(file)
    path = folder / f"{name}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))["weights"]["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OhloraError(
            f"paths.stylegan={file}: no card at {path} ({type(error).__name__}); {CONVERT} makes it"
        ) from None


def load_person(settings: StyleGANPerson, face: int | None = None) -> Person:
    """Her, or another `face` of the bank; OhloraError names the command that makes it."""
    assert settings.file is not None
    folder, name = folder_and_name(settings.file, "bank")
    digest = weights_digest(settings.file)
    if not Path(folder / f"{name}.safetensors").is_file():
        raise OhloraError(f"no faces at {folder / name}; {made_by('face_bank', settings.file)}")
    bank = load_bank(folder, name, digest)
    directions = load_directions(settings.file).card["weights"]["sha256"]
    if bank.card.get("directions") != directions:
        raise OhloraError(
            f"{folder / name} was made with other directions; {made_by('face_bank', settings.file)}"
        )
    latents, _ = bank.face(settings.face if face is None else face)
    return Person(latents.numpy(), settings.properties)
