"""The chat of the server over HTTP, with a real process that talks: streamed replies, memory, refusals."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from tests.web.serving import serving

from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.web.battle_server import BattleApp
from ohlora.web.requests import refused
from ohlora.web.server import LocalServer, listening
from ohlora.web.talk import Talk

QUICK = (
    *("ui=web", "port=0", "dataset=digits", "resolution=32"),
    *("job.settings=[]", "job.config_sources=[]", "job.challenger=human"),
)


class Site:
    """A running server, what lies behind it, and one page of it."""

    def __init__(self, app: BattleApp, server: LocalServer) -> None:
        self.app, self.server = app, server
        self.name = self.ask("POST", "/sessions", {})[1]["session"]
        self.at = f"/sessions/{self.name}"
        self.stream = self.listen()

    def ask(self, method: str, path: str, content: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        body = None if content is None else json.dumps(content)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        kind, got = answer.headers.get("Content-Type", ""), answer.read()
        connection.close()
        return answer.status, json.loads(got) if kind.startswith("application/json") else got

    def listen(self) -> Generator[dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        connection.request("GET", f"{self.at}/talk?language=en")
        with closing(connection), connection.getresponse() as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    def until(self, kind: str) -> list[dict[str, Any]]:
        """Events up to the next of a kind."""
        found = []
        for event in self.stream:
            found.append(event)
            if event["event"] == kind:
                return found
        raise AssertionError(f"no {kind} after {found}")

    def say(self, line: str, language: str = "en") -> list[dict[str, Any]]:
        status, content = self.ask("POST", f"{self.at}/say", {"language": language, "line": line})
        assert (status, content) == (200, {})
        return self.until("said")


@pytest.fixture(scope="module")
def site(composed: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("chat")
    chat = f"chat='memory_file={folder}/memory.sqlite paths.output_dir={folder}'"
    app = BattleApp(build(composed("battle", *QUICK, chat, f"paths.history={folder}/matches.sqlite").job))
    starlette = Starlette(routes=app.routes(), exception_handlers={OhloraError: refused})
    with serving(LocalServer(starlette, listening(0), app.sessions.close)) as server:
        opened = Site(app, server)
        yield opened
        opened.stream.close()


@pytest.mark.slow
def test_a_line_is_answered_in_pieces_and_whole(site: Site) -> None:
    (begun,) = site.until("begun")
    assert begun["hello"]
    assert not begun["turns"]
    asked, *pieces, said = site.say("my dog is <b>called</b> \x1b[31mBiscuit")
    assert asked == {"event": "asked", "user": "my dog is ‹b›called‹/b› (31mBiscuit"}
    assert [one["event"] for one in pieces] == ["piece"] * len(pieces)
    assert "".join(one["text"] for one in pieces) == said["reply"]
    assert len(pieces) > 2
    assert not set("<\x1b") & set(said["reply"])


def test_her_face_takes_the_mood_of_the_reply(site: Site) -> None:
    assert site.ask("GET", f"{site.at}/frame")[0] == 200
    face = site.app.sessions.all[site.name].face
    assert face is not None
    said = site.say("haha that was funny")[-1]
    assert face.mood()["mood"] == said["mood"] != "neutral"
    assert face.performance.speech.text == said["reply"]
    full = face.expressions.offset(said["mood"])
    assert face.performance.mood.moves[-2].target == pytest.approx(said["intensity"] * full)


def test_a_person_in_crisis_is_told_of_help_by_a_calm_face(site: Site) -> None:
    said = site.say("죽고 싶어", "ko")[-1]
    assert (said["topic"], said["mood"], said["intensity"]) == ("crisis", "neutral", 0.0)
    assert "109" in said["reply"]


def test_her_memory_is_shown_exported_and_deleted_for_good(site: Site) -> None:
    assert site.say("my name is Zebulon")[-1]["remembered"] == ["[user_name: Zebulon]"]
    status, shown = site.ask("GET", f"{site.at}/memory?language=en")
    assert status == 200
    assert [(one["key"], one["value"]) for one in shown["facts"]] == [("user_name", "Zebulon")]
    status, kept = site.ask("GET", f"{site.at}/memory.json")
    assert "Zebulon" in json.dumps(kept["turns"])

    status, told = site.ask("POST", f"{site.at}/forget", {"language": "en", "key": "user_nam"})
    assert status == 400
    assert "did you mean user_name" in told["error"]
    assert site.ask("POST", f"{site.at}/forget", {"language": "en", "key": "user_name"})[0] == 200
    *_, begun = site.until("begun")
    assert "Zebulon" not in json.dumps(begun)
    events = site.app.sessions.all[site.name].talk.events._events
    assert b"Zebulon" not in b"".join(event for *_, event in events)
    assert b"Zebulon" not in Path(shown["file"]).read_bytes()

    status, left = site.ask("POST", f"{site.at}/forget", {"language": "en"})
    assert (status, left["facts"], left["turns"]) == (200, [], 0)
    *_, begun = site.until("begun")
    assert begun["turns"] == []


@pytest.mark.parametrize(
    ("path", "content", "status", "words"),
    [
        ("say", {"language": "en", "line": "x" * 100_000}, 400, "100,000 characters are more than 2,000"),
        ("say", {"language": "en", "line": "x" * 600_000}, 413, "at most"),
        ("say", {"language": "en", "line": "\u202e"}, 400, "nothing in that line can be read"),
        ("say", {"language": "fr", "lines": "x"}, 400, "language=fr"),
        ("say", {"language": "en", "line": 7}, 400, "line=7"),
        ("forget", [], 400, "JSON object"),
    ],
)
def test_what_is_refused_is_one_clear_line(
    site: Site, path: str, content: Any, status: int, words: str
) -> None:
    got, told = site.ask("POST", f"{site.at}/{path}", content)
    assert got == status
    assert words in told["error"]


def test_nobody_reads_a_conversation_without_its_name(site: Site) -> None:
    for path in ("talk", "memory", "memory.json"):
        assert site.ask("GET", f"/sessions/x/{path}")[0] == 404
    assert site.ask("POST", "/sessions/x/say", {"language": "en", "line": "hi"})[0] == 404


def run(program: str, act: Callable[[Talk], Any]) -> Any:
    async def go() -> Any:
        talk = Talk([sys.executable, "-c", program], lambda said: None)
        try:
            async with asyncio.timeout(30):
                return await act(talk)
        finally:
            await talk.end()

    return asyncio.run(go())


def test_a_process_that_ends_by_itself_answers_whoever_waits_and_is_started_again() -> None:
    async def twice(talk: Talk) -> list[str]:
        found = []
        for _ in range(2):
            with pytest.raises(OhloraError) as caught:
                await talk.ask("say", "en", line="hello")
            found.append(str(caught.value))
        return found

    program = "import sys; input(); input(); print('ohlora: no room left', file=sys.stderr); sys.exit(2)"
    assert run(program, twice) == ["no room left"] * 2


SLOW = """
import time
from contextlib import contextmanager
from ohlora.chat.answerer import Answer
from ohlora.chat.retrieval import Bm25
from ohlora.chat.conversation import Conversation
from ohlora.chat.mood import Mood
from ohlora.chat.store import MemoryStore
from ohlora.web.piped_chat import converse

class Slow:  # writes for ever, unless it is asked for something quick
    def hello(self, language):
        return "hi"

    def answer(self, context):
        while "quick" not in context.user:
            yield ""
            time.sleep(0.01)
        yield "done"
        return Answer("done")

class Calm:
    def mood(self, text):
        return Mood("neutral", 0.0)

class Job:
    answerer = Slow()

    @contextmanager
    def conversation(self):
        with MemoryStore(MEMORY) as store:
            yield Conversation(store, Bm25(threshold=1.0), self.answerer, Calm(), None, "en")

converse(Job())
"""


def test_a_reply_is_stopped_while_it_is_written_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    async def stop(talk: Talk) -> tuple[Any, ...]:
        def kinds() -> list[str]:
            return [kind for _, kind, _ in talk.events._events]

        slow = asyncio.create_task(talk.ask("say", "en", line="tell me everything"))
        while "asked" not in kinds():
            await asyncio.sleep(0.02)
        memory = asyncio.create_task(talk.ask("memory", "en"))  # waits behind the reply
        await asyncio.sleep(0.05)
        talk.stop()
        stopped = await slow, (await memory)["turns"], kinds()
        talk.stop()  # nothing to be stopped
        await talk.ask("say", "en", line="something quick")
        return *stopped, kinds(), (await talk.ask("memory", "en"))["turns"]

    program = f"from pathlib import Path; MEMORY = Path({str(tmp_path / 'memory.sqlite')!r})\n{SLOW}"
    assert run(program, stop) == (
        {},
        0,
        ["begun", "unsaid"],
        ["begun", "unsaid", "asked", "said"],
        1,
    )


def test_a_page_that_goes_leaves_nobody_waiting() -> None:
    async def leave(talk: Talk) -> str:
        waiting = asyncio.create_task(talk.ask("say", "en", line="hello"))
        await asyncio.sleep(0.05)
        await talk.end()
        with pytest.raises(OhloraError) as caught:
            await waiting
        return str(caught.value)

    assert run("input(); input(); import time; time.sleep(60)", leave) == "the page was closed"
