"""The battle's page in a real Chromium, with a small program in place of the process that plays."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.web.serving import NEEDS_CHROMIUM, serving
from tests.web.test_battle_server import QUICK
from tests.web.test_uploads import png, zipped

from ohlora.build import build
from ohlora.web import sessions
from ohlora.web.battle_server import open_server
from ohlora.web.server import LocalServer

pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]
WAIT_MS = 60_000  # two busy cores
# Every match has pictures of a colour of its own. A player called slow trains until the match is stopped.
PLAYER = """import json, sys
from pathlib import Path
from PIL import Image

def say(event, **content):
    print(json.dumps({"event": event, **content}), flush=True)

def attempt(kind, params, expected=0.5):
    return {"contestant": kind, "kind": kind, "params": params, "val_f1": 0.5, "test_f1": expected,
            "expected": {"f1": 0.5, "sd": 0.1}}

for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "play":
        match, number = asked, 0
        folder = Path(match["folder"])
        folder.mkdir(parents=True)
        colour = (40 * int(folder.name), 0, 90)
        for name in ("class_0", "class_1", "card"):
            Image.new("RGB", (64, 32), colour).save(folder / f"{name}.png")
        flat = ["note_flat", {"n": 42, "names": "cat/0.png"}]
        say("subset", dataset="shapes", title="drawn shapes", classes=["cat", "dog"], counts=[5, 6], val=4,
            side=32, family="none" if match["upload"] else "varied", seed=match["seed"] or 7,
            unavailable=None, notes=[flat] if match["upload"] else [])
        say("sealed", sha256="0" * 64, ms=1, expects=True, protocols=["a", "a"])
    elif asked["do"] == "attempt":
        number, params = number + 1, asked["params"]
        for who in ("ohlora", "human") if number == 1 else ("human",):
            say("training", who=who, number=number, steps=160)
            point = {"step": 144, "train_loss": 1, "val_loss": 1, "val_f1": 0.5}
            say("progress", who=who, number=number, step=144, points=[point])
        if match["name"] != "slow":
            say("progress", who="human", number=number, step=144, points=[], early=True, diverged=False)
            say("trained", number=number, val_f1=0.5)
    elif asked["do"] == "enough":
        (folder / "match.json").write_text("{}")
        say("scoring")
        say("result", winner="challenger", player=match["name"], title="drawn shapes", dataset="shapes",
            family="varied", seed=match["seed"] or 7, protocol="PROTOCOL", verdicts=["won_by_far"], best=1,
            swaps=[], attempts=[attempt("ohlora", params), attempt("human", params, 0.9)], line="Well played",
            seal={"sha256": "0" * 64, "salt": "", "text": ""})
        say("logged")
    elif asked["do"] == "stop":
        say("stopped")
"""
COLOUR = """async (image) => {
  await image.decode();
  const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  return [...pen.getImageData(2, 2, 1, 1).data];
}"""
INVALID = """() => {
  window.told = [];
  document.addEventListener("invalid", ({ target }) => told.push(target.validationMessage), true);
}"""


@pytest.fixture(scope="module")
def server(composed: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    folder = tmp_path_factory.mktemp("battle")
    words = ("dataset=shapes", f"paths.history={folder}/m.sqlite", f"job.output_dir={folder}/matches")
    job = build(composed("battle", *QUICK, "web.players=20", "web.matches=20", *words).job)
    player = PLAYER.replace("PROTOCOL", job.protocol.fingerprint)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions, "match_command", lambda *_: [sys.executable, "-c", player])
        with serving(open_server(job)) as running:
            yield running


@pytest.fixture
def open_page(server: LocalServer, browser: Any) -> Iterator[Callable[..., Any]]:
    """`open_page(locale="ko-KR")`: a tab of a player of their own; what it complains of fails the test."""
    wrong: list[str] = []
    contexts: list[Any] = []

    def open_(prepare: Callable[[Any], Any] = bool, **settings: Any) -> Any:
        settings = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **settings}
        contexts.append(browser.new_context(reduced_motion="reduce", **settings))
        page = contexts[-1].new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        prepare(page)
        page.goto(server.url)
        page.locator("#datasets .tile").first.wait_for(state="attached")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not wrong


def look(page: Any, name: str = "", seed: str = "7") -> None:
    page.fill("#name", name)
    page.fill("#seed", seed)
    page.click("#data-form button.main")
    page.locator("#do-fight").wait_for()


def finish(page: Any) -> None:
    page.click("#do-fight")
    page.click("#do-enough")
    page.locator("#do-same_again").wait_for()


def upload(page: Any, path: Path) -> None:
    files = {f"pets/{name}/{n}.png": png(9 + n, 20) for name in ("cat", "dog") for n in range(3)}
    page.set_input_files("#zip", zipped(files, path))
    page.locator("#do-fight").wait_for()


def test_each_match_shows_its_own_images_and_card(open_page: Callable[..., Any], tmp_path: Path) -> None:
    """The addresses of one match never stand for another: Chromium keeps decoded pictures by address."""
    page = open_page()
    seen = []
    for begin in (look, lambda page: page.click("#do-same_again")):
        begin(page)
        page.locator("#do-fight").wait_for()
        seen.append(page.locator("#grid img").first.evaluate(COLOUR))
        finish(page)
        assert page.locator(".share img").evaluate(COLOUR) == seen[-1]
    for _ in range(2):  # of one number
        page.click("#do-another" if len(seen) == 2 else "#do-other_data")
        page.locator("#data-form button.main:visible").wait_for()
        upload(page, tmp_path / "a.zip")
        seen.append(page.locator("#grid img").first.evaluate(COLOUR))
    assert len({tuple(colour) for colour in seen}) == 4


def test_a_tab_that_was_taken_over_acts_no_more(open_page: Callable[..., Any], tmp_path: Path) -> None:
    older = open_page()
    look(older)
    name = older.evaluate("sessionStorage.getItem('ohlora-session')")
    newer = open_page(
        lambda page: page.add_init_script(f"sessionStorage.setItem('ohlora-session', {name!r})")
    )
    newer.locator("#do-fight").wait_for()
    told = older.locator("#problem", has_text="open in another tab")
    told.wait_for()
    for act in ("#do-fight", "#do-other_data"):
        older.click(act)
        told.wait_for()
    older.wait_for_timeout(500)
    assert newer.locator("#training:visible").count() == 0
    assert newer.locator("#do-fight:visible").count() == 1


def test_a_match_that_ended_while_the_page_was_away_is_told(
    open_page: Callable[..., Any], server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page()
    look(page, name="slow")
    page.click("#do-fight")
    page.locator("#bars progress").first.wait_for()
    name = page.evaluate("sessionStorage.getItem('ohlora-session')")
    page.goto("about:blank")
    monkeypatch.setattr(sessions, "GONE_S", 0.1)
    alive = f"{server.url}sessions/{name}/alive"
    assert any(page.wait_for_timeout(200) or page.request.get(alive).status == 404 for _ in range(50))
    monkeypatch.undo()
    page.go_back()
    page.locator("#notice", has_text="Your match ended while the page was away").wait_for()
    assert page.locator("#data:visible").count() == 1
    page.reload()  # told once
    page.locator("#datasets .tile").first.wait_for()
    page.wait_for_timeout(500)
    assert page.locator("#notice:visible").count() == 0


def test_what_was_chosen_stands_again_when_the_page_is_loaded_again(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.locator("#datasets input[value=digits]").check(force=True)
    page.fill("#seed", "11")
    page.reload()
    page.locator("#datasets input[value=digits]:checked").wait_for(state="attached")
    assert page.input_value("#seed") == "11"
    look(page)
    page.click("#do-fight")
    page.locator("#do-fight_again").wait_for()
    page.fill("#axis-learning_rate-value", "0.02")
    page.locator("#axis-activation input").last.check(force=True)
    chosen = page.locator("#axis-activation input:checked").get_attribute("value")
    page.reload()
    page.locator("#do-fight_again").wait_for()
    assert page.input_value("#axis-learning_rate-value") == "0.02"
    assert page.locator("#axis-activation input:checked").get_attribute("value") == chosen


def test_a_value_that_is_no_longer_allowed_is_not_kept(open_page: Callable[..., Any]) -> None:
    kept = '{"learning_rate": 9, "activation": "none", "batch_size": [], "dropout_fc": 0.1}'
    page = open_page(lambda page: page.add_init_script(f"sessionStorage.setItem('ohlora-params', {kept!r})"))
    look(page)
    assert page.input_value("#axis-learning_rate-value") == "0.001"
    assert page.input_value("#axis-dropout_fc-value") == "0.1"
    page.click("#do-fight")
    page.locator("#do-fight_again").wait_for()


@pytest.mark.parametrize("leave", ["#do-other_data", "#do-another"])
def test_a_match_that_was_left_stays_left(open_page: Callable[..., Any], leave: str) -> None:
    page = open_page()
    look(page)
    if leave == "#do-another":
        finish(page)
    page.click(leave)
    page.locator("#data:visible").wait_for()
    page.reload()
    page.locator("#datasets .tile").first.wait_for()
    page.wait_for_timeout(500)  # events that are told again
    assert page.locator("#data:visible").count() == 1
    assert page.locator("#notice:visible").count() == 0
    look(page)


def test_leaving_while_networks_train_is_asked_about(open_page: Callable[..., Any]) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    look(page, name="slow")
    page.reload()
    page.locator("#do-fight").wait_for()
    assert not asked
    page.click("#do-fight")
    page.locator("#bars progress").first.wait_for()
    page.click("nav a[href='/chat']")  # where the match goes on
    page.locator("#line").wait_for()
    page.click("nav a[href='/battle']")
    page.locator("#bars progress").first.wait_for()
    assert not asked
    page.click("#bars")  # a page that nobody touched asks nothing
    page.reload()
    page.locator("#bars progress").first.wait_for()
    assert asked == ["beforeunload"]


def test_notes_on_an_upload_are_told_in_the_language_of_the_page(
    open_page: Callable[..., Any], tmp_path: Path
) -> None:
    page = open_page(locale="ko-KR")
    upload(page, tmp_path / "a.zip")
    assert page.text_content("#notice") == "거의 한 가지 색뿐인 이미지: 42장 (cat/0.png)"
    assert "문제 7." in page.text_content("#subset-text")
    page.click("#language")
    page.locator("#notice", has_text="hardly more than one colour: 42 (cat/0.png)").wait_for()
    assert "problem 7. The test" in page.text_content("#subset-text")


def test_a_dataset_has_one_name(open_page: Callable[..., Any]) -> None:
    page = open_page(locale="ko-KR")
    tile = page.locator("#datasets .tile", has=page.locator("input[value=shapes]"))
    title = tile.locator("strong").text_content()
    tile.locator("input").check(force=True)
    look(page)
    assert title == "도형"
    assert page.text_content("#subset-title") == f"이미지: {title}"
    finish(page)
    page.click("#show-record")
    page.locator("#record", has_text=title).wait_for()


def test_a_training_that_stopped_early_claims_no_more_steps(open_page: Callable[..., Any]) -> None:
    page = open_page()
    look(page)
    page.click("#do-fight")
    page.locator("#do-fight_again").wait_for()
    assert page.locator(".bar.human .count").text_content() == "stopped at 144 of 160: no better any more"
    assert page.locator(".bar.human progress").get_attribute("value") == "144"


def test_a_winner_without_a_name_is_you(open_page: Callable[..., Any]) -> None:
    page = open_page()
    look(page)
    finish(page)
    assert page.text_content("#result-title") == "You won!"
    assert page.get_attribute(".share img", "alt") == "Result card: You won!"
    page.click("#language")
    page.locator("#result-title", has_text="네가 이겼어!").wait_for()


def test_a_wrong_field_says_what_is_allowed(open_page: Callable[..., Any]) -> None:
    page = open_page()
    look(page)
    page.evaluate(INVALID)
    for typed in ("", "1", "x"):
        page.fill("#axis-learning_rate-value", typed)
        page.click("#do-fight")
        assert page.evaluate("document.activeElement.id") == "axis-learning_rate-value"
    assert page.evaluate("told") == ["a number from 2e-5 to 0.05"] * 3
    page.fill("#axis-learning_rate", "500")  # the slider puts it right
    page.click("#do-fight")
    page.locator("#do-fight_again").wait_for()


def test_a_record_is_read_on_a_phone_whatever_a_player_is_called(open_page: Callable[..., Any]) -> None:
    page = open_page(locale="ko-KR")
    look(page, name="W" * 40)
    finish(page)
    page.click("#show-record")
    page.locator("#record table").first.wait_for()
    for _ in range(2):
        page.click("#language")
        for table in page.locator("#record .scroll").all():
            for one in (table, *table.locator("td").all()):
                assert one.evaluate("(one) => one.scrollWidth <= one.clientWidth")
    for table in page.locator("#record .scroll").all():
        last = table.locator("tbody tr:last-child td").first
        assert last.evaluate("(one) => getComputedStyle(one).borderBottomWidth") == "0px"
    page.set_viewport_size({"width": 390, "height": 844})
    heads = page.locator("#record thead th")
    assert heads.first.evaluate("(one) => getComputedStyle(one).overflowWrap") == "normal"
    outcome = page.locator("#record table").last.locator("tbody tr:first-child td").first
    assert outcome.text_content() == "승"
    box = outcome.bounding_box()
    assert box["x"] + box["width"] < 390 - 16


def test_her_own_page_speaks_the_language_that_was_chosen(open_page: Callable[..., Any]) -> None:
    page = open_page(locale="ko-KR")
    for language, label in (("ko", "기분"), ("en", "MOODS")):
        with page.expect_popup() as opened:
            page.click("nav a[href='/live']")
        assert opened.value.locator(f"text={label}").first.wait_for() is None
        assert opened.value.evaluate("document.documentElement.lang") == language
        opened.value.close()
        page.click("#language")
