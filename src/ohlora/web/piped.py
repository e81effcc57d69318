"""Matches as lines of JSON, one after the other, in a process of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from ohlora.battle.match import PlayMatch
from ohlora.config import Name, config, deferred, having


@config
class PlayPiped(PlayMatch):
    """Play the matches that standard input asks for, and tell standard output what happens."""

    datasets: Mapping[Name, Annotated[Any, having("load")]]
    family_of_upload: Annotated[Any, having("draw")]

    run = deferred("ohlora.web.piped_play", "play_piped")
