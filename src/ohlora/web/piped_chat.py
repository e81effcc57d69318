"""Has a conversation at the other end of a pipe, with the same answerer, memory and checks as the terminal's.

{"do": "begin" | "say" | "memory" | "forget" | "erase" | "export", "number": n, ...}: each is answered by
{"event": "answer", "number": n, "content" or "error": ...} once it is done. In the meantime a line is told
as it was read ("asked"), her reply in pieces ("piece") and whole, with her mood and what she remembered
("said"). A line that was refused, or whose reply {"do": "stop"} ended, is not kept ("unsaid"). "begun" has
the turns that are kept, and comes again when some have been deleted.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Generator, Mapping
from contextlib import closing
from typing import Any

from ohlora.chat.answerer import Answerer
from ohlora.chat.causal import CausalAnswerer
from ohlora.chat.conversation import LONGEST_LINE, Conversation, Said, checked_line
from ohlora.chat.fact import Fact
from ohlora.chat.store import Turn
from ohlora.chat.terminal import forget
from ohlora.errors import OhloraError
from ohlora.web.chat_job import Converse
from ohlora.web.phrases import Phrased, told
from ohlora.web.pipe import Pipe

TURNS = 50  # shown of earlier conversations


def converse(job: Converse) -> None:
    """Answer one request after the other until standard input ends."""
    pipe = Pipe()
    with pipe.starting(), job.conversation() as conversation:
        talker = Talker(conversation, job.answerer, pipe)
        while True:
            try:
                request = pipe.next()
            except EOFError:
                return
            except KeyboardInterrupt:  # "stop", with nothing to be stopped
                continue
            pipe.say("answer", number=request.get("number"), **talker.answer(request))


class Talker:
    """Does what a request asks for."""

    def __init__(self, conversation: Conversation, answerer: Answerer, pipe: Pipe) -> None:
        self.conversation, self.answerer, self.pipe = conversation, answerer, pipe
        self.store = conversation.store
        self.acts = {
            "begin": self.begin,
            "say": self.say,
            "memory": self.memory,
            "forget": self.forget,
            "erase": self.erase,
            "export": self.export,
        }

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            if request.get("language") in ("ko", "en"):
                self.conversation.language = request["language"]
            return {"content": self.acts[request["do"]](request)}
        except OhloraError as error:
            return told(error)
        except Exception:  # a bug of ours: the next request may still go well
            traceback.print_exc(file=sys.stderr)
            return told(Phrased(("bug", {})))

    def begin(self, request: Mapping[str, Any]) -> dict[str, Any]:
        turns = [shown(turn) for turn in self.store.turns(last=TURNS)]
        self.pipe.say(
            "begun",
            hello=self.answerer.hello(self.conversation.language).removeprefix("Oh-LoRA: "),
            turns=turns,
            longest=LONGEST_LINE,
            file=str(self.store.path),
        )
        if isinstance(self.answerer, CausalAnswerer):
            self.answerer.prepare()
        return {}

    def say(self, request: Mapping[str, Any]) -> dict[str, Any]:
        line = str(request["line"])
        self.pipe.say("asked", user=checked_line(line))
        said = None
        try:
            said = self._stream(self.conversation.say(line))
        finally:
            if said is None:  # nothing of it is kept
                self.pipe.say("unsaid")
        if said is None:
            return {}
        self.pipe.say(
            "said",
            user=said.user,
            reply=said.answer.reply,
            topic=said.topic,
            mood=said.mood.name,
            intensity=said.mood.intensity,
            remembered=[fact.line for fact in said.remembered],
        )
        return {}

    def _stream(self, pieces: Generator[str, None, Said]) -> Said | None:
        """The turn once it is kept; None where it was stopped before."""
        with closing(pieces):
            while not self.pipe.stopped():
                try:
                    piece = next(pieces)
                except StopIteration as end:
                    return end.value
                if piece:
                    self.pipe.say("piece", text=piece)
        return None

    def memory(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "facts": [described(fact) for fact in self.store.facts()],
            "turns": len(self.store.turns()),
            "battles": len(self.store.battles()),
            "file": str(self.store.path),
        }

    def forget(self, request: Mapping[str, Any]) -> dict[str, Any]:
        forget(self.store, str(request.get("key", "")))
        self.begin(request)
        return self.memory(request)

    def erase(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.store.erase()
        self.begin(request)
        return self.memory(request)

    def export(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self.store.export())


def shown(turn: Turn) -> dict[str, Any]:
    """A turn that is kept, as the page shows it."""
    return {"user": turn.user, "reply": turn.reply, "at": turn.said_at.isoformat(timespec="seconds")}


def described(fact: Fact) -> dict[str, Any]:
    """A fact as the page shows it; times with their zone."""
    ends = fact.expires_at and fact.expires_at.isoformat(timespec="seconds")
    told = fact.told_at.isoformat(timespec="seconds")
    return {"key": fact.key, "value": fact.value, "told_at": told, "expires_at": ends}
