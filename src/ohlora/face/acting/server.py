"""A live face in a browser of this machine, and of no other: the page, frames on request, wishes by POST.

Frames are asked for one by one, so a browser that is slow, hidden or gone costs nothing. A page of another
site can name 127.0.0.1, or a name it has pointed there (DNS rebinding): requests are answered only if they
name this server as host and come from its own page.
"""

from __future__ import annotations

import errno
import io
import json
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from ohlora.errors import OhloraError
from ohlora.face.acting import person as people
from ohlora.face.acting.live import Live
from ohlora.face.acting.live_face import LiveFace

ADDRESS = "127.0.0.1"
LARGEST_WISH = 4096  # bytes
IDLE_S = 60  # until a silent connection is closed
REQUEST_S = 10  # from the first byte of a request to its last, however slowly it comes; and for an answer
CONNECTIONS = 32  # at once, a thread each: more than the tabs of one person
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
PAGES = {
    "/": ("live.html", "text/html; charset=utf-8"),
    "/live.js": ("live.js", "text/javascript; charset=utf-8"),
    "/live.css": ("live.css", "text/css; charset=utf-8"),
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class LiveServer(ThreadingHTTPServer):
    """Serves one face; `serve_forever` in a thread of its own puts her beside another program."""

    daemon_threads = True
    request_queue_size = 2 * CONNECTIONS  # with five, one more at once waits a second to be let in
    # There it would let two servers share a port; elsewhere it only skips the wait after the last one.
    allow_reuse_address = os.name != "nt"

    def __init__(self, live_face: LiveFace, port: int, language: str) -> None:
        self.live_face, self.language = live_face, language
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise OhloraError(f"port={port} is taken or not allowed; port=0 takes a free one") from None
        self.free = threading.BoundedSemaphore(CONNECTIONS)
        self.hosts = {f"{name}:{self.server_port}" for name in (ADDRESS, "localhost")}

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_port}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own, or turn it away where there are too many."""
        if not self.free.acquire(blocking=False):
            with suppress(OSError):
                request.settimeout(0)
                request.send(BUSY)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self.free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that broke: a tab was closed. Anything else is a bug of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class ConnectionReader(io.RawIOBase):
    """What a connection sends, until a deadline for the whole of each request.

    A socket's own timeout starts again with every byte, so a slow sender would keep its thread for ever.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.next_request()

    def next_request(self) -> None:
        """Wait IDLE_S for a first byte, and REQUEST_S from then on."""
        self.deadline, self.begun = time.monotonic() + IDLE_S, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self.deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the request took too long")
        self.connection.settimeout(left_s)
        count = self.connection.recv_into(buffer)
        if not self.begun:
            self.deadline, self.begun = time.monotonic() + REQUEST_S, True
        return count


class Handler(BaseHTTPRequestHandler):
    """One connection of a browser."""

    protocol_version = "HTTP/1.1"  # one connection for all frames
    server_version, sys_version = "ohlora", ""
    disable_nagle_algorithm = True  # a frame is a small answer somebody waits for
    wbufsize = -1  # head and body in one piece

    @property
    def owner(self) -> LiveServer:
        return cast(LiveServer, self.server)

    def setup(self) -> None:
        super().setup()
        self.reader = ConnectionReader(self.connection)
        self.rfile = io.BufferedReader(self.reader)

    def handle_one_request(self) -> None:
        self.reader.next_request()
        super().handle_one_request()

    def do_GET(self) -> None:
        if not self.trusted():
            return
        try:
            url = urlsplit(self.path)
        except ValueError:  # such as http://[::1/
            return self.refuse(HTTPStatus.BAD_REQUEST, "not an address")
        if url.path in PAGES:
            name, kind = PAGES[url.path]
            self.answer(HTTPStatus.OK, kind, page(name))
        elif url.path == "/about":
            self.answer_json(HTTPStatus.OK, {**self.owner.live_face.about(), "language": self.owner.language})
        elif url.path == "/frame":
            after = parse_qs(url.query).get("after", ["-1"])[0]
            known = int(after) if after.isdecimal() and len(after) < 16 else -1
            number, jpeg = self.owner.live_face.frame(known)
            self.answer(HTTPStatus.OK, "image/jpeg", jpeg, {"X-Frame": str(number)})
        else:
            self.answer_json(HTTPStatus.NOT_FOUND, {"error": "nothing here"})

    def do_POST(self) -> None:
        if not self.trusted():
            return
        length = self.headers.get("Content-Length", "")
        if self.path != "/wish":
            self.refuse(HTTPStatus.NOT_FOUND, "nothing here")
        elif self.headers.get_content_type() != "application/json":
            # Anything else a page of another site could send without asking first.
            self.refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a wish is application/json")
        elif not length.isdecimal() or len(length) > 9 or int(length) > LARGEST_WISH:
            self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a wish has at most {LARGEST_WISH} bytes")
        else:
            self.answer_json(*self.granted(self.rfile.read(int(length))))

    def granted(self, body: bytes) -> tuple[HTTPStatus, Any]:
        """Do what is wished for; status and content of the answer."""
        try:
            wish = json.loads(body)
            json.dumps(wish, ensure_ascii=False).encode()  # half a surrogate pair is no text
            return HTTPStatus.OK, self.owner.live_face.wish(wish)
        except OhloraError as error:
            return HTTPStatus.BAD_REQUEST, {"error": str(error)}
        except (ValueError, RecursionError):  # not JSON, or not Unicode
            return HTTPStatus.BAD_REQUEST, {"error": "a wish is a JSON object"}

    def trusted(self) -> bool:
        """Whether this server's own page, or no page at all, asks; answers where not."""
        hosts, origin = self.headers.get_all("Host", []), self.headers.get("Origin")
        ours = len(hosts) == 1 and hosts[0].lower() in self.owner.hosts
        ours &= origin is None or origin in {f"http://{host}" for host in self.owner.hosts}
        ours &= self.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")
        if not ours:
            self.refuse(HTTPStatus.FORBIDDEN, f"only for {self.owner.url}")
        return ours

    def refuse(self, status: HTTPStatus, why: str) -> None:
        """Answer without having read what was sent, so the connection cannot go on."""
        self.close_connection = True
        self.answer_json(status, {"error": why})

    def answer_json(self, status: HTTPStatus, content: Any) -> None:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        self.answer(status, "application/json; charset=utf-8", text.encode())

    def answer(self, status: HTTPStatus, kind: str, body: bytes, extra: dict[str, str] | None = None) -> None:
        self.connection.settimeout(REQUEST_S)
        self.send_response(status)
        length = {"Content-Type": kind, "Content-Length": str(len(body))}
        for name, value in {**HEADERS, **length, **(extra or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # a tab that was closed
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Thirty lines a second help nobody."""


def open_server(job: Live) -> LiveServer:
    """The server, not yet serving."""
    generator, person = people.cast(job, job.face)
    live_face = LiveFace(generator, person, job.expressions, job.ombre, job.seed, job.fps)
    live_face.frame(-1)  # the first one takes longest
    return LiveServer(live_face, job.port, job.language)


def serve(job: Live) -> None:
    """Print the address and serve."""
    with open_server(job) as server:
        print(f"Oh-LoRA: {server.url}  (Ctrl-C ends)", flush=True)
        server.serve_forever()


@cache
def page(name: str) -> bytes:
    """A file of the page."""
    return files("ohlora.face.acting").joinpath("page", name).read_bytes()
