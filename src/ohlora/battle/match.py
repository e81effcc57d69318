"""A match as conf/ names it."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import AfterValidator

from ohlora.config import Name, compared, config, deferred
from ohlora.hardware import Hardware
from ohlora.space import Space
from ohlora.trials.protocol import Protocol


def having(method: str) -> AfterValidator:
    """A part of the config that was built into something with `method`."""

    def check(part: Any) -> Any:
        if inspect.getattr_static(type(part), method, None) is None:
            raise ValueError("choose one by its name (--help lists them)")
        return part

    return AfterValidator(check)


Seed = Annotated[int, Ge(0), Le(2**32 - 1)]


@config
class PlayMatch:
    """Draw a subset, let Oh-LoRA seal her choice, referee both sides, tell how it went."""

    dataset: Annotated[Any, having("load")]
    fallback: Annotated[Any, having("load")]
    family: Annotated[Any, having("draw")]
    seed: Seed | None
    save_subset: Name | None
    space: Space
    protocol: Protocol
    hardware: Hardware
    challenger: Annotated[Any, having("attempts")]
    narrator: Annotated[Any, having("tell")]
    face: Any  # None: her face is not shown
    predictor: Name
    encoders: Name
    cache_dir: Name
    output_dir: Name
    language: Literal["ko", "en"]
    logger: Any

    @compared
    def _can_be_played(self) -> None:
        self.challenger.check(self.space)

    run = deferred("ohlora.battle.play", "play")  # the challenger's best test macro-F1 less Oh-LoRA's
