"""Her face alone: python -m ohlora live."""

from __future__ import annotations

from starlette.applications import Starlette

from ohlora.errors import OhloraError
from ohlora.face.acting import person as people
from ohlora.face.acting.live_face import LiveFace
from ohlora.web.face_routes import live_routes
from ohlora.web.live import Live
from ohlora.web.requests import refused
from ohlora.web.server import LocalServer, listening


def open_server(job: Live) -> LocalServer:
    """The server, not yet serving."""
    face = live_face(job)
    draw = face.scene if face.has_scenes else face.frame  # what the page will ask for
    draw(-1)  # the first one takes longest

    async def find() -> LiveFace:
        return face

    app = Starlette(routes=live_routes(find, job.language, "/"), exception_handlers={OhloraError: refused})
    return LocalServer(app, listening(job.port))


def live_face(job: Live) -> LiveFace:
    generator, person = people.cast(job, job.face)
    return LiveFace(generator, person, job.expressions, job.ombre, job.seed, job.fps)


def serve(job: Live) -> None:
    """Print the address and serve."""
    with open_server(job) as server:
        print(f"Oh-LoRA: {server.url}  (Ctrl-C ends)", flush=True)
        server.serve_forever()
