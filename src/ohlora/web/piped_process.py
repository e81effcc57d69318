"""A session's processes as the server sees them: `python -m ohlora battle ui=piped` and `chat piped=true`.

Requests are lines of JSON to standard input, what happens comes back so.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ohlora.errors import OhloraError
from ohlora.signals import PARENT
from ohlora.web.phrases import Phrased, told
from ohlora.web.pipe import CANNOT_START

LINE = 2**26  # bytes of the longest event: all that she remembers
KEPT = 20  # lines of what it says on standard error
# Settings of the server, or of each process by itself.
OWN = ("ui=", "page=", "chat=", "port=", "web.", "language=", "live.", "hydra.", "paths.run_dir=")
SHARED = ("paths.", "--config-dir=")  # by those that play and those that talk
Heard = Callable[[dict[str, Any]], None]


def match_command(settings: Sequence[str], folder: str) -> list[str]:
    """What starts one that plays; `settings` are those the server was started with."""
    kept = [word for word in settings if not word.lstrip("+").startswith(OWN)]
    return started("battle", *kept, "ui=piped", folder=folder)


def chat_command(settings: Sequence[str], folder: str) -> list[str]:
    """What starts one that talks."""
    return started("chat", *settings, "piped=true", folder=folder)


def is_shared(word: str) -> bool:
    """Whether a setting of the server is one of the conversations, too: where things lie."""
    return word.startswith(SHARED) and not word.startswith(OWN)


def started(verb: str, *settings: str, folder: str) -> list[str]:
    own = [f"hydra.run.dir={folder}", "hydra.output_subdir=null"]
    return [sys.executable, "-m", "ohlora", verb, *settings, *own]


class PipedProcess:
    """Started at once. `heard` is told every event, and at the end "ended" with what `told` makes of why."""

    def __init__(self, command: Sequence[str], heard: Heard) -> None:
        self._command, self._heard = command, heard
        self._process: asyncio.subprocess.Process | None = None
        self._killed = False
        self._last_words: list[str] = []
        self._told: dict[str, Any] | None = None  # why it cannot start
        self._task = asyncio.create_task(self._run())

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def ask(self, **request: Any) -> None:
        """Send a request, now or once it has started."""
        asyncio.create_task(self._send(json.dumps(request, ensure_ascii=False)))  # noqa: RUF006

    async def end(self, grace_s: float = 0.0) -> None:
        """Wait until it is gone: by itself, as nobody asks any more, for `grace_s`; then kill it."""
        self._killed = True
        try:
            if grace_s and self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()
                await asyncio.wait([self._task], timeout=grace_s)
        finally:  # also where it is no longer waited for
            self._kill()
            await self._task

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _send(self, line: str) -> None:
        while self._process is None and not self._task.done():
            await asyncio.sleep(0.02)
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.write(line.encode() + b"\n")
                await self._process.stdin.drain()

    async def _run(self) -> None:
        try:
            code = await self._follow()
            why = self._told or told(self._why(code))
        except Exception:  # it cannot be started, says what is no event, or `heard` has a bug
            self._kill()
            traceback.print_exc(file=sys.stderr)
            why = told(Phrased(("bug", {})))
        if not self._killed:
            self._heard({"event": "ended", **why})

    async def _follow(self) -> int:
        """Start it and pass on what it says until it ends; its exit code."""
        # Ctrl-C in the terminal is for the server, which ends its processes itself.
        apart: dict[str, Any] = (
            {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
            if os.name == "nt"
            else {"start_new_session": True}
        )
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            limit=LINE,
            env={**os.environ, PARENT: str(os.getpid()), "PYTHONIOENCODING": "utf-8"},
            **apart,
        )
        self._process = process
        if self._killed:
            self._kill()
        assert process.stdout is not None
        assert process.stderr is not None
        await asyncio.gather(self._listen(process.stdout), self._keep(process.stderr))
        return await process.wait()

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            event = json.loads(line)
            if event["event"] == CANNOT_START:
                self._told = event["told"]
            elif not self._killed:
                self._heard(event)

    async def _keep(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            text = line.decode("utf-8", "replace").rstrip()
            self._last_words = [*self._last_words, text][-KEPT:]
            if text:
                print(text, file=sys.stderr)  # a bug's traceback, progress, that W&B is offline

    def _why(self, code: int) -> OhloraError:
        """A mistake that a user can mend, in its own words; else how it ended."""
        words = [line.removeprefix("ohlora: ") for line in self._last_words if line.startswith("ohlora: ")]
        return OhloraError(words[-1]) if words else Phrased(("process_ended", {"code": code}))
