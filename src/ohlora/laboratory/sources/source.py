"""Where faces to learn from come from: what renders and photos have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ohlora.assets import need_resolution
from ohlora.errors import OhloraError
from ohlora.laboratory.sources.faces import Faces
from ohlora.space import Real


class FaceSource(Protocol):
    """A set of faces in splits that share nobody."""

    @property
    def resolution(self) -> int: ...

    @property
    def properties(self) -> Mapping[str, Real]:
        """Names, in the order of the columns, and ranges of what is known of each face."""
        ...

    @property
    def has_twins(self) -> bool:
        """Whether the same person with other properties can be shown."""
        ...

    @property
    def provenance(self) -> Mapping[str, str]:
        """Where label_maps, properties, gender, quality and identity come from; MISSING where unknown."""
        ...

    @property
    def domain(self) -> str:
        """What a card says these pictures are: what they are of, and after a full stop whose."""
        ...

    @property
    def key(self) -> str:
        """Names everything that decides a clean picture."""
        ...

    def part(self, split: str, count: int) -> FacePart:
        """`count` faces of a split, or all of them where there are fewer."""
        ...

    def wanted(self, split: str, count: int) -> Tensor:
        """Property values to ask a generator for, [count, properties]: those of faces of a split."""
        ...

    def best_accuracy(self, target: str) -> float | None:
        """That of the best judge there could be, where it can be worked out."""
        ...


class FacePart(Protocol):
    """Some faces of one split. Row i is the same face whoever asks, whenever."""

    @property
    def source(self) -> Any: ...

    @property
    def split(self) -> str: ...

    @property
    def positions(self) -> Tensor:
        """Where in the source each face is, int64 [faces]."""
        ...

    @property
    def properties(self) -> Tensor:
        """Raw property values of all of them, float32 [faces, properties]."""
        ...

    def __len__(self) -> int: ...

    def label(self, name: str) -> Tensor | None:
        """gender or quality of each face, float32, NaN where not known; None where of nobody."""
        ...

    def keep(self, rows: Tensor) -> FacePart:
        """Only these rows, numbers or a mask."""
        ...

    def labelled_by_hand(self) -> FacePart:
        """The same faces; quality as somebody who labels pictures says, slips included."""
        ...

    def faces(self, rows: Tensor, twins: bool = False) -> Faces:
        """These rows as one batch; with `twins`, as many counterfactuals after them (`twin_of`)."""
        ...

    def fingerprint(self, *labels: str) -> str:
        """Names all that is learned from these faces, of `labels` (gender, quality) those that are given."""
        ...

    def in_order(self, twins: bool = False) -> InOrder:
        """All of them, once, in batches."""
        ...


def digest(name: str, *values: Tensor | None) -> str:
    """A short hash of a name and of tensors; None is told from every tensor."""
    told = hashlib.sha256(name.encode())
    for value in values:
        told.update(b"-" if value is None else value.cpu().numpy().tobytes())
        told.update(b"\n")
    return told.hexdigest()[:16]


def first(part: FacePart, count: int) -> FacePart:
    """The first `count` faces, or all of them where there are fewer."""
    return part.keep(torch.arange(min(count, len(part))))


def need_fit(card: Mapping[str, Any], source: FaceSource) -> None:
    """Raise OhloraError where a network learned from faces of another size or domain."""
    need_resolution(card, source.resolution)
    need_domain(card, source.domain)


def need_domain(card: Mapping[str, Any], domain: str) -> None:
    """Raise OhloraError where a network learned from renders and is asked about photos, or the reverse.

    Property values of the two are in other units, so that one would teach the other nonsense. Photos of
    several sets are alike.
    """
    taught, wanted = (one.partition(".")[0] for one in (card.get("domain", domain), domain))
    if taught != wanted:
        raise OhloraError(
            f"the {card['kind']} there learned from {taught}, but these are {wanted}: give networks that"
            " learned from such with paths.face=DIR"
        )


@dataclass(frozen=True)
class InOrder:
    """Every row of a part once, as often as it is gone through."""

    part: FacePart
    twins: bool = False
    batch_size: int = 128

    def __len__(self) -> int:
        return -(-len(self.part) // self.batch_size)

    def __iter__(self) -> Iterator[Faces]:
        for rows in torch.arange(len(self.part)).split(self.batch_size):
            yield self.part.faces(rows, self.twins)
