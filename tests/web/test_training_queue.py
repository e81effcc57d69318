"""Who trains, who waits, and what they are told of their place."""

from __future__ import annotations

import pytest

from ohlora.web.training_queue import TrainingQueue


class Room:
    """A queue, and what it told whom, in order."""

    def __init__(self, slots: int) -> None:
        self.told: list[tuple[str, int]] = []  # place 0: its turn
        self.queue = TrainingQueue[str](
            slots, lambda who: self.told.append((who, 0)), lambda who, place: self.told.append((who, place))
        )

    def news(self) -> list[tuple[str, int]]:
        told, self.told[:] = list(self.told), []
        return told


@pytest.fixture
def room() -> Room:
    room = Room(1)
    for who in "abcd":
        room.queue.join(who)
    assert room.news() == [("a", 0), ("b", 1), ("c", 2), ("d", 3)]
    return room


def test_first_come_first_served(room: Room) -> None:
    room.queue.leave("a")
    assert room.news() == [("b", 0), ("c", 1), ("d", 2)]
    room.queue.leave("b")
    room.queue.leave("c")
    assert room.news() == [("c", 0), ("d", 1), ("d", 0)]
    room.queue.leave("d")
    assert not room.queue.training
    assert not room.queue.waiting


def test_who_leaves_the_line_moves_those_behind_alone(room: Room) -> None:
    room.queue.leave("c")
    assert room.news() == [("d", 2)]


def test_joining_twice_keeps_the_place_and_leaving_twice_does_nothing(room: Room) -> None:
    for who in "acd":
        room.queue.join(who)
    for _ in range(2):
        room.queue.leave("nobody")
    assert room.news() == []
    assert room.queue.waiting == ["b", "c", "d"]


def test_several_train_at_once() -> None:
    room = Room(2)
    for who in "abc":
        room.queue.join(who)
    assert room.queue.training == ["a", "b"]
    assert room.news()[-1] == ("c", 1)
