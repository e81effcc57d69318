"""From a wanted property value to the coordinate along a direction: a rising curve, clipped at its ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ohlora.errors import OhloraError
from ohlora.space import Real


@dataclass(frozen=True)
class Curve:
    """Knots of a curve that rises: readings of a property over the coordinate of its direction."""

    coordinates: Tensor  # [knots], ascending
    readings: Tensor  # [knots], ascending, in the units the pictures were scored in

    def __post_init__(self) -> None:
        for name in ("coordinates", "readings"):
            knots = getattr(self, name)
            if len(knots) < 2 or not bool((knots.diff() > 0).all()):
                raise OhloraError(f"a calibration whose {name} do not rise")

    def coordinate(self, reading: Tensor) -> Tensor:
        """Where the property reads so; beyond what was seen, the end of the curve."""
        knots = (self.readings.double().numpy(), self.coordinates.double().numpy())
        return torch.from_numpy(np.interp(reading.double().numpy(), *knots)).float()

    def reading(self, coordinate: Tensor) -> Tensor:
        """What the property reads there."""
        knots = (self.coordinates.double().numpy(), self.readings.double().numpy())
        return torch.from_numpy(np.interp(coordinate.double().numpy(), *knots)).float()


@dataclass(frozen=True)
class Scale:
    """How the values that moods ask for lie among readings.

    Openings and looks go from one end of the curve to the other over their axis; angles are rad both ways.
    """

    axis: Real
    curve: Curve
    is_angle: bool

    def reading(self, value: Tensor) -> Tensor:
        """The reading that is wanted where a mood asks for `value`."""
        if self.is_angle:
            return value
        low, high = self.curve.readings[0], self.curve.readings[-1]
        return low + (value - self.axis.low) / (self.axis.high - self.axis.low) * (high - low)

    def value(self, reading: Tensor) -> Tensor:
        """What a mood would have to ask for to get this reading."""
        if self.is_angle:
            return reading
        low, high = self.curve.readings[0], self.curve.readings[-1]
        return self.axis.low + (reading - low) / (high - low) * (self.axis.high - self.axis.low)

    def coordinate(self, value: Tensor) -> Tensor:
        """Where along the direction a mood's `value` lies."""
        return self.curve.coordinate(self.reading(value))
