"""Her live face over HTTP: frames on request, wishes by POST.

Frames are asked for one by one, so a browser that is slow, hidden or gone costs nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ohlora.web.pages import file_route
from ohlora.web.requests import read_json

if TYPE_CHECKING:
    from ohlora.face.acting.live_face import LiveFace

LARGEST_WISH = 4096  # bytes
Find = Callable[[], "Awaitable[LiveFace]"]


def known_frame(request: Request) -> int:
    """The number of the frame that the page has, -1 for none."""
    after = request.query_params.get("after", "")
    return int(after) if after.isascii() and after.isdecimal() and len(after) < 16 else -1


def wants_scene(request: Request) -> bool:
    """Whether the page can draw a vector scene itself."""
    return request.query_params.get("as") == "scene"


async def send_frame(face: LiveFace, after: int, as_scene: bool = False) -> Response:
    """The newest frame, later than `after`: a JPEG, or a scene where that is wanted and there is one."""
    if as_scene and face.has_scenes:
        number, scene = await run_in_threadpool(face.scene, after)
        return Response(scene, media_type="application/json", headers={"X-Frame": str(number)})
    number, jpeg = await run_in_threadpool(face.frame, after)
    return Response(jpeg, media_type="image/jpeg", headers={"X-Frame": str(number)})


def live_routes(find: Find, language: str, at: str) -> list[Route]:
    """Her face's own page at `at`, with sliders, moods and a line to say."""

    async def about(request: Request) -> Response:
        return JSONResponse({**(await find()).about(), "language": language})

    async def frame(request: Request) -> Response:
        return await send_frame(await find(), known_frame(request), wants_scene(request))

    async def wish(request: Request) -> Response:
        return JSONResponse((await find()).wish(await read_json(request, LARGEST_WISH)))

    return [
        file_route(at, "live.html"),
        *(file_route(f"/{name}", name) for name in ("live.js", "live.css", "face.js", "browser.js")),
        Route("/about", about),
        Route("/frame", frame),
        Route("/wish", wish, methods=["POST"]),
    ]
