"""What screening asks of a random person, as settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from annotated_types import Ge, Le

from ohlora.config import Name, Share, Span, config

Moved = Literal["eyes", "mouth", "roll"]  # in the order of a sheet


@config
class Screening:
    """What a face must reach; None: not asked."""

    name: Name
    least_r: Mapping[Moved, Annotated[float, Ge(-1), Le(1)]]
    slope: Span[float] | None  # of measured on asked
    most_background_change: Share | None  # mean absolute, 0 to 1
    least_quality: Share | None  # of every picture
