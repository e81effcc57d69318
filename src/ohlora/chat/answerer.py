"""What every answerer is asked and gives: one protocol, whether lines are written or a model writes them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

from ohlora.chat.battles import Tally
from ohlora.chat.fact import Fact, Language
from ohlora.chat.remembering import ToRemember
from ohlora.chat.rules import Topic


@dataclass(frozen=True)
class Context:
    """A line of the user's and what belongs to it."""

    user: str
    language: Language
    memory: tuple[Fact, ...]  # facts that fit the line, the best first
    history: tuple[tuple[str, str], ...]  # the last turns: user, reply
    tally: Tally  # of the battles so far
    topic: Topic | None


@dataclass(frozen=True)
class Answer:
    """A whole reply, what to remember of the user's line, and replies refused before it."""

    reply: str
    remember: tuple[ToRemember, ...] = ()
    refused: tuple[str, ...] = ()
    written: bool = True  # a line written by a person, not by a model


# Pieces of the reply as they come; returns the whole. An empty piece: more is written, and not shown yet.
Pieces = Generator[str, None, Answer]


class Answerer(Protocol):
    """Whoever answers."""

    def check(self) -> None:
        """Raise OhloraError where it cannot work, before the first line is asked for."""

    def hello(self, language: Language) -> str:
        """Who answers, for the first line of a conversation."""
        ...

    def answer(self, context: Context) -> Pieces: ...


def whole(pieces: Pieces) -> Answer:
    """Run an answer to its end."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value


def words(text: str) -> Iterator[str]:
    """A text word by word, spaces kept, as it is streamed."""
    start = 0
    for place, char in enumerate(text):
        if char == " ":
            yield text[start : place + 1]
            start = place + 1
    yield text[start:]
