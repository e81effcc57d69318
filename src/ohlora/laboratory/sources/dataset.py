"""Rendered people for training and judging: parts that never share a person, as batches of any source.

Clean pictures are rendered once, a block at a time, into memory-mapped files named by a hash of everything
that decides a pixel; defects and whatever else is known of a face are drawn again when it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from ohlora.durable import replacing
from ohlora.errors import OhloraError
from ohlora.face.drawing.population import Draws
from ohlora.laboratory.sources.faces import Faces, described
from ohlora.laboratory.sources.settings import RenderedFaces
from ohlora.laboratory.sources.source import FacePart, InOrder, digest
from ohlora.laboratory.sources.twins import counterfactuals

BLOCK = 128  # pictures a file: a kill costs at most so many renders
# Keys that cards name, of earlier code, whose pictures are those of today: key there -> key here.
FORMER_KEYS = {"8c23505d257de754": "f8d0b511720fcfb9"}
LABEL_CHANNEL = 3  # of a cached picture: red, green, blue, label
OTHER_PHOTO = 1  # whose property values a twin takes over


def current_key(key: str) -> str:
    """A source's key as a card names it, whatever code wrote the card."""
    return FORMER_KEYS.get(key, key)


def rendered_part(source: RenderedFaces, split: str, count: int) -> RenderedPart:
    """The first `count` people of a split, of whom there is no end."""
    return RenderedPart(source, split, torch.arange(count))


def wanted_of(source: RenderedFaces, split: str, count: int) -> Tensor:
    """What the first `count` people of a split show."""
    return source.part(split, count).properties


def draws_of(source: RenderedFaces, split: str, positions: Tensor, photo: int = 0) -> Draws:
    """What is drawn at these positions of a split: everybody's photo of that number."""
    indices = source.population.indices(source.seed, int(positions.max()) + 1, split)[positions.numpy()]
    draws = source.population.sample(source.seed, indices, photo)
    if not source.spoilt:
        draws = replace(
            draws, severity=torch.zeros_like(draws.severity), quality=torch.ones_like(draws.quality)
        )
    return draws


def twins_of(source: RenderedFaces, draws: Draws) -> Draws:
    """Counterfactuals: the same photos with other property values."""
    indices = draws.identity.numpy() & 0xFFFFFFFF
    others = source.population.sample(source.seed, indices, photo=OTHER_PHOTO)
    return counterfactuals(draws, others.properties)


def pictures_of(
    source: RenderedFaces, split: str, positions: Tensor, draws: Draws, twins: bool, photo: int = 0
) -> tuple[Tensor, Tensor]:
    """Clean images and label maps of `draws`, which lie at `positions` of a split."""
    if source.cache_dir is None:
        picture = source.renderer.picture(source.renderer.mapping(draws.latents, draws.properties))
        return picture.images, picture.label_maps
    size = source.renderer.resolution
    pixels = np.empty((len(positions), LABEL_CHANNEL + 1, size, size), dtype=np.uint8)
    blocks = (positions // BLOCK).numpy()
    for block in np.unique(blocks):
        rows = np.flatnonzero(blocks == block)
        pixels[rows] = source.block(split, int(block), twins, photo)[positions[rows].numpy() % BLOCK]
    both = torch.from_numpy(pixels)
    return both[:, :LABEL_CHANNEL], both[:, LABEL_CHANNEL]


def block_of(source: RenderedFaces, split: str, number: int, twins: bool, photo: int = 0) -> np.ndarray:
    """A file's pictures, uint8 [BLOCK, 4, resolution, resolution], rendered where it is missing."""
    assert source.cache_dir is not None
    kind = f"{'_twins' if twins else ''}{f'_photo{photo}' if photo else ''}"
    path = Path(source.cache_dir) / "faces" / source.key / f"{split}{kind}_{number:05d}.npy"
    if not path.is_file():
        draws = source.draws(split, torch.arange(number * BLOCK, (number + 1) * BLOCK), photo)
        if twins:
            draws = source.twins(draws)
        picture = source.renderer.picture(source.renderer.mapping(draws.latents, draws.properties))
        pixels = torch.cat([picture.images, picture.label_maps[:, None]], dim=1).cpu().numpy()
        # Several processes may render the same block: each leaves a whole one.
        with replacing(path) as part, part.open("wb") as file:
            np.save(file, pixels)
    return np.load(path, mmap_mode="r")


@dataclass(frozen=True)
class RenderedPart:
    """Some people of one split. Row i is the same person and photo whoever asks, whenever."""

    source: RenderedFaces
    split: str
    positions: Tensor  # int64, in the split's sequence of people
    labelled: bool = False  # quality as someone who labels it by hand says, not as it is
    photo: int = 0  # another number: the same people on another day

    def __len__(self) -> int:
        return len(self.positions)

    @cached_property
    def draws(self) -> Draws:
        return self.source.draws(self.split, self.positions, self.photo)

    @property
    def properties(self) -> Tensor:
        return self.source.renderer.bounded(self.draws.properties)

    def label(self, name: str) -> Tensor:
        """gender or quality of each, float32: 1 a woman or good, 0 a man or bad."""
        return self.draws.quality_label if name == "quality" and self.labelled else getattr(self.draws, name)

    def labelled_by_hand(self) -> RenderedPart:
        return replace(self, labelled=True)

    def keep(self, rows: Tensor) -> RenderedPart:
        """Only these rows, numbers or a mask."""
        if not len(self.positions[rows]):
            raise OhloraError(f"nobody is left of {len(self)} faces of split={self.split}")
        return replace(self, positions=self.positions[rows])

    def faces(self, rows: Tensor, twins: bool = False) -> Faces:
        """These rows as one batch; with `twins`, as many counterfactuals after them (`twin_of`)."""
        draws, positions = self.draws.take(rows), self.positions[rows]
        source, renderer = self.source, self.source.renderer
        if self.labelled:
            draws = replace(draws, quality=draws.quality_label)
        clean = source.pictures(self.split, positions, draws, twins=False, photo=self.photo)
        faces = described(renderer, draws, clean)
        if not twins:
            return faces
        others = source.twins(draws)
        pictures = source.pictures(self.split, positions, others, twins=True, photo=self.photo)
        return joined(faces, described(renderer, others, pictures, twin_of=torch.arange(len(rows))))

    def fingerprint(self, *labels: str) -> str:
        """Names all that is learned from these faces: who they are, how spoilt, and these labels of them."""
        known = [self.draws.severity, self.draws.defect, *(self.label(name) for name in labels)]
        return digest(f"{self.source.key} {self.split} {self.photo}", self.positions, *known)

    def in_order(self, twins: bool = False) -> InOrder:
        """All of them, once, in batches."""
        return InOrder(self, twins)

    def whole(self) -> Faces:
        return self.faces(torch.arange(len(self)))


@dataclass(frozen=True)
class Album(RenderedPart):
    """The same people, each in three pictures: a photo, its twin, and a photo of another day."""

    def faces(self, rows: Tensor, twins: bool = True) -> Faces:
        """All photos of these people, then all twins (`twin_of`), then all photos of the other day."""
        other = RenderedPart(self.source, self.split, self.positions, self.labelled, self.photo + OTHER_PHOTO)
        return joined(super().faces(rows, twins=True), other.faces(rows))


def joined(first: Faces, second: Faces) -> Faces:
    """One batch of both; what one of them does not know, the whole does not."""
    values = {}
    for name in vars(first):
        one, other = getattr(first, name), getattr(second, name)
        values[name] = None if one is None or other is None else torch.cat([one, other])
    return Faces(**values)


@dataclass(frozen=True)
class FaceSteps:
    """The batches of steps `first` to `last`. Step i has the same rows however often a run was stopped."""

    part: FacePart
    batch_size: int
    seed: int
    first: int
    last: int
    twins: bool = False
    rank: int = 0
    world_size: int = 1

    def __len__(self) -> int:
        """Steps of the whole run: Lightning counts those taken before."""
        return self.last

    def rows(self, step: int) -> Tensor:
        """Every row once before any comes again; those that fill no batch wait for the next turn."""
        size = min(self.batch_size, len(self.part))
        turn, place = divmod(step, len(self.part) // size)
        generator = torch.Generator().manual_seed(step_seed(self.seed, turn))
        return torch.randperm(len(self.part), generator=generator)[place * size : (place + 1) * size]

    def __iter__(self) -> Iterator[Faces]:
        for step in range(self.first, self.last):
            yield self.part.faces(self.rows(step)[self.rank :: self.world_size], self.twins)

    def state_dict(self) -> dict[str, Any]:
        """Nothing to remember: the step a run has reached says all. Lightning asks before it resumes one."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to recall."""


def step_seed(seed: int, step: int) -> int:
    """A seed of its own for every step, so that a resumed run draws what it would have drawn."""
    return (seed * 1_000_003 + step) % 2**63


class FaceDataModule(LightningDataModule):
    """A training and a validation part for Lightning's Trainer, from the step it has reached."""

    def __init__(
        self, train: FacePart, val: FacePart, batch_size: int, seed: int, steps: int, twins: bool = False
    ) -> None:
        super().__init__()
        self.train, self.val = train, val
        self.batch_size, self.seed, self.steps, self.twins = batch_size, seed, steps, twins

    def train_dataloader(self) -> FaceSteps:
        done, rank, world_size = 0, 0, 1
        if self.trainer is not None:
            done, rank, world_size = (
                self.trainer.global_step,
                self.trainer.global_rank,
                self.trainer.world_size,
            )
        return FaceSteps(
            self.train, self.batch_size, self.seed, done, self.steps, self.twins, rank, world_size
        )

    def val_dataloader(self) -> InOrder:
        return self.val.in_order(self.twins)
