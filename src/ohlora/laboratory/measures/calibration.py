"""A rising calibration curve of scattered readings."""

from __future__ import annotations

import torch
from sklearn.isotonic import IsotonicRegression
from torch import Tensor

from ohlora.errors import OhloraError
from ohlora.face.trained.stylegan.calibration import Curve
from ohlora.laboratory.measures.statistics import slope

KNOTS = 9  # and an end on either side
ENDS = (0.01, 0.99)  # quantiles of the coordinate: rarely is one farther out
STRAIGHT = 0.1  # share of a straight line in the curve: nowhere level, or a small wish would be a long way


def rising_curve(name: str, coordinates: Tensor, readings: Tensor, knots: int = KNOTS) -> Curve:
    """Isotonic regression on the means of equally large groups by coordinate, [n] each, as a Curve.

    From the outer groups' means to its ends it goes on as the line of least squares rises.
    OhloraError where readings do not rise with the coordinate at all.
    """
    incline = slope(coordinates, readings)
    groups = coordinates.argsort().tensor_split(min(knots, len(coordinates) // 4))
    x = torch.stack([coordinates[rows].double().mean() for rows in groups])
    y = torch.stack([readings[rows].double().mean() for rows in groups])
    if incline <= 0 or len(x) < 2 or not bool((x.diff() > 0).all()):
        raise OhloraError(
            f"scores of {name} do not rise along its direction: more samples, better scores, or another"
            " latent_space or method"
        )
    risen = torch.from_numpy(IsotonicRegression().fit_transform(x.numpy(), y.numpy()))
    curve = (1 - STRAIGHT) * risen + STRAIGHT * (y.mean() + incline * (x - x.mean()))
    low, high = coordinates.double().quantile(torch.tensor(ENDS, dtype=torch.float64))
    # The groups' means end before the samples do.
    beyond = torch.stack([x[0] - low, high - x[-1]]).clamp_min(1e-3 * float(x[-1] - x[0]))
    x = torch.cat([x[:1] - beyond[:1], x, x[-1:] + beyond[1:]])
    curve = torch.cat([curve[:1] - incline * beyond[:1], curve, curve[-1:] + incline * beyond[1:]])
    return Curve(x.float(), curve.float())
