"""The server's end of a process that plays, with small programs in its place; and the stream of events."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from starlette.types import Message

from ohlora.errors import OhloraError
from ohlora.signals import exists
from ohlora.web.battle_server import EventStream
from ohlora.web.events import TAKEN, EventLog
from ohlora.web.guard import Guard
from ohlora.web.phrases import told
from ohlora.web.pipe import CANNOT_START
from ohlora.web.piped_process import PipedProcess, chat_command, is_shared, match_command

ECHO = """import sys, json
for line in sys.stdin:
    print(json.dumps({"event": "said", **json.loads(line)}), flush=True)"""


def run(program: str, act: Callable[[PipedProcess, list[dict[str, Any]]], Any]) -> list[dict[str, Any]]:
    """What a program said until `act` was done with it."""
    heard: list[dict[str, Any]] = []

    async def go() -> None:
        process = PipedProcess([sys.executable, "-c", program], heard.append)
        async with asyncio.timeout(30):
            await act(process, heard)

    asyncio.run(go())
    return heard


async def until(holds: Callable[[], Any]) -> None:
    while not holds():
        await asyncio.sleep(0.02)


def test_requests_go_in_and_events_come_out_even_before_it_has_started() -> None:
    async def act(process: PipedProcess, heard: list[dict[str, Any]]) -> None:
        process.ask(do="play", name="지민 \n 🦊")
        await until(lambda: heard)
        pid = process.pid
        assert pid is not None
        assert exists(pid)
        await process.end()
        assert not exists(pid)

    assert run(ECHO, act) == [{"event": "said", "do": "play", "name": "지민 \n 🦊"}]


def test_one_that_ends_by_itself_says_why() -> None:
    async def act(process: PipedProcess, heard: list[dict[str, Any]]) -> None:
        await until(lambda: heard)

    program = "import sys; print('ohlora: port=x is not a port', file=sys.stderr); sys.exit(2)"
    assert run(program, act) == [{"event": "ended", **told(OhloraError("port=x is not a port"))}]
    (ended,) = run("import os; os._exit(7)", act)
    assert ended["phrases"] == [("process_ended", {"code": 7})]
    why = told(OhloraError("full", ("memory_no_room", {"file": "m.sqlite"})))
    program = f"print('{json.dumps({'event': CANNOT_START, 'told': why})}'); raise SystemExit(2)"
    (ended,) = run(program, act)
    assert ended["phrases"] == [["memory_no_room", {"file": "m.sqlite"}]]


def test_one_that_is_ended_before_it_has_started_is_gone_and_says_nothing() -> None:
    async def act(process: PipedProcess, heard: list[dict[str, Any]]) -> None:
        await process.end()
        assert process.pid is not None
        assert not exists(process.pid)

    assert run("import time; time.sleep(60)", act) == []


def test_a_process_that_goes_wrong_has_ended_and_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    """No event on its standard output, an event nobody can take, a program that is not there."""
    heard: list[dict[str, Any]] = []

    def hear(event: dict[str, Any]) -> None:
        heard.append(event)
        if event["event"] == "odd":
            raise KeyError("number")

    async def go(command: list[str]) -> None:
        heard.clear()
        process = PipedProcess(command, hear)
        process.ask(do="play")
        async with asyncio.timeout(30):
            await until(lambda: heard and heard[-1]["event"] == "ended")
            await process.end()
        assert heard[-1]["phrases"] == [("bug", {})]
        assert process.pid is None or not exists(process.pid)

    for first, told_in_the_terminal in [("a greeting", "JSONDecodeError"), ('{"event": "odd"}', "KeyError")]:
        asyncio.run(go([sys.executable, "-c", f"print({first!r}, flush=True); input(); input()"]))
        assert told_in_the_terminal in capfd.readouterr().err
    asyncio.run(go(["no such program"]))
    assert "FileNotFoundError" in capfd.readouterr().err


def test_it_plays_by_the_settings_that_were_typed() -> None:
    typed = [
        "ui=web",
        "port=0",
        "web.matches=2",
        "size=smoke",
        "dataset=folder",
        "language=ko",
        "logger=wandb",
        "+x=1",
    ]
    words = match_command([*typed, "chat=encoder=e5", "page=chat"], "there")
    assert words[:4] == [sys.executable, "-m", "ohlora", "battle"]
    assert [word for word in typed if word in words] == [
        "size=smoke",
        "dataset=folder",
        "logger=wandb",
        "+x=1",
    ]
    assert "ui=piped" in words
    assert "hydra.run.dir=there" in words


def test_it_talks_by_the_settings_of_the_chat_and_where_things_lie() -> None:
    typed = ["ui=web", "dataset=digits", "paths.output_dir=out", "paths.run_dir=x", "--config-dir=mine"]
    assert [*filter(is_shared, typed)] == ["paths.output_dir=out", "--config-dir=mine"]
    words = chat_command(["encoder=bm25"], "there")
    assert words[:4] == [sys.executable, "-m", "ohlora", "chat"]
    assert words[4:] == ["encoder=bm25", "piped=true", "hydra.run.dir=there", "hydra.output_subdir=null"]


def listen(log: EventLog, after: int, most: int) -> list[dict[str, Any]]:
    async def go() -> bytes:
        got = b""
        async with asyncio.timeout(10), aclosing(log.stream(after)) as stream:
            async for piece in stream:
                got += piece
                if got.count(b"\ndata: ") >= most:
                    break
        return got

    lines = asyncio.run(go()).decode().splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def test_a_page_that_comes_back_is_told_what_it_missed() -> None:
    log = EventLog()
    for number in range(3):
        log.add("said", {"number": number, "text": "a\nb"})
    assert [event["number"] for event in listen(log, 0, 3)] == [0, 1, 2]
    assert [event["number"] for event in listen(log, 2, 1)] == [2]
    log.forget()
    log.add("said", {"number": 3})
    assert [event["number"] for event in listen(log, 0, 1)] == [3]
    assert not log.heard


def test_the_newest_stream_is_the_only_one() -> None:
    log = EventLog()

    async def go() -> None:
        async def follow() -> list[bytes]:
            return [piece async for piece in log.stream(0)]

        first = asyncio.create_task(follow())
        await asyncio.sleep(0.01)
        second = asyncio.create_task(follow())
        async with asyncio.timeout(5):
            assert TAKEN in await first
            assert log.heard
            log.close()
            assert TAKEN not in await second
        assert not log.heard

    asyncio.run(go())


def test_a_stream_whose_request_is_cancelled_is_gone() -> None:
    log = EventLog()

    async def go() -> None:
        async def send(message: Message) -> None: ...

        answer = asyncio.create_task(EventStream(log, 0)({}, asyncio.Event().wait, send))
        while not log.heard:
            await asyncio.sleep(0.01)
        answer.cancel()
        await asyncio.wait([answer], timeout=5)
        assert not log.heard

    asyncio.run(go())


@pytest.mark.parametrize("steps", range(-6, 7))
def test_a_page_that_goes_in_the_moment_of_an_event_is_gone(steps: int) -> None:
    """`steps` of the event loop from its going to the event: a match would train on for nobody."""
    log = EventLog()

    async def go() -> None:
        left = asyncio.Event()

        async def receive() -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            await asyncio.sleep(0)

        scope = {"type": "http", "headers": [(b"host", b"127.0.0.1:1")]}
        answer = asyncio.create_task(Guard(EventStream(log, 0), ["127.0.0.1:1"])(scope, receive, send))
        while not log.heard:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # it waits for an event
        for step in range(13):
            if step == 6:
                left.set()
            if step == 6 + steps:
                log.add("progress", {})
            await asyncio.sleep(0)
        await asyncio.wait([answer], timeout=5)
        assert not log.heard
        assert answer.done()
        log.close()

    asyncio.run(go())
