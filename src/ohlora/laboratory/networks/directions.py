"""Where a property lies among a generator's latents: unit vectors that always point to more of it.

The original's way (top and bottom of many samples, a linear SVM between them) and others, with two repairs: a
property's vector can be freed of what belongs to the others, and its length is measured in the property.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from torch import Tensor

from ohlora.assets import load_model
from ohlora.errors import OhloraError
from ohlora.face.drawing.generator import to_uint8
from ohlora.laboratory.measures.statistics import pearson, slope

DIRECTIONS_KIND = "face_directions"
HELD_SHARE = 0.2  # of the samples at both ends, for the accuracy
Measure = Callable[[Tensor], Tensor]  # uint8 images -> raw property values


def ends(values: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Rows of the smallest and of the largest `share` of values."""
    count = max(1, round(share * len(values)))
    order = values.argsort(stable=True)
    return order[:count], order[-count:]


def by_svm(points: Tensor, more: Tensor) -> Tensor:
    """The normal of a linear SVM's plane (the original's method)."""
    machine = LinearSVC(dual=False)  # type: ignore[arg-type]  # its types know "auto" alone
    return torch.from_numpy(machine.fit(points.numpy(), more.numpy()).coef_[0])


def by_logistic(points: Tensor, more: Tensor) -> Tensor:
    fitted = LogisticRegression(max_iter=1000).fit(points.numpy(), more.numpy())
    return torch.from_numpy(fitted.coef_[0])


def by_mean_difference(points: Tensor, more: Tensor) -> Tensor:
    return points[more].mean(dim=0) - points[~more].mean(dim=0)


CLASSIFIERS = {"svm": by_svm, "logistic": by_logistic, "mean_difference": by_mean_difference}
METHODS = (*CLASSIFIERS, "ridge")


def by_ridge(points: Tensor, values: Tensor, strength: float = 1e-2) -> Tensor:
    """Of all samples and their very values: least squares with `strength` of the points' variance added."""
    x = (points - points.mean(dim=0)).double()
    y = (values - values.mean()).double()
    added = strength * x.square().mean() * len(x)
    if len(x) < x.shape[1]:  # the same vector of the smaller system: a StyleGAN has 9,088 channel styles
        gram = x @ x.T
        gram.diagonal().add_(added)
        return x.T @ torch.linalg.solve(gram, y)
    gram = x.T @ x
    gram.diagonal().add_(added)
    return torch.linalg.solve(gram, x.T @ y)


def direction(
    points: Tensor, values: Tensor, method: str, share: float, seed: int = 0
) -> tuple[Tensor, float]:
    """A unit vector [d] towards larger values, and how well it parts held-out ends, 0 to 1.

    `points` [n, d], `values` [n]; `share` of the samples at either end are told apart.
    """
    few, many = ends(values, share)
    rows = torch.cat([few, many])
    more = torch.arange(len(rows)) >= len(few)
    shuffled = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    part = max(2, round(HELD_SHARE * len(rows)))
    held, taught = shuffled[:part], shuffled[part:]
    if method == "ridge":
        known = torch.ones(len(points), dtype=torch.bool)
        known[rows[held]] = False
        vector = by_ridge(points[known], values[known])
    else:
        vector = CLASSIFIERS[method](points[rows[taught]].double(), more[taught])
    vector = (vector / vector.norm().clamp_min(1e-12)).float()
    along = points[rows] @ vector
    middle = (along[taught][more[taught]].mean() + along[taught][~more[taught]].mean()) / 2
    return vector, float(((along[held] > middle) == more[held]).float().mean())


def freed(vectors: Tensor) -> Tensor:
    """Each unit vector [properties, d] less what it shares with the others: along it none of them moves.

    The rows of the pseudo-inverse are orthogonal to every vector but their own.
    """
    dual = torch.linalg.pinv(vectors.double()).T
    return (dual / dual.norm(dim=1, keepdim=True).clamp_min(1e-12)).float()


def likeliest_moves(vectors: Tensor, points: Tensor) -> Tensor:
    """For each unit vector [properties, d] the unit move along which no other vector's coordinate changes.

    Of all such moves the likeliest: how a normal distribution like that of `points` [n, d] changes, on
    average, when one coordinate changes. Where it is as wide in every direction, as in z, this is `freed`.
    """
    x = (points - points.mean(dim=0)).double()
    spread = x.T @ (x @ vectors.double().T)  # of all that goes along with each coordinate, [d, properties]
    moves = torch.linalg.pinv(vectors.double() @ spread) @ spread.T
    return (moves / moves.norm(dim=1, keepdim=True).clamp_min(1e-12)).float()


@dataclass(frozen=True)
class Sweep:
    """What became of faces moved along one direction."""

    readings: Tensor  # [faces, weights, properties], raw
    column: int  # of the property meant

    each: Tensor  # [faces]: correlation of weight and property
    gain: float  # what a weight of one adds to the property, raw
    moved: Tensor  # [properties]: what a weight of one adds to each, in its spreads

    @property
    def r(self) -> float:
        """Mean correlation over faces."""
        return float(self.each.mean())


def sweep(
    show: Callable[[Tensor, Tensor], Tensor],
    measure: Measure,
    points: Tensor,
    vector: Tensor,
    column: int,
    weights: Tensor,
    spread: Tensor,
    together: int = 256,
) -> Sweep:
    """Move every face of `points` [faces, d] along `vector` [d] by each of `weights`; measure everything.

    `show` draws points [n, d] of faces by number [n], as images -1 to 1; `column` is the property meant;
    `together` pictures are held at once.
    """
    faces = torch.arange(len(points)).repeat_interleave(len(weights))
    moved = points[faces] + weights.repeat(len(points))[:, None] * vector
    readings = torch.cat(
        [
            measure(to_uint8(show(some, which)).cpu())
            for some, which in zip(moved.split(together), faces.split(together), strict=True)
        ]
    ).view(len(points), len(weights), -1)
    centred = (readings - readings.mean(dim=1, keepdim=True)).flatten(0, 1)
    asked = weights.repeat(len(points))
    slopes = torch.tensor([slope(asked, centred[:, j]) for j in range(readings.shape[2])])
    each = torch.tensor([pearson(weights, face) for face in readings[:, :, column]])
    return Sweep(readings, column, each, float(slopes[column]), slopes / spread)


def leaks(moved: Tensor) -> Tensor:
    """[direction, property]: what moves, in its spreads, while a direction moves its own by one spread."""
    own = moved.diagonal()[:, None]
    return moved / torch.where(own.abs() < 1e-6, torch.full_like(own, 1e-6), own)


@dataclass(frozen=True)
class Directions:
    """Found directions of one generator, in one of its spaces, and their card."""

    vectors: Tensor  # [properties, d], unit
    gains: Tensor  # [properties]: raw property a weight of one
    card: Mapping[str, Any]

    @property
    def names(self) -> Sequence[str]:
        return self.card["properties"]

    def move(self, points: Tensor, changes: Mapping[str, float]) -> Tensor:
        """Points [n, d] of the space, moved so that properties change by so much, raw."""
        unknown = [name for name in changes if name not in self.names]
        if unknown:
            raise OhloraError(f"no direction for {', '.join(unknown)}; there are {', '.join(self.names)}")
        weights = torch.zeros(len(self.names))
        for name, change in changes.items():
            column = list(self.names).index(name)
            weights[column] = change / self.gains[column]
        return points + weights @ self.vectors


def load_directions(folder: Path | str, name: str, generator_sha256: str) -> Directions:
    """Directions that were found for this very generator; OhloraError where they are another's."""
    tensors, card = load_model(Path(folder), name, DIRECTIONS_KIND)
    if card["generator"] != generator_sha256:
        raise OhloraError(
            f"{Path(folder) / name} was found for another generator; run model=face_directions again"
        )
    return Directions(tensors["vectors"], tensors["gains"], card)
