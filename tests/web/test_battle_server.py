"""The battle's server over HTTP, without a process that plays: who is answered, and what is refused."""

from __future__ import annotations

import http.client
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.web.serving import serving
from tests.web.test_uploads import IMAGE, png, zipped

from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.web.battle_server import open_server
from ohlora.web.phrases import english
from ohlora.web.server import LocalServer

Ask = Callable[..., tuple[int, Any]]
QUICK = (
    "ui=web",
    "port=0",
    "job.settings=[]",
    "job.config_sources=[]",
    "job.challenger=human",
    "resolution=32",
    "web.upload_mb=1",
    "web.players=3",
)


@pytest.fixture(scope="module")
def job(composed: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("battle")
    return build(composed("battle", *QUICK, f"paths.history={folder}/matches.sqlite", "dataset=digits").job)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the server puts what is deleted with it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def server(job: Any, temporary: Path) -> Iterator[LocalServer]:
    with serving(open_server(job)) as running:
        yield running


@pytest.fixture
def ask(server: LocalServer) -> Iterator[Ask]:
    """`ask("POST", "/sessions", {})`: status, and content where it is JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def request(method: str, path: str, content: Any = None, **headers: str) -> tuple[int, Any]:
        named = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        body = content if isinstance(content, bytes) else None if content is None else json.dumps(content)
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        kind, got = answer.headers.get("Content-Type", ""), answer.read()
        return answer.status, json.loads(got) if kind.startswith("application/json") else got

    yield request
    connection.close()


@pytest.fixture
def session(ask: Ask) -> str:
    status, content = ask("POST", "/sessions", {})
    assert status == 200
    return f"/sessions/{content['session']}"


def test_the_pages_and_the_game(ask: Ask) -> None:
    for path in ("/", "/battle.js", "/battle.css", "/words.json", "/vendor/uPlot.js", "/live", "/live.js"):
        assert ask("GET", path)[0] == 200
    status, game = ask("GET", "/game")
    assert status == 200
    assert game["datasets"][0] == {"name": "digits", "title": "digits"}  # the one that was typed, first
    rate = next(axis for axis in game["axes"] if axis["name"] == "learning_rate")
    assert (rate["low"], rate["high"], rate["log"], rate["start"]) == (2e-5, 5e-2, True, 1e-3)
    assert all(axis["meaning"]["ko"] for axis in game["axes"])
    assert ask("GET", "/history") == (200, {"latest": [], "leaders": []})


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/game", {"Host": "evil.example"}, 403),
        ("POST", "/sessions", {"Origin": "http://evil.example"}, 403),
        ("POST", "/sessions", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("POST", "/sessions", {"Content_Type": "text/plain"}, 415),
        ("GET", "/vendor/../../history.py", {}, 404),
        ("GET", "/card.png", {}, 404),
        ("GET", "/sessions/x/events", {}, 404),
    ],
)
def test_strangers_are_turned_away(
    ask: Ask, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    assert ask(method, path, {} if method == "POST" else None, **headers)[0] == status


def test_a_session_is_known_by_its_name_alone(ask: Ask, session: str) -> None:
    assert ask("GET", f"{session}/alive")[0] == 200
    assert ask("GET", f"{session}x/alive")[0] == 404
    for name in ("card.png", "class_0.png", "match.json", "..%2f..%2fx"):
        assert ask("GET", f"{session}/files/{name}")[0] == 404


def test_no_more_than_so_many_players(ask: Ask) -> None:
    statuses = [ask("POST", "/sessions", {})[0] for _ in range(4)]
    assert statuses == [200, 200, 200, 503]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"dataset": "digitz", "language": "ko"}, ["digitz is not one of", "did you mean digits"]),
        ({"dataset": "digits", "language": "fr", "seed": -1}, ["language=fr", "seed=-1"]),
        ({"dataset": "digits", "language": "ko", "folder": "/"}, ["folder is not a setting"]),
        ({"upload": True, "language": "ko"}, ["nothing was uploaded"]),
        ({"dataset": "../x", "language": "ko", "name": 3}, ["a name is text"]),
    ],
)
def test_what_cannot_be_looked_at(ask: Ask, session: str, request_: dict[str, Any], words: list[str]) -> None:
    status, content = ask("POST", f"{session}/look", request_)
    assert status in (400, 409)
    for word in words:
        assert word in content["error"]


def test_hyperparameters_are_checked_before_anything_is_trained(ask: Ask, session: str) -> None:
    status, content = ask("POST", f"{session}/fight", {"params": {"learning_rate": 1, "activation": "tanh"}})
    assert status == 400
    for word in ("learning_rate=1", "activation='tanh'", "optimizer is missing"):
        assert word in content["error"]


def test_nothing_out_of_turn(ask: Ask, session: str, good_params: dict[str, Any]) -> None:
    assert ask("POST", f"{session}/fight", {"params": good_params})[0] == 409
    assert ask("POST", f"{session}/enough", {})[0] == 409
    assert ask("POST", f"{session}/stop", {})[0] == 200


class TestUploads:
    def test_a_zip(self, ask: Ask, session: str, tmp_path: Any) -> None:
        files = {"pets/고양이/1.png": IMAGE, "pets/dogs/1.png": IMAGE}
        zip_ = zipped(files, tmp_path / "a.zip").read_bytes()
        path = f"{session}/upload?name=..%2F..%2Fmy%20pets.zip"
        assert ask("POST", path, zip_, Content_Type="application/zip") == (200, {"name": "pets"})

    @pytest.mark.parametrize(
        ("body", "kind", "status", "phrase"),
        [
            (b"x" * 1_000_001, "application/zip", 413, "too_many_bytes"),
            (b"PK", "multipart/form-data", 415, "wrong_kind"),
            (b"no zip", "application/zip", 400, "zip_none"),
        ],
    )
    def test_what_is_refused(
        self, ask: Ask, session: str, body: bytes, kind: str, status: int, phrase: str
    ) -> None:
        got, content = ask("POST", f"{session}/upload?name=a.zip", body, Content_Type=kind)
        assert got == status
        ((key, values),) = content["phrases"]  # said in Korean, too
        assert key == phrase
        assert content["error"] == english((key, values))

    def test_nothing_is_kept_but_the_last_one_that_was_right(
        self, ask: Ask, session: str, temporary: Path, tmp_path: Path
    ) -> None:
        def send(files: dict[str, bytes]) -> int:
            body = zipped(files, tmp_path / "a.zip").read_bytes()
            return ask("POST", f"{session}/upload?name=a.zip", body, Content_Type="application/zip")[0]

        good = {"cats/1.png": IMAGE, "dogs/1.png": IMAGE}
        wrong = {**good, "cats/large.png": png(6400, 6400)}  # seen once it is unpacked
        assert [send(files) for files in (good, wrong, good, good, wrong)] == [200, 400, 200, 200, 400]
        kept = [path.name for path in temporary.rglob("*") if path.is_file()]
        assert sorted(kept) == ["1.png", "1.png"]

    def test_more_than_was_announced_is_not_read_to_its_end(self, server: LocalServer, session: str) -> None:
        """Chunked, so that no length says how much is to come."""
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.putrequest("POST", f"{session}/upload?name=a.zip")
        connection.putheader("Content-Type", "application/zip")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        sent = 0
        try:
            while sent < 50_000_000:
                connection.send(b"10000\r\n" + bytes(0x10000) + b"\r\n")
                sent += 0x10000
        except OSError:
            pass  # hung up on
        assert sent < 50_000_000
        connection.close()


def test_a_port_that_is_taken_leaves_no_folder(job: Any, server: LocalServer, temporary: Path) -> None:
    before = {*temporary.iterdir()}
    with pytest.raises(OhloraError, match=f"port={server.port} is taken"):
        open_server(replace(job, port=server.port))
    assert {*temporary.iterdir()} == before


def test_a_history_that_cannot_be_used_is_told_before_anything_starts(job: Any, tmp_path: Any) -> None:
    (tmp_path / "a.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(OhloraError, match="is damaged or no SQLite file"):
        open_server(replace(job, history=str(tmp_path / "a.sqlite")))


def test_every_fault_at_once(composed: Callable[..., Any]) -> None:
    faults = ("port=99999", "web.matches=0", "language=fr", "budget.checks=0", "job.live.fps=0")
    with pytest.raises(OhloraError) as caught:
        build(composed("battle", *QUICK[:1], *QUICK[2:5], *faults).job)
    for fault in faults:
        assert fault in str(caught.value), caught.value
