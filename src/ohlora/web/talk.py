"""A session's conversation: its process, what happens in it, and the answers that requests wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from ohlora.web.events import EventLog
from ohlora.web.phrases import Phrased, of_told, told
from ohlora.web.piped_process import PipedProcess
from ohlora.web.requests import Refused

AT_ONCE = 4  # requests that wait for an answer: more than one page has a use for


class Talk:
    """Starts its process when it is first asked for anything, and again where it has ended by itself.

    `said` is told of every whole reply, {"reply": ..., "mood": ..., "intensity": ...}.
    """

    def __init__(self, command: Sequence[str], said: Callable[[dict[str, Any]], None]) -> None:
        self._command, self._said = command, said
        self.events = EventLog()
        self._process: PipedProcess | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = 0

    def start(self, language: str) -> PipedProcess:
        """The process, started where there is none."""
        if self._process is None:
            self._process = PipedProcess(self._command, self.heard)
            self._process.ask(do="begin", language=language)
        return self._process

    async def ask(self, do: str, language: str, **content: Any) -> dict[str, Any]:
        """What comes of a request, once it is done. Raises OhloraError, with what the process says."""
        if len(self._waiting) >= AT_ONCE:
            raise Refused(409, ("one_at_a_time", {}))
        process = self.start(language)
        self._numbers += 1
        number, answer = self._numbers, asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        process.ask(do=do, number=number, language=language, **content)
        done = await answer
        if "error" in done:
            raise of_told(done)
        return done["content"]

    def stop(self) -> None:
        """End the reply that is being written; the line it answers is not kept."""
        if self._process is not None:
            self._process.ask(do="stop")

    def heard(self, event: dict[str, Any]) -> None:
        """What the process says: to whoever waits for it, or to the page."""
        kind = event.pop("event")
        if kind == "answer":
            waiting = self._waiting.pop(event["number"], None) if event["number"] else None
            if waiting is not None and not waiting.done():
                waiting.set_result(event)
            return
        if kind == "ended":
            self._process = None
            self._give_up(event)
        elif kind == "begun":  # what was deleted is nowhere kept, here neither
            self.events.forget()
        elif kind == "said":
            self.events.drop("piece")
            self._said(event)
        elif kind == "unsaid":
            self.events.drop_last("asked")
            self.events.drop("piece")
        self.events.add(kind, event)

    def _give_up(self, why: dict[str, Any]) -> None:
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_result(why)

    async def end(self) -> None:
        self.events.close()
        process, self._process = self._process, None
        if process is not None:
            await process.end()
        self._give_up(told(Phrased(("page_closed", {}))))
