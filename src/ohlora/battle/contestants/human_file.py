"""A human whose attempts are written in a file: people exchange such files, so they are data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

from ohlora.battle import phrases
from ohlora.battle.contestants.base import Attempts, Kind, MatchContext, Rules
from ohlora.config import InvalidConfig, config
from ohlora.errors import OhloraError
from ohlora.space import Params, Space
from ohlora.text import printable

NAME_LENGTH = 40


def clean_player(name: object) -> str:
    """A player's name on one line, without control, escape and direction characters; "you" for none."""
    if not isinstance(name, str):
        raise ValueError("a name is text; write it in quotes")
    return printable(" ".join(name.split()), NAME_LENGTH) or "you"


PlayerName = Annotated[str, BeforeValidator(clean_player)]


@config
class HumanContent:
    """What a file of conf/human/ may hold."""

    first: Mapping[str, Any]
    second: Mapping[str, Any] | None = None  # None: one attempt only
    name: PlayerName = "you"


@config
class HumanFile:
    """Both attempts are known before the match."""

    content: Any  # of the file
    kind: ClassVar[Kind] = "human"
    rules: ClassVar[Rules] = "house"

    def __post_init__(self) -> None:
        if not isinstance(self.content, Mapping):
            raise InvalidConfig([("human", " is not a file with name, first and second")])
        try:
            checked = HumanContent(**{str(name): value for name, value in self.content.items()})
        except InvalidConfig as invalid:
            raise InvalidConfig([(f"human.{name}", fault) for name, fault in invalid.faults]) from None
        object.__setattr__(self, "content", checked)

    @property
    def trials(self) -> int:
        return 1 if self.content.second is None else 2

    def title(self, context: MatchContext, language: str) -> str:
        return player_title(self.content.name, language)

    def check(self, space: Space) -> None:
        self.params(space)

    def params(self, space: Space) -> list[Params]:
        """Both attempts, checked; OhloraError with every fault of both."""
        attempts, faults = [], []
        for which, given in (("first", self.content.first), ("second", self.content.second)):
            if given is None:
                continue
            try:
                attempts.append(space.check(given))
            except OhloraError as error:
                faults.append(f"{which} attempt: {error}")
        if faults:
            raise OhloraError("; ".join(faults))
        return attempts

    def attempts(self, context: MatchContext) -> Attempts:
        for params in self.params(context.space):  # noqa: UP028  a list cannot be sent a score
            yield params


def player_title(name: str, language: str) -> str:
    return phrases.plain("you", language) if name == "you" else name
