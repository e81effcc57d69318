"""Matches as lines of JSON, one after the other, in a process of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from ohlora.battle.match import PlayMatch
from ohlora.config import Name, compared, config, deferred, having
from ohlora.errors import OhloraError
from ohlora.loggers import LoggerChoice

HUMANS = ("human", "prompt")  # of conf/challenger


def check_asked_for(challenger: str, save_subset: str | None) -> None:
    """Raise OhloraError for what counts for nothing in matches that are asked for one after the other."""
    faults = []
    if challenger not in HUMANS:
        faults.append(f"challenger={challenger} plays in the terminal alone (ui=terminal): here a human does")
    if save_subset is not None:
        faults.append(f"subset.save={save_subset} is for the one match of ui=terminal: here are many")
    if faults:
        raise OhloraError("; ".join(faults))


@config
class PlayPiped(PlayMatch):
    """Play the matches that standard input asks for, and tell standard output what happens."""

    datasets: Mapping[Name, Annotated[Any, having("load")]]
    family_of_upload: Annotated[Any, having("draw")]
    logger: LoggerChoice | None  # None: the process logs nothing, each match has a run of its own
    logs: LoggerChoice  # of those runs
    choices: Mapping[str, Any]  # of config groups, for what runs say of themselves
    makes: ClassVar[tuple[str, ...]] = ("logs",)

    @compared
    def _is_asked_for(self) -> None:
        check_asked_for(self.challenger.kind, self.save_subset)

    run = deferred("ohlora.web.piped_play", "play_piped")
