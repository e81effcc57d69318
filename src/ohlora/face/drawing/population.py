"""Distributions: which people there are, how they look into the camera, and which photos are spoilt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Le
from pydantic import AfterValidator, Strict, ValidationInfo, field_validator

from ohlora.config import Name, NotNegative, Positive, Share, config, deferred
from ohlora.errors import OhloraError, nearest
from ohlora.face.drawing.chance import mixed, normal, uniform
from ohlora.space import Real

if TYPE_CHECKING:
    from torch import Tensor

BACKGROUND = ("background_mean", "background_std")  # the properties that bound each other
DEFECTS = ("smear", "blur", "cast", "ghost")
INDEX_BITS = 32


@dataclass(frozen=True)
class Draws:
    """Everything that decides how some faces look, one row a face; no pixels."""

    identity: Tensor  # int64: the person, alone or with twins and other photos
    latents: Tensor  # float32 [faces, latent_dim]: identity, then nuisance
    properties: Tensor  # float32 [faces, properties], raw
    gender: Tensor  # float32: 1 a woman, 0 a man, as the renderer presents them
    severity: Tensor  # float32, 0 to 1: of the image's defect
    defect: Tensor  # int64, a position in DEFECTS; without meaning at severity 0
    quality: Tensor  # float32: 1 good, 0 bad (severity above 0.5)
    quality_label: Tensor  # float32: quality as a labeller with some noise sees it
    split: Tensor  # int64, a position in Population.splits; the same for everything of one person

    def __len__(self) -> int:
        return len(self.identity)

    def take(self, rows: Tensor) -> Draws:
        """Some of them, in the order of `rows`."""
        return Draws(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def with_property(self, column: int, values: Tensor | float) -> Draws:
        """The same photos but for one property."""
        properties = self.properties.clone()
        properties[:, column] = values
        return replace(self, properties=properties)


def _with_background(properties: Mapping[str, Real]) -> Mapping[str, Real]:
    if missing := [name for name in BACKGROUND if name not in properties]:
        raise ValueError(f"{' and '.join(missing)} missing")
    return properties


def _sharing_out_one(splits: Mapping[str, float]) -> Mapping[str, float]:
    if abs(sum(splits.values()) - 1) > 1e-9:
        raise ValueError("these shares do not add up to 1")
    return splits


Trait = Annotated[tuple[float, NotNegative], Strict(False)]  # centre and spread
Splits = Annotated[Mapping[Name, Share], AfterValidator(_sharing_out_one)]
Properties = Annotated[Mapping[Name, Real], AfterValidator(_with_background)]  # ranges of what is asked for


@config
class Population:
    """People and photos, each a pure function of (seed, index, photo) on every machine.

    Properties are drawn evenly and without regard to the person; background_std alone is bounded by the mean,
    since a wallpaper of black cannot vary.
    """

    properties: Properties
    clip_at: Positive
    identity: Mapping[Name, Trait]
    nuisance: Mapping[Name, Trait]
    female_share: Share
    masculine: Mapping[Name, float]
    bad_share: Annotated[float, Ge(0), Le(0.5)]
    label_noise: Annotated[float, Ge(0), Le(0.5)]
    splits: Splits

    @field_validator("masculine")
    @classmethod
    def _of_identity(cls, masculine: Mapping[str, float], info: ValidationInfo) -> Mapping[str, float]:
        traits = info.data.get("identity", masculine)
        if odd := [name for name in masculine if name not in traits]:
            raise ValueError(f"{odd[0]} is not a trait of identity{nearest(odd[0], traits)}")
        return masculine

    @cached_property
    def shifts(self) -> np.ndarray:
        """How far men's mean latents lie from women's, one for each trait of identity."""
        return np.array([self.masculine.get(name, 0.0) for name in self.identity])

    @property
    def best_accuracy(self) -> float:
        """How often the best possible judge (Bayes), who sees the very latents, names the gender rightly.

        Latents are independent normals of variance 1 either way, so the log likelihood ratio is one too.
        """
        apart = float(np.sqrt((self.shifts**2).sum()))
        if apart == 0 or self.female_share in (0, 1):
            return max(self.female_share, 1 - self.female_share)
        lean = math.log(self.female_share / (1 - self.female_share)) / apart
        women, men = below(apart / 2 + lean), below(apart / 2 - lean)
        return self.female_share * women + (1 - self.female_share) * men

    sample = deferred("ohlora.face.drawing.sampling", "sample")  # (seed, indices, photo=0) -> Draws

    def latents(self, seed: int, indices: Sequence[int] | np.ndarray, photo: int = 0) -> np.ndarray:
        """Identity, then nuisance, of people `indices` of world `seed`, float32 [people, latent_dim]."""
        people = identities(seed, np.asarray(indices))
        traits = (
            normal(people, "identity", len(self.identity)) + ~self.is_female(people)[:, None] * self.shifts
        )
        others = normal(photos_of(people, photo), "nuisance", len(self.nuisance))
        return np.concatenate([traits, others], axis=1).astype(np.float32)

    def is_female(self, identity: np.ndarray) -> np.ndarray:
        return uniform(identity, "gender", 1)[:, 0] < self.female_share

    def split_of(self, identity: np.ndarray) -> np.ndarray:
        """Positions in `splits`, by a hash of the person."""
        ends = np.cumsum(list(self.splits.values()))[:-1]
        return np.searchsorted(ends, uniform(identity, "split", 1)[:, 0], side="right")

    def indices(
        self, seed: int, count: int, split: str | None = None, women: bool = False, first: int = 0
    ) -> np.ndarray:
        """The next `count` indices from `first` on whose people are in `split`, or are women, int64."""
        names = list(self.splits)
        if split is not None and split not in names:
            raise OhloraError(f"split={split} is not one of {' | '.join(names)}{nearest(split, names)}")
        if count and ((split and not self.splits[split]) or (women and not self.female_share)):
            raise OhloraError(
                f"nobody is drawn: splits={dict(self.splits)}, female_share={self.female_share}"
            )
        found: list[np.ndarray] = []
        while sum(map(len, found)) < count:
            rows = np.arange(first, first + max(2 * count, 64), dtype=np.int64)
            people = identities(seed, rows)
            wanted = np.ones(len(rows), dtype=bool)
            if split is not None:
                wanted &= self.split_of(people) == names.index(split)
            if women:
                wanted &= self.is_female(people)
            found.append(rows[wanted])
            first = int(rows[-1]) + 1
        return np.concatenate(found)[:count] if found else np.arange(0)


def identities(seed: int, indices: np.ndarray) -> np.ndarray:
    """The person's number, int64: seed and index side by side, so no two are the same."""
    rows = np.asarray(indices, dtype=np.int64)
    if not 0 <= seed < 2**31 or (len(rows) and not (rows.min() >= 0 and rows.max() < 2**INDEX_BITS)):
        raise OhloraError(f"a person has a seed below 2^31 and an index below 2^32, not {seed} and {rows}")
    return (np.int64(seed) << np.int64(INDEX_BITS)) | rows


def photos_of(people: np.ndarray, photo: int) -> np.ndarray:
    """The key of one photo of each person, uint64."""
    return mixed(people.astype(np.uint64) * np.uint64(0x2545F4914F6CDD1D) + np.uint64(photo))


def below(x: float) -> float:
    """The share of a standard normal below x."""
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))
