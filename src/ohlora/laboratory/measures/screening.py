"""Screening random people: fifty pictures of each; do eyes, mouth and head follow what was asked?

`upstream` asks for the original's correlations and no more; `strict` also for the right amount, a still
background and good pictures throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import get_args

import torch
from torch import Tensor

from ohlora.face.drawing import classes
from ohlora.face.drawing.generator import Generator, to_uint8
from ohlora.laboratory.measures.settings import Moved, Screening
from ohlora.laboratory.measures.statistics import pearson, slope
from ohlora.space import Real

MOVED: tuple[Moved, ...] = get_args(Moved)
STEPS = (2, 5, 5)  # values of each in the sheet: fifty pictures
Measure = Callable[[Tensor], Tensor]  # uint8 images -> raw property values


def sheet(properties: Mapping[str, Real], base: Tensor) -> Tensor:
    """`base` [properties] with every combination of eyes, mouth and roll, [50, properties], raw.

    Each goes over the middle nine tenths of its range.
    """
    names = list(properties)
    values = [
        [properties[name].at(0.05 + 0.9 * step / (steps - 1)) for step in range(steps)]
        for name, steps in zip(MOVED, STEPS, strict=True)
    ]
    asked = base.expand(len(values[0]) * len(values[1]) * len(values[2]), -1).clone()
    columns = [names.index(name) for name in MOVED]
    asked[:, columns] = torch.tensor(list(product(*values)), dtype=asked.dtype)
    return asked


@dataclass(frozen=True)
class ScreeningReport:
    """What was measured on one face's sheet."""

    r: Mapping[str, float]
    slope: Mapping[str, float]
    background_change: float  # mean absolute, 0 to 1, where all fifty maps show background
    quality: float  # of the worst picture; 1 without a judge

    def faults(self, screening: Screening) -> list[str]:
        """Why the face does not pass; nothing where it does."""
        found = [
            f"{name} r {self.r[name]:.3f} below {least}"
            for name, least in screening.least_r.items()
            if not self.r[name] >= least
        ]
        if screening.slope:
            low, high = screening.slope
            found += [
                f"{name} slope {value:.2f} outside {low} to {high}"
                for name, value in self.slope.items()
                if not low <= value <= high
            ]
        most, least = screening.most_background_change, screening.least_quality
        if most is not None and not self.background_change <= most:
            found.append(f"background change {self.background_change:.3f} above {most}")
        if least is not None and not self.quality >= least:
            found.append(f"quality {self.quality:.2f} below {least}")
        return found

    @property
    def row(self) -> Tensor:
        """As numbers, in the order of ROW."""
        return torch.tensor([*self.r.values(), *self.slope.values(), self.background_change, self.quality])


ROW = (*(f"r_{name}" for name in MOVED), *(f"slope_{name}" for name in MOVED), "background_change", "quality")


def examine(
    generator: Generator,
    measure: Measure,
    label_maps: Callable[[Tensor], Tensor],
    latent: Tensor,
    base: Tensor,
    quality: Callable[[Tensor], Tensor] | None = None,
) -> ScreeningReport:
    """The fifty pictures of `latent` [latent_dim] about the properties `base`, as a judge reads them.

    `label_maps` gives maps of uint8 images, `quality` how probably each is good.
    """
    asked = sheet(generator.properties, base)
    w = generator.mapping(latent.expand(len(asked), -1), asked)
    images = to_uint8(generator.synthesis(w)).cpu()
    measured = measure(images)
    columns = {name: list(generator.properties).index(name) for name in MOVED}
    behind = (label_maps(images) == classes.BACKGROUND).all(dim=0)
    pixels = images.float()[:, :, behind] / 255
    change = float((pixels - pixels.mean(dim=0)).abs().mean()) if behind.any() else 0.0
    return ScreeningReport(
        {name: pearson(asked[:, i], measured[:, i]) for name, i in columns.items()},
        {name: slope(asked[:, i], measured[:, i]) for name, i in columns.items()},
        change,
        float(quality(images).min()) if quality else 1.0,
    )
