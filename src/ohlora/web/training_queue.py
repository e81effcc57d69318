"""Who trains now, and who waits for it, first come, first served."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Who = TypeVar("Who", bound=Hashable)


class TrainingQueue(Generic[Who]):
    """Lets `slots` matches train at once. `start` is told whose turn it is, `moved` every new place."""

    def __init__(self, slots: int, start: Callable[[Who], None], moved: Callable[[Who, int], None]) -> None:
        self.slots, self.start, self.moved = slots, start, moved
        self.training: list[Who] = []
        self.waiting: list[Who] = []

    def join(self, who: Who) -> None:
        """Wait for a slot; one who trains or waits already keeps the place."""
        if who not in self.training and who not in self.waiting:
            self.waiting.append(who)
            self._advance([who])

    def leave(self, who: Who) -> None:
        """Give up the slot, or the place in line."""
        if who in self.training:
            self.training.remove(who)
            self._advance(list(self.waiting))
        elif who in self.waiting:
            behind = self.waiting[self.waiting.index(who) + 1 :]
            self.waiting.remove(who)
            self._advance(behind)

    def _advance(self, affected: list[Who]) -> None:
        """Let those in front begin; tell those `affected` that still wait of their place, 1 for the next."""
        while self.waiting and len(self.training) < self.slots:
            first = self.waiting.pop(0)
            self.training.append(first)
            self.start(first)
        for place, who in enumerate(self.waiting, start=1):
            if who in affected:
                self.moved(who, place)
