"""The pictures of the battle's page in docs/images, taken anew: python -m docs.website.screenshots

Plays a match on Fashion-MNIST in a Chromium that is there already (extra `dev` has what drives it). Wants a
font with emoji (Debian: fonts-noto-color-emoji) and a quiet machine, as the page tells how long she looked.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
SEED = "1000076"  # 202 images of six classes
RATES = ("5e-5", "6e-4")  # of the two attempts
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
MOST_MS = 600_000  # on a busy machine
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def served() -> Iterator[str]:
    """The address of a battle's page."""
    with tempfile.TemporaryDirectory() as folder:
        words = [
            "ui=web",
            "port=0",
            "language=en",
            "dataset=fashion",
            f"paths.history={folder}/matches.sqlite",
        ]
        command = [sys.executable, str(ROOT / "battle.py"), *words]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            address = re.search(r"http://\S+", process.stdout.readline())
            assert address, "the server did not begin"
            yield address[0]
        finally:
            process.terminate()
            process.wait()


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=found, args=FLAGS)


def match(page: Any) -> Iterator[str]:
    """Play one, stopping where there is something to see: choosing, training, second, result."""
    page.locator("#datasets .tile").first.wait_for()
    page.fill("#seed", SEED)
    page.click("#data-form button.main")
    page.locator("#do-fight").wait_for()
    page.locator("#bubble:not(:empty)").wait_for()
    yield "choosing"
    page.fill("#axis-learning_rate-value", RATES[0])
    page.click("#do-fight")
    half_way(page, 0)
    yield "training"
    page.locator("#do-fight_again").wait_for()
    page.fill("#axis-learning_rate-value", RATES[1])
    page.click("#do-fight_again")
    half_way(page, 2)
    yield "second"
    page.locator("#do-same_again").wait_for()
    page.evaluate("document.querySelector('.share img').decode()")
    page.wait_for_timeout(1500)  # she has begun to say her line
    yield "result"


def half_way(page: Any, bar: int) -> None:
    while page.evaluate(f"document.querySelectorAll('#bars progress')[{bar}]?.position ?? 0") < 0.5:
        page.wait_for_timeout(100)  # the page's content policy has no wait_for_function


def top_of(page: Any, target: str) -> None:
    page.evaluate(f"document.querySelector('{target}').scrollIntoView()")


def has_emoji() -> bool:
    """Whether a font has emoji; where fontconfig is not used, there is one."""
    lister = shutil.which("fc-list")
    return not lister or bool(subprocess.run([lister, ":lang=und-zsye"], capture_output=True).stdout)


def main() -> None:
    if not has_emoji():
        sys.exit("docs: no font here has emoji, her lines would show boxes: install fonts-noto-color-emoji")
    with served() as address, browser() as chromium:
        page = chromium.new_page(viewport=WIDE, color_scheme="dark", locale="en-GB")
        page.set_default_timeout(MOST_MS)
        page.goto(address)
        for state in match(page):
            if state == "choosing":
                page.click("#theme")
                top_of(page, "body")
                page.screenshot(path=IMAGES / "battle_light.png")
                page.click("#theme")
            elif state == "training":
                top_of(page, "#steps")
                page.screenshot(path=IMAGES / "battle_training.png")
            elif state == "second":
                page.set_viewport_size(PHONE)
                page.click("#language")
                top_of(page, "body")
                page.screenshot(path=IMAGES / "battle_phone_ko.png")
                page.click("#language")
                page.set_viewport_size(WIDE)
            else:
                top_of(page, "body")
                page.screenshot(path=IMAGES / "battle_result.png")


if __name__ == "__main__":
    main()
