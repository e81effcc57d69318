"""The live part: a face that is asked for frames, a server that answers its own page alone, and the page."""

from __future__ import annotations

import base64
import http.client
import io
import json
import math
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from email.message import Message

import numpy as np
import pytest
from PIL import Image
from tests.conftest import ROOT
from tests.web.contrast import contrast
from tests.web.serving import CHROMIUM, FLAGS, NEEDS_CHROMIUM, serving

from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.face.acting.film import film
from ohlora.face.acting.live_face import LiveFace
from ohlora.face.acting.person import cast
from ohlora.face.acting.speech import LONGEST
from ohlora.web.face_routes import LARGEST_WISH
from ohlora.web.pages import page
from ohlora.web.server import LocalServer


class Clock:
    """Time that passes when told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def job(composed):
    config = composed("live", "resolution=32", "port=0", "language=en").job
    return build(config)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def live_face(job, clock) -> LiveFace:
    return LiveFace(*cast(job), job.expressions, job.ombre, seed=4, fps=20, clock=clock)


@pytest.fixture(scope="module")
def server(job) -> Iterator[LocalServer]:
    with serving(job.server()) as running:
        yield running


@pytest.fixture
def ask(server) -> Iterator[Callable[..., tuple[int, Message, bytes]]]:
    """`ask("GET", "/about", Host="evil.example")`: status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def request(method: str, path: str, body: bytes | None = None, **headers: str):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    yield request
    connection.close()


class TestLiveFace:
    def test_a_frame_is_the_moment_of_its_number(self, live_face, clock):
        assert live_face.frame(-1)[0] == 0
        clock.now += 1.01
        number, jpeg = live_face.frame(0)
        assert number == 20
        assert jpeg == live_face.draw(1.0)
        with Image.open(io.BytesIO(jpeg)) as picture:
            assert picture.size == (32, 32)

    def test_a_scene_is_the_same_moment_as_its_picture(self, live_face, clock):
        number, scene = live_face.scene(-1)
        content = json.loads(scene)
        assert number == 0
        assert scene == live_face.sketch(0.0)
        points = len(base64.b64decode(content["points"])) // 4
        assert points == sum(content["lengths"])
        assert len(content["shapes"]) > 80
        outlines = {row.get("clip", 0) for row in content["shapes"]} | {
            row["outline"] for row in content["shapes"]
        }
        assert max(outlines) == len(content["lengths"]) - 1
        clock.now += 1.0
        assert live_face.scene(0)[0] == live_face.frame(0)[0] == 20

    def test_one_frame_is_drawn_once_for_everybody(self, live_face, monkeypatch):
        drawn = []
        monkeypatch.setattr(live_face, "draw", lambda t: drawn.append(t) or b"jpeg")
        assert [live_face.frame(-1) for _ in range(3)] == [(0, b"jpeg")] * 3
        assert drawn == [0.0]

    def test_wishes_move_her(self, live_face, clock):
        names = list(live_face.expressions.properties)
        told = live_face.wish({"say": "Wow?! \x1b\u202e<b>대박</b>"})
        assert told["line"] == "Wow?! <b>대박</b>"
        assert told["mood"] == "surprised"
        clock.now += told["mood_s"] / 2
        assert live_face.about()["mood"] == "surprised"
        clock.now += told["mood_s"] / 2 + 0.1
        assert live_face.about()["mood"] == live_face.about()["neutral"] == "neutral"
        assert max(live_face.performance.at(t / 10)[names.index("mouth")] for t in range(15)) > 0.4
        clock.now = 160.0
        calm = {"line": "", "mood": "neutral", "mood_s": 0.0}
        assert live_face.wish({"rest": {"hair_colour": 0.8}, "ombre": False}) == calm
        before, after = live_face.performance.at(60.0), live_face.performance.at(62.0)
        column = names.index("hair_colour")
        assert before[column] == pytest.approx(0.30)
        assert after[column] == pytest.approx(0.80)
        assert live_face.about()["properties"]["hair_colour"]["value"] == pytest.approx(0.80)
        assert live_face.about()["ombre"] is False

    def test_a_mood_is_as_strong_as_it_is_wished_for(self, live_face, clock):
        offset = live_face.expressions.offset("sulky")
        for intensity in (1, 0.5, 0.0):
            clock.now += 60
            live_face.wish({"mood": "sulky", "intensity": intensity})
            assert live_face.performance.mood.at(live_face.now_s + 1.9) == pytest.approx(intensity * offset)

    def test_a_long_evening_keeps_nothing(self, live_face, clock):
        for _ in range(200):
            clock.now += 1.0
            live_face.wish({"mood": "happy", "rest": {"eyes": 0.5}})
        assert len(live_face.performance.mood.moves) + len(live_face.performance.rest.moves) < 12

    @pytest.mark.parametrize(
        ("wish", "words"),
        [
            ([], ["a wish is a JSON object"]),
            ({"mood": "hapy", "dance": 1}, ["mood=hapy", "did you mean happy", "dance is not a wish"]),
            ({"say": 3, "ombre": "yes"}, ["say is not a str", "ombre is not a bool"]),
            ({"say": "x" * (LONGEST + 1)}, [f"at most {LONGEST}"]),
            ({"rest": {"eyes": 7, "eyez": 0, "yaw": float("nan")}}, ["eyes=7", "eyez is not", "yaw=nan"]),
            ({"rest": []}, ["rest is not a mapping"]),
            ({"mood": "sad", "intensity": 1.3}, ["intensity=1.3 is outside"]),
            ({"mood": "sad", "intensity": "much"}, ["intensity='much' is not a number"]),
        ],
    )
    def test_what_cannot_be_granted_is_told_at_once_and_changes_nothing(self, live_face, wish, words):
        before = live_face.performance
        with pytest.raises(OhloraError) as caught:
            live_face.wish(wish)
        for word in words:
            assert word in str(caught.value)
        assert live_face.performance is before


class TestServer:
    def test_the_page_and_its_parts(self, ask):
        scripts = (("/live.js", "text/javascript"), ("/browser.js", "text/javascript"))
        for path, kind in (("/", "text/html"), *scripts, ("/live.css", "text/css")):
            status, headers, body = ask("GET", path)
            assert status == 200
            assert headers["Content-Type"].startswith(kind)
            assert "default-src 'none'" in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
            text = body.decode()
            assert "http:" not in text
            assert "https:" not in text
            assert "innerHTML" not in text

    def test_frames_follow_each_other(self, ask):
        numbers = []
        for _ in range(3):
            status, headers, body = ask("GET", f"/frame?after={numbers[-1] if numbers else -1}")
            assert status == 200
            assert body[:2] == b"\xff\xd8"
            numbers.append(int(headers["X-Frame"]))
        assert numbers == sorted(set(numbers))
        for nonsense in ("", "x", "-7", "9" * 40, "٣"):
            assert (
                ask("GET", f"/frame?after={nonsense.encode().hex() if nonsense == '٣' else nonsense}")[0]
                == 200
            )

    def test_a_wish_is_granted_or_refused(self, ask):
        json_ = {"Content_Type": "application/json"}
        status, _, body = ask("POST", "/wish", json.dumps({"say": "안녕!"}).encode(), **json_)
        assert status == 200
        assert json.loads(body)["line"] == "안녕!"
        assert json.loads(body)["mood"] == "happy"
        surrogates = (b'{"say": "\\ud800"}', b'{"mood": "\\udfff"}', b'{"\\ud83d": 1}')
        for wrong in (b"{", b"[]", b"\xff", b'{"mood": "odd"}', b"[" * 4000, *surrogates):
            status, _, body = ask("POST", "/wish", wrong, **json_)
            assert status == 400
            assert json.loads(body)["error"]

    @pytest.mark.parametrize(
        ("method", "path", "body", "headers", "status"),
        [
            ("GET", "/frame", None, {"Host": "evil.example"}, 403),  # DNS rebinding
            ("GET", "/", None, {"Host": "evil.example:80"}, 403),
            ("GET", "/frame", None, {"Sec_Fetch_Site": "cross-site"}, 403),
            (
                "POST",
                "/wish",
                b"{}",
                {"Origin": "http://evil.example", "Content_Type": "application/json"},
                403,
            ),
            ("POST", "/wish", b"{}", {"Content_Type": "text/plain"}, 415),  # a form of another site
            ("POST", "/wish", b"x" * (LARGEST_WISH + 1), {"Content_Type": "application/json"}, 413),
            ("POST", "/", b"{}", {"Content_Type": "application/json"}, 405),
            ("GET", "/../server.py", None, {}, 404),
            ("GET", "/page/live.html", None, {}, 404),
        ],
    )
    def test_strangers_are_turned_away(self, ask, method, path, body, headers, status):
        assert ask(method, path, body, **headers)[0] == status

    def test_an_address_that_is_none(self, server, capfd):
        with dialled(server) as connection:
            host = f"127.0.0.1:{server.port}"
            connection.sendall(f"GET http://[::1/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert connection.recv(200).startswith(b"HTTP/1.1 404 ")
        assert capfd.readouterr().err == ""

    def test_broken_connections_say_nothing(self, server, ask, capfd):
        host = f"127.0.0.1:{server.port}"
        for number in range(50):
            with dialled(server) as connection:
                if number % 2:
                    connection.sendall(f"GET /about HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                reset = struct.pack("ii", 1, 0)  # SO_LINGER: close by a reset
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        assert ask("GET", "/about")[0] == 200
        assert capfd.readouterr().err == ""

    def test_who_sends_a_byte_now_and_then_is_hung_up_on(self, server, monkeypatch):
        monkeypatch.setattr("ohlora.web.connection.REQUEST_S", 0.4)
        with dialled(server) as connection:
            began = time.monotonic()
            with suppress(OSError):  # a reset, a broken pipe
                for byte in b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.05)
            assert time.monotonic() - began < 5

    def test_no_more_than_so_many_at_once(self, job, monkeypatch):
        monkeypatch.setattr("ohlora.web.connection.CONNECTIONS", 3)
        with serving(job.server()) as server:
            with ExitStack() as stack:
                for _ in range(3):
                    stack.enter_context(dialled(server))
                with dialled(server) as late:
                    assert late.recv(100).startswith(b"HTTP/1.1 503 ")
            assert wait_until(lambda: answers(server))

    def test_it_listens_on_this_machine_alone(self, server):
        assert server.socket.getsockname()[0] == "127.0.0.1"

    def test_a_port_that_is_taken(self, job, server):
        with pytest.raises(OhloraError, match="is taken"):
            replace(job, port=server.port).server()


def answers(server: LocalServer) -> bool:
    with dialled(server) as connection:
        connection.sendall(f"GET /about HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
        return connection.recv(100).startswith(b"HTTP/1.1 200 ")


def dialled(server: LocalServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def wait_until(holds: Callable[[], bool], most_s: float = 10.0) -> bool:
    until = time.monotonic() + most_s
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return holds()


TEXT_ON_GROUND = [
    ("ink", "card"),
    ("ink", "button"),
    ("ink", "button-hover"),
    ("ink", "field"),
    ("soft", "card"),
    ("problem", "card"),
    *(("on-accent", ground) for ground in ("accent", "second", "accent-hover", "second-hover")),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read(scheme):
    """WCAG AA: text 4.5 to 1 on what is under it, edges of fields and buttons 3 to 1."""
    light, dark = page("live.css").decode().split("prefers-color-scheme: dark", 1)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", dark if scheme == "dark" else light))
    for text, ground in TEXT_ON_GROUND:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for ground in ("card", "field", "button"):
        assert contrast(colours["edge"], colours[ground]) >= 3, ground


def test_every_fault_at_once(composed):
    overrides = ("resolution=7", "face=-1", "fps=99", "port=99999", "language=fr", "seed=-1")
    with pytest.raises(OhloraError) as caught:
        build(composed("live", *overrides).job)
    for fault in ("resolution=7", "face=-1", "fps=99", "port=99999", "language=fr", "seed=-1"):
        assert fault in str(caught.value)


SIDE = 256  # pixels of the scenes that browser and rasteriser both draw
DRAWN = """async ([scene, side]) => {
  const { drawScene, unpacked } = await import("/face.js");
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  drawScene(canvas, unpacked(JSON.parse(scene)));
  return Array.from(canvas.getContext("2d").getImageData(0, 0, side, side).data);
}"""


@pytest.mark.slow
@NEEDS_CHROMIUM
def test_a_browser_draws_a_scene_as_the_rasteriser_does(server, live_face):
    """The same picture but for rounding, soft edges and the ombre, which films take from pixels of hair."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    sharp = replace(live_face.generator, resolution=SIDE)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.goto(server.url)
        for mood in ("neutral", "laughing", "shy", "sad"):
            live_face.wish({"mood": mood})
            t = live_face.now_s + 2.0
            sketched = np.array(page.evaluate(DRAWN, [live_face.sketch(t).decode(), SIDE]))
            (filmed,) = film(sharp, live_face.person, live_face.performance, [t], live_face.ombre)
            apart = np.abs(sketched.reshape(SIDE, SIDE, 4)[..., :3] - filmed.astype(float))
            assert apart.mean() < 2.0, mood  # of 255
            assert (apart.max(axis=2) > 48).mean() < 0.004, mood
        browser.close()


@pytest.mark.slow
@NEEDS_CHROMIUM
def test_in_a_browser(server):
    """A person opens the page, moves a slider, picks a mood and types a line that looks like HTML."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(120_000)
        problems, asked = [], []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(server.url)
        page.locator("#rate", has_text=" px, ").wait_for()

        before = pixels(page)
        page.locator("#slider-hair_colour").fill("0.85")
        assert page.locator("[aria-pressed=true]").all_text_contents() == ["neutral"]
        page.click("[data-mood=laughing]")
        page.locator("[data-mood=laughing][aria-pressed=true]").wait_for()
        page.wait_for_timeout(2500)
        assert np.abs(pixels(page) - before).mean() > 2

        line = "<img src=x onerror=alert(1)> 안녕!"
        page.fill("#text", line)
        page.press("#text", "Enter")
        page.locator("#bubble").wait_for()
        assert page.text_content("#bubble") == line
        assert page.locator("#bubble img").count() == 0
        assert page.text_content("#problem") == ""

        long = "a" * (LONGEST + 1)  # what the page itself would not let through
        page.evaluate("document.getElementById('text').maxLength = 100000")
        page.fill("#text", long)
        page.press("#text", "Enter")
        page.locator("#problem", has_text=f"at most {LONGEST} characters").wait_for()
        page.wait_for_timeout(600)  # frames come in the meantime
        assert "at most" in page.text_content("#problem")
        assert page.input_value("#text") == long
        browser.close()
    assert [text for text in problems if "400" not in text] == []  # Chromium tells of the refusal
    assert all(url.startswith((server.url, "data:")) for url in asked)


def test_a_page_of_scenes_waits_for_no_torch():
    """Its import takes three seconds and 480 MB."""
    program = """
import sys
from hydra import compose, initialize_config_dir
import ohlora.door
from ohlora.build import build
with initialize_config_dir(sys.argv[1], version_base="1.3"):
    job = build(compose("live", ["port=0"]).job)
from ohlora.web.live_page import live_face
assert live_face(job).scene(-1)[1].startswith(b"{")
print(sorted({"torch", "scipy", "lightning", "pandas"} & {*sys.modules}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "conf")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def pixels(page) -> np.ndarray:
    """What the canvas shows, [rows, columns, 3]."""
    data = page.evaluate(
        "(() => { const c = document.getElementById('face');"
        " return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data); })()"
    )
    side = math.isqrt(len(data) // 4)
    return np.array(data).reshape(side, side, 4)[:, :, :3].astype(int)
