"""The files of the pages, as they travel with the package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

KINDS = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json; charset=utf-8",
}


@cache
def page(name: str) -> bytes:
    """A file of the pages."""
    return files("ohlora.web").joinpath("page", *name.split("/")).read_bytes()


def file_route(path: str, name: str) -> Route:
    """Serves one file of the pages, and nothing else of that folder."""

    async def send(request: Request) -> Response:
        return Response(page(name), media_type=KINDS[name.rpartition(".")[2]])

    return Route(path, send)
