"""Matches as lines of JSON, one after the other, in a process of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from ohlora.battle.match import PlayMatch
from ohlora.config import Name, config, deferred, having
from ohlora.loggers import LoggerChoice


@config
class PlayPiped(PlayMatch):
    """Play the matches that standard input asks for, and tell standard output what happens."""

    datasets: Mapping[Name, Annotated[Any, having("load")]]
    family_of_upload: Annotated[Any, having("draw")]
    logger: LoggerChoice | None  # None: the process logs nothing, each match has a run of its own
    logs: LoggerChoice  # of those runs
    choices: Mapping[str, Any]  # of config groups, for what runs say of themselves
    makes: ClassVar[tuple[str, ...]] = ("logs",)

    run = deferred("ohlora.web.piped_play", "play_piped")
