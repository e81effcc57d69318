"""What can be told of the pages without a browser: words, contrast, nothing from elsewhere."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from tests.web.contrast import contrast

import ohlora
from ohlora.battle.phrases import PHRASES
from ohlora.battle.verdict import Verdict
from ohlora.web.pages import page

PAGE = files("ohlora.web").joinpath("page")
ROOMS = Path(ohlora.__file__).parent  # whose mistakes a page tells
OWN = (
    "battle",
    "browser",
    "chat",
    "curves",
    "face",
    "form",
    "live",
    "looks",
    "result",
    "session",
    "theme",
    "words",
    "zip",
)
PAGES = ("battle", "chat", "live")
WORDS: dict[str, dict[str, str]] = json.loads(page("words.json"))
# Text and what it stands on: 4.5 to 1. Edges and bars of meaning: 3 to 1.
TEXT = [
    *(("ink", ground) for ground in ("ground", "card", "field", "button", "button-hover", "notice-ground")),
    *(("soft", ground) for ground in ("ground", "card", "field", "notice-ground", "button")),
    *(("on-main", ground) for ground in ("main", "main-hover")),
    *((text, "card") for text in ("hers", "yours", "yours-2", "main", "problem")),
    ("problem", "problem-ground"),
]  # fmt: skip
EDGES = [("edge", "card"), ("edge", "field"), ("main", "card"), ("hers", "ground"), ("problem", "field")]
BARS = [(bar, "line") for bar in ("hers", "yours", "yours-2", "main")]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_everything_can_be_read(scheme: int) -> None:
    """WCAG AA, from the variables that the page is coloured by."""
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\);", page("battle.css").decode())
    colours = {name: both[scheme] for name, *both in pairs}
    for text, ground in TEXT:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for edge, ground in [*EDGES, *BARS]:
        assert contrast(colours[edge], colours[ground]) >= 3, (edge, ground)


def test_every_word_in_both_languages_with_the_same_gaps() -> None:
    for key, phrases in WORDS.items():
        assert phrases.keys() == {"en", "ko"}, key
        gaps = [sorted(set(re.findall(r"\{(\w+)\}", phrase))) for phrase in phrases.values()]
        assert gaps[0] == gaps[1], key
        assert all(phrases.values()), key
    assert re.search("[가-힣]", "".join(phrases["ko"] for phrases in WORDS.values()))


def test_no_particle_hangs_on_a_gap() -> None:
    """Which of 은 and 는 it is depends on what fills the gap."""
    for table in (WORDS, PHRASES):
        for key, phrases in table.items():
            assert not re.search(r"\}(은|는|이|가|을|를|과|와|로|으로|였|\(으\))", phrases["ko"]), key


def test_every_word_that_is_said_is_there_and_no_other(space: Any, composed: Any) -> None:
    moods = composed("chat").moods
    sources = "".join(page(f"{name}.js").decode() for name in OWN)
    sources += "".join(page(f"{name}.html").decode() for name in PAGES)
    said = set(re.findall(r'(?:\bsay\(|data-word=)"(\w+)"', sources))
    for room in ("web", "chat", "datasets"):
        for file in (ROOMS / room).glob("*.py"):
            sources += file.read_text(encoding="utf-8")
    said |= {verdict.value for verdict in Verdict} | {f"axis_{name}" for name in space.free}
    said |= {f"mood_{name}" for name in moods}
    assert said <= WORDS.keys()
    begun = tuple({f"{start}_" for start in re.findall(r"`(\w+)_\$\{", sources)})
    never = [
        key for key in WORDS if key not in said and f'"{key}"' not in sources and not key.startswith(begun)
    ]
    assert not never


def test_every_axis_says_what_it_does(space: Any) -> None:
    from ohlora.battle.phrases import MEANINGS

    assert space.free.keys() <= MEANINGS.keys()


@pytest.mark.parametrize(
    "name", [f"{name}.js" for name in OWN] + [f"{name}.{kind}" for name in PAGES for kind in ("css", "html")]
)
def test_nothing_from_elsewhere_and_nothing_inline(name: str) -> None:
    text = page(name).decode()
    for word in ("http:", "https:", "//cdn", "innerHTML", "insertAdjacentHTML", "eval(", "document.write"):
        assert word not in text
    if name.endswith(".html"):
        assert not re.search(r"\son\w+=|\sstyle=|<style|<script>", text)


def test_what_is_vendored_carries_its_licence() -> None:
    licence = page("vendor/LICENSE-uPlot.txt").decode()
    assert "MIT License" in licence
    assert "Leon Sorokin" in licence
    assert "v1.6.32" in page("vendor/uPlot.js").decode()
