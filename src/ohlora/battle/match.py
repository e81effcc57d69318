"""A match as conf/ names it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from ohlora.config import Name, compared, config, deferred, having
from ohlora.hardware import Hardware
from ohlora.loggers import LoggerChoice
from ohlora.space import Space
from ohlora.trials.protocol import Protocol

Seed = Annotated[int, Ge(0), Le(2**32 - 1)]


@config
class MatchSettings:
    """What matches are played on, and by which rules, whoever plays and wherever."""

    dataset: Annotated[Any, having("load")]
    fallback: Annotated[Any, having("load")]
    family: Annotated[Any, having("draw")]
    seed: Seed | None
    space: Space
    protocol: Protocol
    hardware: Hardware
    narrator: Annotated[Any, having("tell")]
    predictor: Name
    encoders: Name
    cache_dir: Name
    output_dir: Name


@config
class PlayMatch(MatchSettings):
    """Draw a subset, let Oh-LoRA seal her choice, referee both sides, tell how it went."""

    save_subset: Name | None
    challenger: Annotated[Any, having("attempts")]
    face: Annotated[Any, having("make", "react")] | None  # None: her face is not shown
    language: Literal["ko", "en"]
    logger: LoggerChoice

    @compared
    def _can_be_played(self) -> None:
        self.challenger.check(self.space)

    run = deferred("ohlora.battle.play", "play")  # the challenger's best test macro-F1 less Oh-LoRA's
