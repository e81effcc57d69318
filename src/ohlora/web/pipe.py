"""Lines of JSON between a process that plays matches and whoever started it."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from ohlora.errors import OhloraError
from ohlora.web.phrases import Phrased, told

CANNOT_START = "cannot_start"


class Pipe:
    """Requests from standard input, one at a time; events to standard output, from any thread.

    Whatever else prints goes to standard error from now on. When standard input ends, so does the process:
    at once where it is at work, as nobody is left to tell; by way of `next` where it waits or is `lasting`.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
        os.dup2(2, 1)
        self._writing = threading.Lock()
        self._requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.stopping = threading.Event()  # "stop" was asked for, and nothing has answered it yet
        self._ended = threading.Event()  # standard input
        self._lasting = threading.Event()
        threading.Thread(target=self._read, args=(os.dup(0),), daemon=True).start()

    def say(self, event: str, **content: Any) -> None:
        line = json.dumps({"event": event, **content}, ensure_ascii=False, allow_nan=False)
        with self._writing:
            self._out.write(line + "\n")
            self._out.flush()

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Tell a mistake that keeps a process from starting as a page can say it, and let it end."""
        try:
            yield
        except OhloraError as error:
            self.say(CANNOT_START, told=told(error))
            raise

    def next(self) -> dict[str, Any]:
        """The next request. Raises KeyboardInterrupt where it is to stop, EOFError where none will come."""
        with self.lasting():
            request = self._requests.get()
        if request.get("do") == "stop":
            self.stopping.clear()
            raise KeyboardInterrupt
        return request

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """What the block does is done to its end, behind which EOFError is raised where input has ended."""
        self._lasting.set()
        try:
            yield
        finally:
            self._lasting.clear()
        if self._ended.is_set():
            raise EOFError

    def check(self) -> None:
        """Raise KeyboardInterrupt where somebody asked to stop."""
        if self.stopping.is_set():
            while self._requests.get().get("do") != "stop":
                pass
            self.stopping.clear()
            raise KeyboardInterrupt

    def stopped(self) -> bool:
        """Whether somebody asked to stop, which is answered by that; what else was asked for stays."""
        if not self.stopping.is_set():
            return False
        others = []
        while (request := self._requests.get()).get("do") != "stop":
            others.append(request)
        self.stopping.clear()
        for request in others:
            self._requests.put(request)
        return True

    def _read(self, descriptor: int) -> None:
        with suppress(OSError), os.fdopen(descriptor, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    request = json.loads(line)
                except (ValueError, RecursionError):
                    request = None
                if not isinstance(request, Mapping):
                    self.say("failed", **told(Phrased(("no_json", {}))))
                    continue
                if request.get("do") == "stop":
                    self.stopping.set()  # before whoever takes the request can clear it
                self._requests.put(dict(request))
        self._ended.set()
        if not self._lasting.is_set():
            os._exit(0)
        self._requests.put({})  # wakes `next`
