"""A human whose attempts are written in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ohlora.battle.contestants.base import Attempts, Kind, MatchContext, Rules
from ohlora.battle.phrases import say
from ohlora.errors import OhloraError
from ohlora.space import Params, Space


@dataclass(frozen=True)
class HumanFile:
    """conf/human/my_hp.yaml: both attempts known before the match; `second` may be left out."""

    name: str
    first: Mapping[str, Any]
    second: Mapping[str, Any] | None
    kind: ClassVar[Kind] = "human"
    rules: ClassVar[Rules] = "house"

    @property
    def trials(self) -> int:
        return 1 if self.second is None else 2

    def title(self, context: MatchContext, language: str) -> str:
        return say("you", language) if self.name == "you" else self.name

    def check(self, space: Space) -> None:
        self.params(space)

    def params(self, space: Space) -> list[Params]:
        """Both attempts, checked; OhloraError with every fault of both."""
        attempts, faults = [], []
        for which, given in (("first", self.first), ("second", self.second)):
            if given is None and which == "second":
                continue
            try:
                attempts.append(space.check(given or {}))
            except OhloraError as error:
                faults.append(f"{which} attempt: {error}")
        if faults:
            raise OhloraError("; ".join(faults))
        return attempts

    def attempts(self, context: MatchContext) -> Attempts:
        for params in self.params(context.space):  # noqa: UP028  a list cannot be sent a score
            yield params


def human_file(content: Mapping[str, Any]) -> HumanFile:
    """The human that a file of conf/human/ describes."""
    return HumanFile(content["name"], content["first"], content.get("second"))
