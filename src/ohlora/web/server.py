"""The server of every page: uvicorn on 127.0.0.1 of this machine, and on no other address."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from ohlora.errors import OhloraError
from ohlora.web.connection import CONNECTIONS, Connection
from ohlora.web.guard import Guard

ADDRESS = "127.0.0.1"
HTTP_PORT = 80
NEVER_S = 10**6  # Connection counts idle time
LOOK_EVERY_S = 0.1  # for a second Ctrl-C
GRACE_S = 2  # for answers that are on their way when the server ends
ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")

# Of a request that is no HTTP, or a page that went: nothing a user could do. Bugs are told by Guard.
logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


async def nothing() -> None:
    """Nothing is to be closed."""


class LocalServer:
    """Serves an app until Ctrl-C, or `shutdown` from another thread.

    `close` is awaited first of all when it ends: what still sends is to stop. A second Ctrl-C cancels it.
    """

    def __init__(
        self, app: ASGIApp, opened: socket.socket, close: Callable[[], Awaitable[None]] = nothing
    ) -> None:
        self.socket = opened
        self.port: int = opened.getsockname()[1]
        config = uvicorn.Config(
            Guard(app, hosts_at(self.port)),
            http=Connection,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=NEVER_S,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = _Server(config, close)

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.port}/"

    def serve_forever(self) -> None:
        """Serve; Ctrl-C and what means the same end it and raise KeyboardInterrupt, once all is closed."""
        asyncio.run(self._server.serve(sockets=[self.socket]))
        if self._server.interrupted:
            raise KeyboardInterrupt

    def shutdown(self) -> None:
        """End `serve_forever`, soon."""
        self._server.should_exit = True

    def __enter__(self) -> LocalServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, close: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._close = close
        self.interrupted = False

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        closing = asyncio.ensure_future(self._close())
        while not (closing.done() or self.force_exit):
            await asyncio.wait([closing], timeout=LOOK_EVERY_S)
        closing.cancel()  # where it is not done
        with suppress(asyncio.CancelledError):
            await closing
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:  # type: ignore[override]
        """Ctrl-C, a terminal that closes and SIGTERM end the server; what is ignored (nohup) stays so."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = [number for name in ENDING if (number := getattr(signal, name, None)) is not None]
        before = {number: signal.getsignal(number) for number in numbers}
        kept = {number: old for number, old in before.items() if old not in (signal.SIG_IGN, None)}
        for number in kept:
            signal.signal(number, self._interrupted)
        try:
            yield
        finally:
            for number, old in kept.items():
                signal.signal(number, old)

    def _interrupted(self, number: int, frame: Any) -> None:
        self.force_exit = self.interrupted  # the second time
        self.interrupted = self.should_exit = True


def hosts_at(port: int) -> frozenset[str]:
    """What requests may name as their host; browsers leave out HTTP's own port."""
    names = (ADDRESS, "localhost")
    return frozenset(f"{name}:{port}" for name in names).union(names if port == HTTP_PORT else ())


def listening(port: int) -> socket.socket:
    """A socket that listens on this machine alone; OhloraError where the port cannot be had."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # On Windows it would let two servers share a port; elsewhere it only skips the wait after the last.
        if os.name != "nt":
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((ADDRESS, port))
        opened.listen(2 * CONNECTIONS)
    except OSError as error:
        opened.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise OhloraError(f"port={port} is taken or not allowed; port=0 takes a free one") from None
    return opened
