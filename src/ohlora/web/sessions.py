"""A session is one page of one player: its matches, its conversation, its face, its upload.

It lives as long as its page does. Everything here runs on the server's event loop.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ohlora.battle.result import MATCH_FILE
from ohlora.face.acting.expression import NEUTRAL
from ohlora.face.acting.speech import LONGEST
from ohlora.space import Params
from ohlora.web.events import EventLog
from ohlora.web.piped_process import PipedProcess, chat_command, match_command
from ohlora.web.requests import Refused
from ohlora.web.talk import Talk
from ohlora.web.training_queue import TrainingQueue

if TYPE_CHECKING:
    from ohlora.face.acting.live_face import LiveFace

GONE_S = 4.0  # without its stream: the page was closed, and not only loaded again
NEW_S = 20.0  # until a new session's page must listen
LOOK_EVERY_S = 0.5
AHEAD = 0.02  # validation macro-F1
MOOD_S = 4.0  # between moods while networks train
LOGGED_S = 90.0  # at most, until what is left of a match is logged: W&B may have lost its network

# idle: no match; looking: the images are read; choosing: the player's turn; waiting: for room to train
Stage = Literal["idle", "looking", "choosing", "waiting", "training", "scoring"]
# Her mood at what happens, by event; at the end the verdict says it.
MOODS = {"subset": "thinking", "sealed": "proud", "training": "thinking"}


@dataclass(eq=False)
class Session:
    """One player's page."""

    sessions: Sessions
    name: str  # hard to guess: who knows it plays
    folder: Path  # deleted with it
    events: EventLog = field(default_factory=EventLog)
    stage: Stage = "idle"
    process: PipedProcess | None = None
    upload: Path | None = None  # a folder of class folders
    uploads: int = 0  # so far
    face: LiveFace | None = None
    match_folder: Path | None = None
    attempt: Params | None = None  # that waits to be trained
    attempts: int = 0  # asked for in this match
    last_heard: float = field(default_factory=time.monotonic)
    busy: bool = False  # an upload is on its way
    talk: Talk = field(init=False)
    val_f1: dict[str, float] = field(default_factory=dict)  # of each side that trains, the last
    mood_at: float = 0.0
    logging: bool = False  # the process closes the logs of the match before

    def __post_init__(self) -> None:
        folder = (self.folder / "chat").as_posix()
        self.talk = Talk(chat_command(self.sessions.chat, folder), self.reply)

    @property
    def listened_to(self) -> bool:
        """Whether a page of it is open."""
        return self.events.heard or self.talk.events.heard

    def start_process(self) -> PipedProcess:
        """The process that plays, started where there is none."""
        if self.process is None:
            words = match_command(self.sessions.settings, (self.folder / "run").as_posix())
            self.process = PipedProcess(words, self.heard)
        return self.process

    def look(self, request: dict[str, Any], asked: dict[str, Any]) -> None:
        """Begin a match; `asked` is how the page asks for it again."""
        self.let_go()
        self.stage, self.attempts, self.val_f1 = "looking", 0, {}
        self.match_folder = self.sessions.new_match_folder()
        self.events.add("looking", {"match": self.match_folder.name, "asked": asked})
        self.mood("thinking")
        self.start_process().ask(do="play", folder=self.match_folder.as_posix(), **request)

    def leave(self) -> None:
        """Go back to the datasets, also for a page that is loaded again."""
        self.let_go()
        self.stage = "idle"
        self.mood(NEUTRAL)
        self.events.add("left", {})

    def let_go(self) -> None:
        """Keep nothing of the match that is over, or of which nothing was trained yet."""
        self.need("idle", "choosing")
        if self.stage == "choosing":
            if self.attempts:
                raise Refused(409, ("match_is_on", {}))
            self.start_process().ask(do="stop")
        self.drop_unfinished()
        self.events.forget()

    def fight(self, params: Params) -> None:
        """Have an attempt trained as soon as there is room."""
        self.need("choosing")
        self.stage, self.attempt = "waiting", params
        self.attempts += 1
        self.events.add("attempt", {"number": self.attempts, "params": params})
        self.sessions.queue.join(self)

    def enough(self) -> None:
        """No second attempt."""
        self.need("choosing")
        if self.attempts == 0:
            raise Refused(409, ("no_attempt", {}))
        self.stage = "scoring"
        self.start_process().ask(do="enough")

    async def stop(self) -> None:
        """End the match: without a result, or with that of the first attempt where it is trained."""
        if self.stage in ("idle", "scoring"):
            return
        if self.stage == "training" and self.attempts == 2:
            self.start_process().ask(do="stop")
        elif self.stage == "waiting" and self.attempts == 2:
            self.sessions.queue.leave(self)
            self.stage = "choosing"
            self.enough()
        elif self.stage == "choosing" and self.attempts == 1:
            self.enough()
        else:
            await self.end_process()
            self.reset("stopped", {})

    def need(self, *stages: Stage) -> None:
        if self.stage not in stages:
            raise Refused(409, ("not_now", {"stage": self.stage}))

    def turn(self) -> None:
        """There is room: the attempt is trained now."""
        self.stage = "training"
        self.events.add("turn", {})
        self.start_process().ask(do="attempt", params=self.attempt)

    def waits(self, place: int) -> None:
        self.events.add("waiting", {"place": place, "training": len(self.sessions.queue.training)})

    def heard(self, event: dict[str, Any]) -> None:
        """What the process says, told to the page."""
        kind = event.pop("event")
        if kind in ("result", "logged", "failed", "ended"):
            self.logging = kind == "result"
        if kind in ("ready", "logged"):
            return
        if kind in ("failed", "stopped", "ended"):
            if kind == "ended":
                self.process = None
            if self.stage in ("idle", "looking") and kind == "stopped":
                return  # a match that was let go
            self.reset(kind, event)
            return
        if kind == "sealed":
            self.stage = "choosing"
        if kind == "trained":
            self.sessions.queue.leave(self)
            self.stage = "choosing" if event["number"] == 1 else "scoring"
        if kind == "scoring":
            self.sessions.queue.leave(self)
            self.stage = "scoring"
        if kind == "result":
            self.stage = "idle"
            event |= self.sessions.keep(event)
            self.feel(event["verdicts"][event["best"] - 1], event["line"])
        elif kind in MOODS:
            self.mood(MOODS[kind])
        elif kind == "progress":
            self.follow(event)
        self.events.add(kind, event)

    def reset(self, kind: str, event: dict[str, Any]) -> None:
        """The match is over without a result."""
        self.sessions.queue.leave(self)
        self.stage = "idle"
        self.drop_unfinished()
        self.mood(NEUTRAL)
        self.events.add(kind, event)

    def drop_unfinished(self) -> None:
        """Delete the folder of a match without a result: it holds the player's images, made small.

        The process is not at work on it any more.
        """
        if self.match_folder is not None and not (self.match_folder / MATCH_FILE).exists():
            shutil.rmtree(self.match_folder, ignore_errors=True)

    def mood(self, mood: str) -> None:
        if self.face is not None:
            self.face.wish({"mood": mood})

    def follow(self, progress: dict[str, Any]) -> None:
        """Her mood by who is ahead on the validation images."""
        for point in progress["points"]:
            self.val_f1[progress["who"]] = point["val_f1"]
        if not progress["points"] or time.monotonic() - self.mood_at < MOOD_S or len(self.val_f1) < 2:
            return
        self.mood_at = time.monotonic()
        lead = self.val_f1["ohlora"] - self.val_f1["human"]
        self.mood("happy" if lead > AHEAD else "surprised" if lead < -AHEAD else "thinking")

    def feel(self, verdict: str, line: str) -> None:
        """Take the end of a match, and say a line of it."""
        if self.face is not None:
            self.speak(line, self.face.expressions.mood(verdict))

    def hush(self) -> None:
        """End the reply that is being written."""
        self.talk.stop()
        self.mood(NEUTRAL)

    def reply(self, said: dict[str, Any]) -> None:
        """Say a reply of the conversation."""
        self.speak(said["reply"], said["mood"], said["intensity"])

    def speak(self, line: str, mood: str, intensity: float = 1.0) -> None:
        """Say a line in a mood."""
        if self.face is not None:
            self.face.wish({"mood": mood, "intensity": intensity, "say": line[:LONGEST]})

    def new_upload_place(self) -> Path:
        """An empty folder for what is uploaded."""
        self.uploads += 1
        place = self.folder / "uploads" / str(self.uploads)
        place.mkdir(parents=True)
        return place

    async def take_upload(self, root: Path, place: Path) -> None:
        """Play on `root` from now on; what else was uploaded is deleted, unless it is being read."""
        self.upload = root
        if self.stage != "looking":
            for other in {*place.parent.iterdir()} - {place}:
                await asyncio.to_thread(shutil.rmtree, other, True)

    async def end_process(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            await process.end(LOGGED_S if self.logging else 0)
            self.logging = False

    async def end(self) -> None:
        """Leave nothing running and nothing on disk but finished matches."""
        self.events.close()
        self.sessions.queue.leave(self)
        try:
            await asyncio.gather(self.end_process(), self.talk.end())
        finally:  # also where the server's end is hurried
            self.drop_unfinished()
            await asyncio.to_thread(shutil.rmtree, self.folder, True)


class Sessions:
    """All sessions of a server, and what they share."""

    def __init__(
        self,
        most: int,
        at_once: int,
        settings: Sequence[str],
        chat: Sequence[str],
        folder: Path,
        matches: Path,
        keep: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> None:
        self.most, self.settings, self.chat = most, settings, chat
        self.folder, self.matches = folder, matches
        self.keep = keep
        self.queue: TrainingQueue[Session] = TrainingQueue(
            at_once, lambda who: who.turn(), lambda who, place: who.waits(place)
        )
        self.all: dict[str, Session] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._numbers = 0
        self._watch: asyncio.Task[None] | None = None

    def open(self) -> Session:
        """A new session."""
        if len(self.all) >= self.most:
            raise Refused(503, ("full", {"most": self.most}))
        name = secrets.token_urlsafe(18)
        folder = self.folder / secrets.token_hex(8)
        folder.mkdir(parents=True)
        session = self.all[name] = Session(self, name, folder)
        session.last_heard += NEW_S - GONE_S
        if self._watch is None:
            self._watch = asyncio.create_task(self._end_those_gone())
        return session

    def find(self, name: str) -> Session:
        if name not in self.all:
            raise Refused(404, ("page_gone", {}))
        return self.all[name]

    def new_match_folder(self) -> Path:
        while True:
            self._numbers += 1
            folder = self.matches / f"{self._numbers:03d}"
            if not folder.exists():
                return folder

    async def close(self) -> None:
        """End every session; cancelled, without waiting for logs."""
        if self._watch is not None:
            self._watch.cancel()
        for session in list(self.all.values()):
            self._end(session)
        try:
            await asyncio.gather(*self._ending, return_exceptions=True)
        finally:
            await asyncio.to_thread(shutil.rmtree, self.folder, True)

    def _end(self, session: Session) -> None:
        del self.all[session.name]
        task = asyncio.create_task(session.end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end_those_gone(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            for session in list(self.all.values()):
                if session.listened_to:
                    session.last_heard = now
                elif now - session.last_heard > GONE_S and not session.busy:
                    self._end(session)
