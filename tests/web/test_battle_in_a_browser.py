"""The battle as people play it: the real program, its page in a real Chromium, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT
from tests.web.serving import NEEDS_CHROMIUM, NEEDS_PROC
from tests.web.test_uploads import IMAGE, png, zipped

pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM, NEEDS_PROC]
WAIT_MS = 240_000  # two busy cores
SEED = "1000065"  # 65 digits to learn from
RATE = "5e-05"  # of the second attempt
FOCUSED = """() => {
  const now = document.activeElement, shown = now.type === "radio" ? now.nextElementSibling : now;
  return [now.id, getComputedStyle(shown).outlineStyle];
}"""


class Site:
    """A running `python battle.py ui=web`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        words = [
            "ui=web",
            "port=0",
            "language=en",
            "dataset=digits",
            "resolution=32",
            "narrator=template",
            "web.face_fps=2",
        ]
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "battle.py"), *words, "paths.output_dir=out"],
            cwd=folder,
            env={
                **os.environ,
                "OHLORA_HISTORY": str(folder / "history" / "matches.sqlite"),
                "TMPDIR": str(folder),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/", self.process.stdout.readline())
        assert found, self.process.communicate(timeout=30)
        self.url = found[0]

    def playing(self) -> list[int]:
        """The processes it has started and that still are."""
        return [
            pid
            for pid in map(int, filter(str.isdecimal, (entry.name for entry in Path("/proc").iterdir())))
            if parent(pid) == self.process.pid
        ]

    def end(self) -> tuple[int, str]:
        """Ctrl-C; the exit code and what it said of it."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


def parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def wait_until(holds: Callable[[], Any], most_s: float = 60) -> bool:
    until = time.monotonic() + most_s
    while not holds() and time.monotonic() < until:
        time.sleep(0.1)
    return bool(holds())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    yield site
    site.process.kill()
    site.process.communicate()


@pytest.fixture(scope="module")
def open_page(site: Site, browser: Any) -> Iterator[Callable[..., Any]]:
    """A page of a player of their own; whatever it complains of, or asks of anybody else, fails the test."""
    wrong: list[str] = []

    def open_(prepare: Callable[[Any], Any] = bool, **settings: Any) -> Any:
        page = browser.new_context(reduced_motion="reduce", **settings).new_page()
        page.set_default_timeout(WAIT_MS)
        prepare(page)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        # Chromium prints an answer that refuses as an error, too, and a server that is gone.
        page.on(
            "console",
            lambda said: (
                wrong.append(said.text)
                if said.type == "error" and "Failed to load" not in said.text
                else None
            ),
        )
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((site.url, "data:", "blob:")) else wrong.append(request.url)
            ),
        )
        page.goto(site.url)
        page.locator("#datasets .tile").first.wait_for()
        return page

    yield open_
    assert not wrong


@pytest.fixture(scope="module")
def page(open_page: Callable[..., Any]) -> Any:
    return open_page(viewport={"width": 1280, "height": 900}, locale="en-GB")


def look(page: Any, seed: str = SEED) -> None:
    page.fill("#seed", seed)
    page.click("#data-form button.main")
    page.locator("#do-fight").wait_for()


def drop(page: Any, path: Path) -> None:
    """Drop a file or folder of this machine where the page takes uploads."""
    page.locator("#drop").scroll_into_view_if_needed()
    box = page.locator("#drop").bounding_box()
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send(
            "Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 9, "y": box["y"] + 9, "data": data}
        )


def unnamed(page: Any) -> list[str]:
    """Roles of what a screen reader comes upon and has no name for."""
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    named = (
        *("button", "link", "textbox", "slider", "radio", "radiogroup", "region", "image", "img"),
        *("meter", "progressbar", "progressIndicator", "DisclosureTriangle"),
    )
    shown = [node for node in nodes if not node["ignored"] and node["role"]["value"] in named]
    assert len(shown) > 4
    return [node["role"]["value"] for node in shown if not node.get("name", {}).get("value")]


def tab_to(page: Any, name: str) -> None:
    """By the Tab key alone; whatever has the focus on the way shows it."""
    for _ in range(40):
        page.keyboard.press("Tab")
        found, shows = page.evaluate(FOCUSED)
        assert shows != "none", found
        if found == name:
            return
    raise AssertionError(f"{name} is not reached")


def classes(folder: Path, count: int, images: int = 12) -> dict[str, bytes]:
    """Images of plain colours, each of its own."""
    return {
        f"{folder.name}/kind{label}/{n}.png": png(20 + n + 30 * label, 24)
        for label in range(count)
        for n in range(images)
    }


def test_wrong_uploads_are_one_clear_line_each(page: Any, site: Site, tmp_path: Path) -> None:
    good = classes(tmp_path / "pets", 2)
    large = zipped({**good, "pets/kind0/x.png": bytes(9)}, tmp_path / "large.zip")
    raw = bytearray(large.read_bytes())
    at = raw.rindex(b"pets/kind0/x.png") - 46  # its entry in the directory
    raw[at + 24 : at + 28] = (2_000_000_000).to_bytes(4, "little")
    large.write_bytes(bytes(raw))
    (tmp_path / "none.zip").write_text("no zip")
    for path, words in [
        (tmp_path / "none.zip", "this is not a zip"),
        (
            zipped({**good, "../../evil.png": IMAGE}, tmp_path / "slip.zip"),
            "lead out of the folder: ../../evil.png",
        ),
        (large, "2,000 MB once unpacked"),
        (
            zipped(classes(tmp_path / "one", 1), tmp_path / "one.zip"),
            "class folders with images: 1; two or more",
        ),
        (zipped({**good, "pets/kind1/text.png": b"<b>text</b>"}, tmp_path / "text.zip"), "kind1/text.png"),
    ]:
        page.set_input_files("#zip", path) if path.stem != "one" else drop(page, path)
        page.locator("#problem", has_text=words).wait_for()
        page.locator("#data-form button.main:enabled").wait_for()
    (tmp_path / "letters" / "deep").mkdir(parents=True)
    (tmp_path / "letters" / "deep" / "a.txt").write_text("no picture")
    drop(page, tmp_path / "letters")
    page.locator("#problem", has_text="no images").wait_for()
    assert not list(site.folder.rglob("evil.png"))


def test_what_is_asked_before_the_session_is_open_waits_for_it_and_what_is_told_stays(
    open_page: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "none.zip").write_text("no zip")
    sessions: list[Any] = []
    streams: list[Any] = []

    def hold(page: Any) -> None:
        page.route("**/sessions", lambda route: sessions.append(route))
        page.route("**/sessions/*/events", lambda route: streams.append(route))

    page = open_page(hold, locale="en-GB")
    page.set_input_files("#zip", tmp_path / "none.zip")
    assert wait_until(lambda: page.wait_for_timeout(50) or sessions)
    assert not page.locator("#problem:visible").count()
    sessions[0].continue_()
    problem = page.locator("#problem", has_text="this is not a zip")
    problem.wait_for()
    assert wait_until(lambda: page.wait_for_timeout(50) or streams)
    with page.expect_response("**/sessions/*/events"):
        streams[0].continue_()
    page.wait_for_timeout(500)
    assert problem.is_visible()
    page.close()


def test_a_folder_of_images_is_played_on(page: Any, tmp_path: Path) -> None:
    with zipfile.ZipFile(zipped(classes(tmp_path / "내 사진", 3), tmp_path / "a.zip")) as archive:
        archive.extractall(tmp_path)
    page.set_input_files("#folder", tmp_path / "내 사진")
    page.locator("#do-fight").wait_for()
    assert "내_사진" in page.text_content("#subset-title")
    assert page.locator("#grid figcaption strong").all_text_contents() == ["kind0", "kind1", "kind2"]
    page.click("#do-other_data")
    page.locator("#data-form button.main:visible").wait_for()


def test_a_whole_match(page: Any, site: Site, door: Callable[..., Any], tmp_path: Path) -> None:
    """By keyboard and mouse, to the result that battle.py has for the same params on the same seed."""
    page.fill("#name", "지민 <img src=x>")
    look(page)
    sealed = page.text_content("#seal").rpartition(" ")[2]
    counts = page.locator("#grid figcaption span").all_text_contents()
    assert sum(int(text.split()[0]) for text in counts) == 65
    assert (
        page.locator("#grid img").first.evaluate("(image) => image.decode().then(() => image.naturalWidth)")
        > 8
    )

    page.fill("#axis-learning_rate-value", "1")
    page.click("#do-fight")
    assert page.evaluate("document.activeElement.id") == "axis-learning_rate-value"  # 1 is outside its range
    page.fill("#axis-learning_rate", "500")  # the middle of a logarithmic slider
    assert page.input_value("#axis-learning_rate-value") == "0.001"
    slider = page.locator("#axis-dropout_fc")
    slider.focus()
    page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuetext") == "0"
    page.fill("#axis-dropout_fc-value", "0.3")
    assert not unnamed(page)
    tab_to(page, "do-fight")
    page.keyboard.press("Enter")
    page.locator("#do-fight_again").wait_for()
    assert "Validation macro-F1 of your first attempt: 0." in page.text_content("#first-score")
    assert page.locator("#bars progress").count() == 2
    assert "Oh-LoRA: 0." in page.get_attribute("#plot-f1", "aria-label")
    assert "test" not in page.text_content("#training").lower()

    page.fill("#axis-learning_rate-value", RATE)
    page.click("#do-fight_again")
    page.locator("#do-same_again").wait_for()
    assert sealed in page.text_content("#result")
    assert not unnamed(page)
    page.locator("details", has_text="Checked here: this is the choice that was sealed").wait_for(
        state="attached"
    )
    assert page.text_content("#result h3 >> nth=0") == "What she expected"
    assert "learning rate" in page.text_content(".swaps") or "hardly anything" in page.text_content("#result")
    assert page.text_content("#bubble") == page.text_content(".said").removeprefix("Oh-LoRA: ")
    assert (
        page.locator(".share img").evaluate("(image) => image.decode().then(() => image.naturalWidth)")
        == 1200
    )

    played = [json.loads(path.read_text(encoding="utf-8")) for path in site.folder.rglob("match.json")]
    match = next(one for one in played if one["subset"]["seed"] == int(SEED))
    first = match["attempts"][1]["params"]
    words = ["human=my_hp", "dataset=digits", f"subset.seed={SEED}", "face=none", "narrator=template"]
    words += [
        f"human.{which}.{name}={value}" for which in ("first", "second") for name, value in first.items()
    ]
    words += [f"human.second.learning_rate={RATE}", "paths.output_dir=out"]
    done = door("battle.py", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("out/battle/*/match.json")
    terminal = json.loads(path.read_text(encoding="utf-8"))
    scores = [
        [(a["params"], a["val_f1"], a["test_f1"]) for a in one["attempts"]] for one in (match, terminal)
    ]
    assert scores[0] == scores[1]
    assert (match["winner"], match["verdicts"]) == (terminal["winner"], terminal["verdicts"])

    page.click("#show-record")
    page.locator("#record", has_text="지민 <img src=x>").wait_for()
    assert page.locator("#record h3").all_text_contents() == ["Leaderboard", "Latest matches"]
    assert not unnamed(page)
    assert page.locator("#record img").count() == 0
    page.click("#close-record")


def test_it_fits_a_phone_in_both_languages_and_looks(page: Any) -> None:
    """At the end of a match, where there is most to see."""
    for width in (390, 768, 1400):
        page.set_viewport_size({"width": width, "height": 844})
        for button in ("#language", "#theme"):
            page.click(button)
            page.wait_for_timeout(100)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.lang") == "ko"
    assert re.search("승리|무승부", page.text_content("#result-title"))
    page.reload()  # told all again
    page.locator("#do-same_again").wait_for()
    page.click("#do-another")
    page.locator("#data:visible").wait_for()  # drawn with the next frame
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("#language")


def test_a_duplicated_tab_takes_the_session_over(open_page: Callable[..., Any]) -> None:
    older = open_page(locale="en-GB")
    assert wait_until(lambda: older.evaluate("sessionStorage.getItem('ohlora-session')"))
    name = older.evaluate("sessionStorage.getItem('ohlora-session')")
    newer = open_page(
        lambda page: page.add_init_script(f"sessionStorage.setItem('ohlora-session', {name!r})"),
        locale="en-GB",
    )
    told = older.locator("#problem", has_text="open in another tab")
    told.wait_for()
    newer.wait_for_timeout(2000)  # four times as long as a stream waits before it comes back
    assert told.is_visible()
    assert not newer.locator("#problem:visible").count()
    older.close()
    newer.close()


def test_two_players_wait_for_each_other_and_leave_nothing_behind(
    page: Any, site: Site, open_page: Callable[..., Any]
) -> None:
    other = open_page(viewport={"width": 390, "height": 844}, color_scheme="light", locale="ko-KR")
    assert other.text_content("#show-record") == "Record"  # language=en was typed
    look(other, "1000002")
    look(page, "1000002")
    page.click("#do-fight")
    page.locator("#bars progress").first.wait_for()
    other.click("#do-fight")
    other.locator("#place", has_text="Your place in line: 1").wait_for()
    assert len(site.playing()) == 2
    other.reload()  # told all that it missed
    other.locator("#place", has_text="Your place in line: 1").wait_for()

    page.click("#stop")
    page.locator("#notice", has_text="Nothing is running").wait_for()
    other.locator("#bars progress").first.wait_for()  # its turn
    assert wait_until(lambda: len(site.playing()) == 1)
    other.close()  # in the midst of its training
    assert wait_until(lambda: not site.playing())

    third = open_page()
    assert wait_until(site.playing)
    children = site.playing()
    code, said = site.end()
    assert code == 130
    assert "Traceback" not in said
    assert not any(map(parent, children))
    assert not list(site.folder.glob("ohlora-*"))
    third.close()
