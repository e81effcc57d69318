"""One connection of a browser, for uvicorn: nobody holds one open by sending nothing, or little by little."""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

IDLE_S = 60.0  # until a silent connection is closed
REQUEST_S = 10.0  # from the first byte of a request's head to its last; and for taking an answer's next piece
CONNECTIONS = 64  # at once: more than the tabs of a few people, six connections a browser
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Connection(H11Protocol):
    """uvicorn's own timeout only counts the time between requests, and starts when one is answered."""

    _deadline: asyncio.TimerHandle | None = None
    _begun = False  # the head of a request has

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        if len(self.connections) > CONNECTIONS:
            self.transport.write(BUSY)
            self.transport.close()
        else:
            self._hang_up_in(IDLE_S)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._answering:  # bodies have limits of their own
            self._forget_deadline()
        elif not self._begun:
            self._begun = True
            self._hang_up_in(REQUEST_S)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._answering:
            self._begun = False
            self._hang_up_in(IDLE_S)

    @property
    def _answering(self) -> bool:
        """Whether there is a request with a whole head and no whole answer."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def _hang_up_in(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
