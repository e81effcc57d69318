"""What a page leaves on disk and running, with a small program in place of the process that plays."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.web.test_piped_process import until

from ohlora.web import sessions as module
from ohlora.web.requests import Refused
from ohlora.web.sessions import Session, Sessions

# Pictures as soon as a match is asked for, its result once enough was tried.
PLAYER = """import json, sys
from pathlib import Path
def say(event, **content):
    print(json.dumps({"event": event, **content}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "play":
        folder = Path(asked["folder"])
        folder.mkdir(parents=True)
        (folder / "class_0.png").write_bytes(b"a face")
        say("failed", error="", phrases=[]) if asked.get("fails") else say("sealed")
    elif asked["do"] == "attempt":
        say("trained", number=1, val_f1=0.5)
    elif asked["do"] == "enough":
        (folder / "match.json").write_text("{}")
        say("result", verdicts=["draw"], best=1, line="")
"""
# As one whose W&B is out of reach: it closes its logs, and does not come to an end.
LOGGING = """import json, sys, time
print(json.dumps({"event": "result", "verdicts": ["draw"], "best": 1, "line": ""}), flush=True)
time.sleep(600)"""


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """`played(act)`: what `act` does with a new session and all of them; they are closed behind it."""

    def run(act: Callable[[Session, Sessions], Awaitable[None]], program: str = PLAYER) -> None:
        monkeypatch.setattr(module, "match_command", lambda *_: [sys.executable, "-c", program])

        async def go() -> None:
            every = Sessions(1, 1, [], [], tmp_path / "own", tmp_path / "matches", lambda _: {})
            async with asyncio.timeout(60):
                await act(every.open(), every)
                await every.close()

        asyncio.run(go())
        assert not (tmp_path / "own").exists()

    return run


async def look(session: Session, **request: Any) -> Path:
    """The folder of a match whose pictures are on the page."""
    session.look(request, {})
    await until(lambda: session.stage in ("choosing", "idle"))
    assert session.match_folder is not None
    return session.match_folder


def told(session: Session) -> list[dict[str, Any]]:
    """The events that a page which is loaded again would be told."""
    return [json.loads(sent.decode().partition("data: ")[2]) for _, _, sent in session.events._events]


def kinds(session: Session) -> list[str]:
    return [event["event"] for event in told(session)]


async def close(session: Session, every: Sessions) -> None:
    await every.close()


async def stop(session: Session, every: Sessions) -> None:
    await session.stop()


async def look_again(session: Session, every: Sessions) -> None:
    await look(session)


@pytest.mark.parametrize("leave", [close, stop, look_again])
def test_a_match_without_a_result_leaves_no_picture(
    played: Callable[..., None], leave: Callable[[Session, Sessions], Awaitable[None]]
) -> None:
    async def act(session: Session, every: Sessions) -> None:
        folder = await look(session)
        assert (folder / "class_0.png").exists()
        await leave(session, every)
        assert not folder.exists()

    played(act)


def test_one_that_fails_leaves_none_either(played: Callable[..., None]) -> None:
    async def act(session: Session, every: Sessions) -> None:
        assert not (await look(session, fails=True)).exists()

    played(act)


def test_a_match_that_is_left_is_told_of_no_more(played: Callable[..., None]) -> None:
    """And what the process says of its end is no end of the match behind it."""

    async def act(session: Session, every: Sessions) -> None:
        folder = await look(session)
        session.leave()
        assert not folder.exists()
        assert session.stage == "idle"
        again = await look(session)
        assert session.stage == "choosing"
        assert kinds(session) == ["looking", "sealed"]
        session.fight({})
        await until(lambda: kinds(session)[-1] == "trained")
        with pytest.raises(Refused, match="this match is on"):
            session.leave()
        session.enough()
        await until(lambda: session.stage == "idle")
        session.leave()
        assert kinds(session) == ["left"]
        assert again.exists()

    played(act)


def test_every_match_has_a_name_of_its_own(played: Callable[..., None]) -> None:
    async def act(session: Session, every: Sessions) -> None:
        names = []
        for _ in range(2):
            await look(session)
            names.append(told(session)[0]["match"])
        assert len({*names}) == 2

    played(act)


def test_a_finished_match_stays(played: Callable[..., None]) -> None:
    async def act(session: Session, every: Sessions) -> None:
        folder = await look(session)
        session.fight({})
        await until(lambda: session.stage == "choosing")
        session.enough()
        await until(lambda: session.stage == "idle")
        await look(session)
        assert (folder / "class_0.png").exists()

    played(act)


def test_a_close_that_is_hurried_waits_for_no_logs(played: Callable[..., None]) -> None:
    async def act(session: Session, every: Sessions) -> None:
        process = session.start_process()
        await until(lambda: session.logging)
        closing = asyncio.create_task(every.close())
        await asyncio.sleep(0.2)
        assert not closing.done()
        closing.cancel()
        async with asyncio.timeout(10):
            await asyncio.wait([closing, process._task])
        assert closing.cancelled()

    played(act, LOGGING)
