"""Reading what a page sends, a little at a time and never more than is allowed; answering with JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from ohlora.errors import Part
from ohlora.web import connection
from ohlora.web.phrases import Phrased, told

DROPPED, DROPPED_S = 2**24, 2.0  # bytes and seconds of what is too long that are still taken in


class Refused(Phrased):
    """A request that is not done, and why; `status` is HTTP's."""

    def __init__(self, status: int, *parts: Part) -> None:
        super().__init__(*parts)
        self.status = status


def refusal(error: Exception) -> JSONResponse:
    """The answer to a request that was not read to its end, so its connection cannot go on."""
    return JSONResponse(told(error), getattr(error, "status", 400), {"Connection": "close"})


def refused(request: Request, error: Exception) -> JSONResponse:
    """Starlette's handler for mistakes that the page can tell its user."""
    return refusal(error)


async def drop(request: Request) -> None:
    """Read on for a moment: a connection that is closed on what was sent is reset, and the answer is lost."""
    got = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DROPPED_S):
            async for piece in request.stream():
                got += len(piece)
                if got > DROPPED:
                    return


async def pieces(request: Request, kind: str, most: int, most_s: float) -> AsyncIterator[bytes]:
    """The body, piece by piece; Refused where it is of another kind, longer than `most` bytes, or slow."""
    given = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if given != kind:
        # Anything a form of another site could send without asking first is none of ours.
        raise Refused(415, ("wrong_kind", {"kind": kind}))
    length = request.headers.get("Content-Length", "0")
    too_long = Refused(413, ("too_many_bytes", {"most": most}))
    if not (length.isascii() and length.isdecimal() and len(length) < 16) or int(length) > most:
        await drop(request)
        raise too_long
    got = 0
    try:
        async with asyncio.timeout(most_s):
            async for piece in request.stream():
                got += len(piece)
                if got > most:
                    raise too_long
                yield piece
    except TimeoutError:
        raise Refused(408, ("too_slow", {"seconds": round(most_s)})) from None


async def read_json(request: Request, most: int) -> Any:
    """The JSON a page sends; no lone half of a surrogate pair in it, which would be no text."""
    body = b"".join(
        [piece async for piece in pieces(request, "application/json", most, connection.REQUEST_S)]
    )
    try:
        content = json.loads(body)
        json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # not JSON, or not Unicode
        raise Refused(400, ("no_json", {})) from None
    return content


async def read_object(request: Request, most: int) -> dict[str, Any]:
    """The JSON object a page sends."""
    content = await read_json(request, most)
    if not isinstance(content, dict):
        raise Refused(400, ("no_json", {}))
    return content
