"""The chat as people have it: the real program, its page in a real Chromium, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.web.serving import CHROMIUM, FLAGS, NEEDS_CHROMIUM, NEEDS_PROC

pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM, NEEDS_PROC]
WAIT_MS = 120_000  # two busy cores


@pytest.fixture
def program(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `python -m ohlora chat ui=web`, and its address."""
    words = ["chat", "ui=web", "port=0", "language=en", "web.face_fps=2", "paths.output_dir=out"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ohlora", *words, "memory_file=her memory.sqlite"],
        cwd=tmp_path,
        env={**os.environ, "OHLORA_HISTORY": str(tmp_path / "matches.sqlite"), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+/chat", process.stdout.readline())
    assert found, process.communicate(timeout=30)
    yield process, found[0]
    process.kill()
    process.communicate()


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in listed for child in path.read_text().split()]


def wait_until(holds: Callable[[], Any], most_s: float = 30) -> bool:
    until = time.monotonic() + most_s
    while not holds() and time.monotonic() < until:
        time.sleep(0.1)
    return bool(holds())


def test_a_conversation(program: tuple[subprocess.Popen[str], str], tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    process, url = program
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context(reduced_motion="reduce").new_page()
        page.set_default_timeout(WAIT_MS)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: asked_elsewhere(request.url, url, wrong))
        page.goto(url)
        talk(page)
        memory(page, tmp_path)
        looks(page)
        page.reload()  # told all again
        page.locator("#turns li").nth(2).wait_for()
        assert len(children(process.pid)) == 1

        say(page, "/battle")
        page.locator("#datasets .tile").first.wait_for()
        page.click("nav a[href='/chat']")
        page.locator("#turns li").nth(2).wait_for()
        page.close()  # with a process that plays, and one that talks
        assert wait_until(lambda: not children(process.pid))
        browser.close()
    assert not wrong
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)  # two busy cores
    assert process.returncode == 130
    assert "Traceback" not in said
    assert not list(tmp_path.glob("ohlora-*"))


def asked_elsewhere(asked: str, url: str, wrong: list[str]) -> None:
    if not asked.startswith((url.removesuffix("/chat"), "data:", "blob:")):
        wrong.append(asked)


def say(page: Any, line: str) -> None:
    page.locator("#send[aria-disabled=false]").wait_for()
    page.fill("#line", line)
    page.press("#line", "Enter")


def talk(page: Any) -> None:
    """Streamed replies in the language of each line, as text; what is refused is one line and stays there."""
    page.locator("#turns .hers").first.wait_for()
    assert page.evaluate("document.activeElement.id") == "line"
    say(page, "my name is Maya <img src=x onerror=alert(1)>")
    page.locator("#turns .hers:not(.waits)").nth(1).wait_for()
    say(page, "내 강아지 이름은 보리야")
    page.locator(".remembered", has_text="보리").wait_for()
    reply = page.locator("#turns .hers span:last-child").last.text_content()
    assert re.search("[가-힣]", reply)
    assert page.text_content("#heard") == f"Oh-LoRA: {reply}"  # once and whole, for screen readers
    assert page.locator("#turns img").count() == 0
    assert re.search("Her mood: [a-z]+", page.text_content("#mood"))
    face = "(() => { const c = document.getElementById('face'); return c.toDataURL().length; })()"
    assert wait_until(lambda: page.evaluate(face) > 5000)  # she is drawn

    say(page, "x" * 2001)
    page.locator("#problem", has_text="2,001 characters are more than 2,000").wait_for()
    assert len(page.input_value("#line")) == 2001
    say(page, "/nonsense")
    page.locator("#problem", has_text="/nonsense is not one of /memory").wait_for()
    say(page, "/forget")
    page.locator("#problem", has_text="/forget KEY, or /forget all; the keys: pet_").wait_for()
    say(page, "죽고 싶어")
    page.locator("#crisis", has_text="109").wait_for()


def memory(page: Any, folder: Path) -> None:
    """By keyboard: shown, saved, one forgotten."""
    page.focus("#show-memory")
    page.keyboard.press("Enter")
    page.locator("#facts li", has_text="보리").wait_for()
    assert page.evaluate("document.activeElement.id") == "memory-title"
    with page.expect_download() as download:
        page.click("#export")
    download.value.save_as(folder / "saved.json")
    saved = json.loads((folder / "saved.json").read_text(encoding="utf-8"))
    assert "pet_dog" in [fact["key"] for fact in saved["facts"]]
    assert len(saved["turns"]) == 3
    page.get_by_role("button", name="Forget pet_dog").press("Enter")
    page.locator("#notice", has_text="Forgotten for good").wait_for()
    page.locator("#turns", has_text="보리").wait_for(state="detached")
    assert "보리".encode() not in (folder / "her memory.sqlite").read_bytes()
    page.click("#forget-all")
    assert page.evaluate("document.activeElement.id") == "forget-no"
    page.keyboard.press("Enter")
    page.click("#show-memory")


def looks(page: Any) -> None:
    for width in (390, 768, 1400):
        page.set_viewport_size({"width": width, "height": 844})
        for button in ("#language", "#theme"):
            page.click(button)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.documentElement.lang") == "ko"
    assert page.text_content("#show-memory") == "오로라의 기억"
