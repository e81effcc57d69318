"""What every request passes: is it this server's own page that asks; and what every answer says of itself.

A page of another site can name 127.0.0.1, or a name it has pointed there (DNS rebinding): requests are
answered only if they name this server as host and come from its own page.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ohlora.web import connection
from ohlora.web.requests import Refused, refusal

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Guard:
    """Turns strangers away, adds headers, and hangs up on whoever does not take an answer."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app, self.hosts = app, hosts  # such as 127.0.0.1:8765

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS.items():
                    headers[name] = value
            async with asyncio.timeout(connection.REQUEST_S):
                await send(message)

        try:
            if self.trusted(Headers(scope=scope)):
                await self.app(scope, receive, answer)
            else:
                await refusal(Refused(403, ("other_host", {"address": f"http://{min(self.hosts)}/"})))(
                    scope, receive, answer
                )
        except (TimeoutError, ClientDisconnect, ConnectionError):  # a tab was closed, or takes nothing
            if begun:
                raise  # uvicorn hangs up
        except Exception:  # a bug of ours
            traceback.print_exc()
            if begun:
                raise
            await refusal(Refused(500, ("bug", {})))(scope, receive, answer)

    def trusted(self, headers: Headers) -> bool:
        """Whether this server's own page, or no page at all, asks."""
        hosts, origin = headers.getlist("Host"), headers.get("Origin")
        return (
            len(hosts) == 1
            and hosts[0].lower() in self.hosts
            and (origin is None or origin in {f"http://{host}" for host in self.hosts})
            and headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")
        )
