"""What humans share whose attempts are asked for during the match."""

from __future__ import annotations

from typing import ClassVar

from ohlora.battle.contestants.base import Kind, MatchContext, Rules
from ohlora.battle.contestants.human_file import player_title
from ohlora.space import Space


class AskedHuman:
    """Two attempts by house rules, under a name."""

    name: str
    trials: ClassVar[int] = 2
    kind: ClassVar[Kind] = "human"
    rules: ClassVar[Rules] = "house"

    def title(self, context: MatchContext, language: str) -> str:
        return player_title(self.name, language)

    def check(self, space: Space) -> None: ...
