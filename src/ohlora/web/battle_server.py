"""The battle and the chat in a browser: routes over sessions, and her face's own page beside them."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import MaxLen
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ohlora.battle.contestants.human_file import PlayerName
from ohlora.battle.match import Seed
from ohlora.composition import job_of
from ohlora.config import config
from ohlora.errors import OhloraError, nearest
from ohlora.web.battle_job import ServeBattle
from ohlora.web.events import EventLog
from ohlora.web.face_routes import known_frame, live_routes, send_frame, wants_scene
from ohlora.web.game import GIVEN, describe_game, offered
from ohlora.web.history import History
from ohlora.web.pages import file_route
from ohlora.web.phrases import told
from ohlora.web.requests import Refused, pieces, read_object, refused
from ohlora.web.server import LocalServer, listening
from ohlora.web.sessions import Session, Sessions
from ohlora.web.uploads import MB, UploadLimits, unpack

if TYPE_CHECKING:
    from ohlora.face.acting.live_face import LiveFace

LARGEST_REQUEST = 8192  # bytes
UPLOAD_S = 600.0  # for the whole of one
ROWS = 50  # of history and leaderboard
FILES = re.compile(r"card\.png|ohlora\.gif|class_[0-9]{1,4}\.png")
LARGEST_LINE = 2**19  # bytes of the JSON with a line of the chat: one of 100 kB is told that it is too long
SCRIPTS = ("battle", "chat", "curves", "form", "looks", "result", "session", "theme", "words", "zip")
PAGE_FILES = (
    *("battle.css", "chat.css", "words.json", "vendor/uPlot.js", "vendor/uPlot.css"),
    *(f"{name}.js" for name in SCRIPTS),
)


@config
class LookRequest:
    """A match that a page asks for."""

    language: Literal["ko", "en"]
    dataset: Annotated[str, MaxLen(100)] | None = None
    upload: bool = False
    seed: Seed | None = None
    name: PlayerName = "you"


@config
class TalkRequest:
    """What a page asks of the conversation."""

    language: Literal["ko", "en"]
    line: str | None = None  # to say
    key: str | None = None  # to forget; None: everything


class EventStream(Response):
    """A session's events until its page goes, which is noticed at once."""

    def __init__(self, events: EventLog, after: int) -> None:
        super().__init__(media_type="text/event-stream")
        del self.headers["content-length"]
        self.events, self.after = events, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(self._leave(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:  # also where the request itself is cancelled, as at the server's end
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        async with aclosing(self.events.stream(self.after)) as stream:
            async for piece in stream:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _leave(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


class BattleApp:
    """One server's sessions, history and faces, and the answers to requests."""

    def __init__(self, job: ServeBattle) -> None:
        self.job = job
        self.history = History(Path(job.history))
        self.history.check()
        job.narrator.check()
        self.limits = UploadLimits(job.web.unpacked_mb, job.web.images, job.web.megapixels)
        self.sessions = Sessions(
            most=job.web.players,
            at_once=job.web.matches,
            settings=job.words,
            chat=job.chat_words,
            folder=Path(tempfile.mkdtemp(prefix="ohlora-")),
            matches=Path(job.output_dir).absolute(),
            keep=self.keep,
        )
        self._cast: Any = None
        self._casting = asyncio.Lock()
        self._live: LiveFace | None = None

    def routes(self) -> list[Route]:
        def at(place: str, answer: Any, method: str = "GET") -> Route:
            return Route(f"/sessions/{{name}}{place}", answer, methods=[method])

        return [
            file_route("/", "battle.html"),
            file_route("/battle", "battle.html"),
            file_route("/chat", "chat.html"),
            *(file_route(f"/{name}", name) for name in PAGE_FILES),
            *live_routes(self.live_face, self.job.language, "/live"),
            Route("/game", self.game),
            Route("/spoken", self.spoken),
            Route("/history", self.played),
            Route("/sessions", self.open, methods=["POST"]),
            at("/alive", self.alive),
            at("/events", self.events),
            at("/look", self.look, "POST"),
            at("/leave", self.leave, "POST"),
            at("/upload", self.upload, "POST"),
            at("/fight", self.fight, "POST"),
            at("/enough", self.enough, "POST"),
            at("/stop", self.stop, "POST"),
            at("/frame", self.frame),
            at("/talk", self.talk),
            at("/say", self.say, "POST"),
            at("/hush", self.hush, "POST"),
            at("/memory", self.memory),
            at("/forget", self.forget, "POST"),
            at("/memory.json", self.export),
            at("/files/{file}", self.file),
        ]

    def session(self, request: Request) -> Session:
        return self.sessions.find(request.path_params["name"])

    async def game(self, request: Request) -> Response:
        return JSONResponse(describe_game(self.job))

    async def spoken(self, request: Request) -> Response:
        """The language to begin with, for a page that needs nothing else of the game."""
        return JSONResponse({"language": self.job.language})

    async def played(self, request: Request) -> Response:
        protocol = self.job.protocol.fingerprint
        latest = await asyncio.to_thread(self.history.latest, protocol, ROWS)
        leaders = await asyncio.to_thread(self.history.leaders, protocol, ROWS)
        return JSONResponse({"latest": latest, "leaders": leaders})

    def keep(self, result: dict[str, Any]) -> dict[str, Any]:
        """Put a match into the history; one that cannot be written is still shown."""
        try:
            self.history.add(result)
        except OhloraError as error:
            return {"not_kept": told(error)}
        return {}

    async def open(self, request: Request) -> Response:
        await read_object(request, LARGEST_REQUEST)  # that it is JSON shows it is no form of another site
        return JSONResponse({"session": self.sessions.open().name})

    async def alive(self, request: Request) -> Response:
        self.session(request)
        return JSONResponse({})

    async def events(self, request: Request) -> Response:
        session = self.session(request)
        session.start_process()  # takes a while, and the player still reads
        return EventStream(session.events, known_event(request))

    async def talk(self, request: Request) -> Response:
        """The events of the conversation, which begins with them."""
        session = self.session(request)
        session.talk.start(spoken(request))
        return EventStream(session.talk.events, known_event(request))

    async def say(self, request: Request) -> Response:
        """Say a line; answered when her reply is whole, which the events have piece by piece."""
        session = self.session(request)
        asked = TalkRequest(**await read_object(request, LARGEST_LINE))
        session.mood("thinking")
        return JSONResponse(await session.talk.ask("say", asked.language, line=asked.line or ""))

    async def hush(self, request: Request) -> Response:
        """End the reply that is being written; the events tell when it is."""
        session = self.session(request)
        await read_object(request, LARGEST_REQUEST)
        session.hush()
        return JSONResponse({})

    async def memory(self, request: Request) -> Response:
        return JSONResponse(await self.session(request).talk.ask("memory", spoken(request)))

    async def forget(self, request: Request) -> Response:
        """Delete one fact for good, or everything; answered with what is left."""
        session = self.session(request)
        asked = TalkRequest(**await read_object(request, LARGEST_REQUEST))
        if asked.key is None:
            return JSONResponse(await session.talk.ask("erase", asked.language))
        return JSONResponse(await session.talk.ask("forget", asked.language, key=asked.key))

    async def export(self, request: Request) -> Response:
        """Everything that is kept, as a file to save."""
        content = await self.session(request).talk.ask("export", spoken(request))
        text = json.dumps(content, ensure_ascii=False, indent=2)
        named = {"Content-Disposition": 'attachment; filename="ohlora-memory.json"'}
        return Response(text, media_type="application/json", headers=named)

    async def look(self, request: Request) -> Response:
        session, asked = self.session(request), LookRequest(**await read_object(request, LARGEST_REQUEST))
        if asked.upload and session.upload is None:
            raise Refused(409, ("no_upload", {}))
        names = offered(self.job)
        if not asked.upload and asked.dataset not in names:
            raise OhloraError(
                f"dataset={asked.dataset} is not one of {' | '.join(names)}{nearest(asked.dataset, names)}",
                ("unknown_dataset", {"name": str(asked.dataset), "names": " | ".join(names)}),
            )
        session.look(
            {
                "dataset": None if asked.dataset == GIVEN else asked.dataset,
                "upload": session.upload.as_posix() if asked.upload and session.upload else None,
                "seed": asked.seed,
                "name": asked.name,
                "language": asked.language,
            },
            {"dataset": asked.dataset, "upload": asked.upload},
        )
        return JSONResponse({})

    async def leave(self, request: Request) -> Response:
        await read_object(request, LARGEST_REQUEST)
        self.session(request).leave()
        return JSONResponse({})

    async def upload(self, request: Request) -> Response:
        """Take a zip and unpack it; what it holds instead of the upload before it, once it is right."""
        session = self.session(request)
        if session.busy:
            raise Refused(409, ("busy", {}))
        session.busy = True
        try:
            place = session.new_upload_place()
            root = await self.unpacked(request, place)
            await session.take_upload(root, place)
        finally:
            session.busy = False
        return JSONResponse({"name": root.name})

    async def unpacked(self, request: Request, place: Path) -> Path:
        """The folder of class folders of the zip that is sent; `place` is gone where it is not right."""
        archive = place / "upload.zip"
        most = self.job.web.upload_mb * MB
        stem = re.sub(r"\W+", "_", Path(request.query_params.get("name", "")).stem)[:40].strip("_")
        try:
            with archive.open("wb") as file:
                async for piece in pieces(request, "application/zip", most, UPLOAD_S):
                    await asyncio.to_thread(file.write, piece)
            root = await asyncio.to_thread(unpack, archive, place / (stem or "images"), self.limits)
            archive.unlink()
        except BaseException:  # also where the page has gone meanwhile
            await asyncio.to_thread(shutil.rmtree, place, True)
            raise
        return root

    async def fight(self, request: Request) -> Response:
        session, asked = self.session(request), await read_object(request, LARGEST_REQUEST)
        params = asked.get("params")
        session.fight(self.job.space.check(params if isinstance(params, dict) else {}))
        return JSONResponse({})

    async def enough(self, request: Request) -> Response:
        await read_object(request, LARGEST_REQUEST)
        self.session(request).enough()
        return JSONResponse({})

    async def stop(self, request: Request) -> Response:
        await read_object(request, LARGEST_REQUEST)
        await self.session(request).stop()
        return JSONResponse({})

    async def file(self, request: Request) -> Response:
        folder, name = self.session(request).match_folder, request.path_params["file"]
        if folder is None or not FILES.fullmatch(name) or not (folder / name).is_file():
            raise Refused(404, ("nothing_here", {}))
        return FileResponse(folder / name)

    async def frame(self, request: Request) -> Response:
        session = self.session(request)
        if session.face is None:
            session.face = await self.new_face(self.job.web.face_fps)
        return await send_frame(session.face, known_frame(request), wants_scene(request))

    async def live_face(self) -> LiveFace:
        """The one of her own page."""
        if self._live is None:
            self._live = await self.new_face(self.job.live.fps)
        return self._live

    async def new_face(self, fps: float) -> LiveFace:
        """Her, in nobody's mood yet; what draws her is loaded once."""
        async with self._casting:
            return await asyncio.to_thread(self._new_face, fps)

    def _new_face(self, fps: float) -> LiveFace:
        from ohlora.face.acting import person as people  # torch: the first page is there before it
        from ohlora.face.acting.live_face import LiveFace

        live = self.job.live
        if self._cast is None:
            self._cast = people.cast(live, live.face)
        generator, person = self._cast
        return LiveFace(generator, person, live.expressions, live.ombre, live.seed, fps)


def known_event(request: Request) -> int:
    """The number of the last event that a page has, 0 for none."""
    after = request.headers.get("Last-Event-ID", "0")
    return int(after) if after.isascii() and after.isdecimal() and len(after) < 16 else 0


def spoken(request: Request) -> str:
    """The language of a page."""
    return "ko" if request.query_params.get("language") == "ko" else "en"


def open_server(job: ServeBattle) -> LocalServer:
    """The server, not yet serving."""
    opened = listening(job.port)
    try:
        battle = BattleApp(job)
    except BaseException:
        opened.close()
        raise
    app = Starlette(routes=battle.routes(), exception_handlers={OhloraError: refused})
    return LocalServer(app, opened, battle.sessions.close)


def serve(job: ServeBattle) -> None:
    """Print the address and serve."""
    if job.page == "chat" or job.chat:  # what is asked for is checked first; else its page tells
        job_of("chat", [word for word in job.chat_words if not word.startswith("-")]).check()
    with open_server(job) as server:
        address = f"{server.url}{'chat' if job.page == 'chat' else ''}"
        print(f"Oh-LoRA: {address}  (Ctrl-C ends)", flush=True)
        server.serve_forever()
