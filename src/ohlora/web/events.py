"""What happens in a session, in order, as a stream of server-sent events.

The events of the match that is on are kept: a page that is loaded again, or that lost the connection, is
told what it missed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

ALIVE_S = 15.0  # between signs of life where nothing happens
ALIVE = b": still here\n\n"
# A tab that was duplicated shares its session: the older one is told, or both would take turns for ever.
TAKEN = b'data: {"event": "taken"}\n\n'


class EventLog:
    """Events of one session and whoever listens: one stream at a time, the newest."""

    def __init__(self) -> None:
        self._events: list[tuple[int, str, bytes]] = []  # number, kind, as it is sent
        self._number = 0
        self._news = asyncio.Event()
        self._listener: object = None
        self._closed = False

    @property
    def heard(self) -> bool:
        """Whether a stream is open."""
        return self._listener is not None

    def add(self, kind: str, content: dict[str, Any]) -> None:
        """Append an event."""
        self._number += 1
        data = json.dumps({"event": kind, **content}, ensure_ascii=False, allow_nan=False)
        self._events.append((self._number, kind, f"id: {self._number}\ndata: {data}\n\n".encode()))
        self._news.set()

    def forget(self) -> None:
        """Keep nothing of what has been: another match begins."""
        self._events.clear()

    def drop(self, kind: str) -> None:
        """Keep no event of a kind: a later one has said all that they did."""
        self._events = [event for event in self._events if event[1] != kind]

    def drop_last(self, kind: str) -> None:
        """Keep the last event of a kind no longer: it came to nothing."""
        last = max((number for number, one, _ in self._events if one == kind), default=0)
        self._events = [event for event in self._events if event[0] != last]

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._news.set()

    async def stream(self, after: int) -> AsyncGenerator[bytes, None]:
        """Events behind number `after`, as they come; at the end whether another stream has begun."""
        me = self._listener = object()
        self._news.set()  # whoever listened before ends
        try:
            yield b"retry: 500\n\n"
            while self._listener is me and not self._closed:
                self._news.clear()
                new = [(number, event) for number, _, event in self._events if number > after]
                if new:
                    after = new[-1][0]
                    yield b"".join(event for _, event in new)
                    continue
                try:
                    async with asyncio.timeout(ALIVE_S):
                        await self._news.wait()
                except TimeoutError:
                    yield ALIVE
            if self._listener is not me:
                yield TAKEN
        finally:
            if self._listener is me:
                self._listener = None
