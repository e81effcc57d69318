"""`train.py model=face_directions`: sample a generator, score what it draws, find where properties lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ohlora.assets import need_resolution
from ohlora.errors import nearest
from ohlora.face.drawing.generator import to_uint8
from ohlora.face.trained.vae import load_generator
from ohlora.laboratory.networks.directions import (
    DIRECTIONS_KIND,
    METHODS,
    SPACES,
    direction,
    freed,
    leaks,
    points_of,
    sweep,
)
from ohlora.laboratory.networks.regressor import load_regressor
from ohlora.laboratory.sources.source import FaceSource
from ohlora.laboratory.training.training_run import FaceTask, number_fault


@dataclass(frozen=True)
class FindDirections(FaceTask):
    """Directions found with regressor a's readings, and judged by b's."""

    networks: str  # the folder of generator and regressors
    generator: str  # its name there
    space: str
    method: str
    free: bool  # of what belongs to the other properties
    samples: int
    share: float  # of the samples, at either end
    swept: int  # faces moved along each direction, for the report
    reach: float  # largest weight of a sweep
    steps: int  # weights of a sweep

    def run(self) -> float:
        """Return the lowest mean correlation of weight and property, of eyes, mouth and roll."""
        source = self.prepare()
        generator = load_generator(self.networks, self.generator)
        teacher, judge = (load_regressor(self.networks, f"regressor_{one}") for one in "ab")
        for network in (generator, teacher, judge):
            need_resolution(network.card, source.resolution)
        names = list(generator.properties)
        asked = source.wanted("train", self.samples + self.swept)
        latents = torch.randn(len(asked), generator.latent_dim, generator=torch.Generator().manual_seed(0))
        points, show = points_of(generator, self.space, latents, asked)
        kept, held = slice(self.samples), torch.arange(self.samples, len(asked))
        told = torch.cat(
            [
                teacher.measure(to_uint8(show(points[rows], rows)).cpu())
                for rows in torch.arange(self.samples).split(256)
            ]
        )

        def show_held(moved: Tensor, faces: Tensor) -> Tensor:
            return show(moved, held[faces])

        found = [direction(points[kept], told[:, i], self.method, self.share) for i in range(len(names))]
        vectors = torch.stack([vector for vector, _ in found])
        vectors = freed(vectors) if self.free else vectors
        weights = torch.linspace(-self.reach, self.reach, self.steps)
        spread = told.std(dim=0).clamp_min(1e-6)
        moves = [
            sweep(show_held, judge.measure, points[held], vector, i, weights, spread)
            for i, vector in enumerate(vectors)
        ]
        leak = leaks(torch.stack([one.moved for one in moves]))
        scores: dict[str, float] = {"largest_leak": float((leak - torch.eye(len(names))).abs().max())}
        for i, name in enumerate(names):
            scores |= {
                f"accuracy_{name}": found[i][1],
                f"r_{name}": moves[i].r,
                f"gain_{name}": moves[i].gain,
            }
        label = f"directions_{self.space}_{self.method}"
        self.keep(
            label,
            {"vectors": vectors, "gains": torch.tensor([one.gain for one in moves]), "leaks": leak},
            {
                "kind": DIRECTIONS_KIND,
                "generator": generator.card["weights"]["sha256"],
                "space": self.space,
                "method": self.method,
                "freed": self.free,
                "samples": self.samples,
                "properties": names,
                "scores": scores,
            },
            [
                f"directions in {self.space} by {self.method}, {self.samples} samples",
                *(
                    f"{name:16} accuracy {found[i][1]:.3f}, sweep r {moves[i].r:.3f},"
                    f" gain {moves[i].gain:.3f}"
                    for i, name in enumerate(names)
                ),
                f"largest leak {scores['largest_leak']:.3f} spreads",
            ],
        )
        return min(scores[f"r_{name}"] for name in ("eyes", "mouth", "roll"))

    @property
    def needs(self) -> Sequence[str]:
        return ("properties",)

    def faults(self, source: FaceSource) -> list[str]:
        return [
            *(
                f"{name}={value} is not one of {' | '.join(allowed)}{nearest(value, allowed)}"
                for name, value, allowed in (
                    ("latent_space", self.space, SPACES),
                    ("method", self.method, METHODS),
                )
                if value not in allowed
            ),
            *number_fault("samples", self.samples, 40),
            *number_fault("swept", self.swept, 1),
            *number_fault("steps", self.steps, 3),
            *([] if 0 < self.share <= 0.5 else [f"share={self.share} is outside 0 to 0.5"]),
            *([] if self.reach > 0 else [f"reach={self.reach} is not above 0"]),
        ]
