"""The page: whole in itself, safe whatever runs are called, readable by people and on paper."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from tests.conftest import ROOT
from tests.reported import reported
from tests.web.serving import CHROMIUM, FLAGS

from ohlora.loggers import CsvLogs, TensorboardLogs
from ohlora.report.drawing import svg, ticks, y_range
from ohlora.report.numbers import logged
from ohlora.report.page import page, shown
from ohlora.report.results import Chart, Fault, Figure, Result, Table
from ohlora.report.writing import collect
from ohlora.tracking import tracked

HOSTILE = "</script><img src=x onerror=alert(1)>"
LOSSES = Chart("loss", "steps", {"train": [(1, 2.0), (2, 1.0), (3, 0.5)], "val": [(1, 2.5), (3, 0.75)]})
DOTS = Chart(
    "scores", "learning rate", {"digits": [(1e-4, 0.3), (1e-2, 0.9)]}, dots=True, unit_range=True, log_x=True
)


@pytest.fixture
def results(tmp_path: Path) -> list[Result]:
    picture = tmp_path / "picture.png"
    Image.new("RGB", (300, 200), "orange").save(picture)
    maker = Result(HOSTILE, tmp_path / "maker", 1.0, {"a": 1, "b": None})
    parts = {
        "charts": [LOSSES, DOTS],
        "figures": [Figure("a figure", picture)],
        "tables": [Table("numbers", ["name", HOSTILE], [["x" * 300, 0.123456], [None, "0.98765432"]])],
        "inputs": [{"kind": "model", "name": "m", "sha256": "ab" * 32}],
        "notes": ["a note"],
    }
    return [Result("used", tmp_path / "user", 2.0, {"a": 2.0}, {"fact": HOSTILE}, **parts), maker]


@pytest.fixture
def written(results: list[Result]) -> str:
    made_by = {"ab" * 32: results[1]}
    return page({"Matches": results}, made_by, [Fault(Path("odd"), "KeyError: 'x'")], "two results", most=2)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_a_damaged_picture_costs_only_itself(results, content):
    path = results[0].figures[0].path
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    shown_all = page({"Matches": results}, {}, [], "two results", most=2)
    assert f"not read: {path}" in shown_all
    assert "a note" in shown_all


def test_nothing_is_fetched_and_nothing_foreign_runs(written):
    tags = Tags(written).found
    for tag, attributes in tags:
        assert "onerror" not in attributes
        assert (attributes.get("src") or "data:").startswith("data:")
        assert (attributes.get("href") or "#").startswith("#")
        assert tag != "link"
    scripts = [attributes for tag, attributes in tags if tag == "script"]
    assert [one["type"] for one in scripts] == ["application/json", "module"]
    (policy,) = [a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
    code = re.search(r'<script type="module">(.*?)</script>', written, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(code[1].encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )


def test_charts_are_data_and_pictures(written):
    data = re.search(r'<script type="application/json" id="charts">(.*?)</script>', written)
    losses, dots = json.loads(data[1])
    assert losses["columns"] == [[1, 2, 3], [2.0, 1.0, 0.5], [2.5, None, 0.75]]
    assert dots["log_x"]
    assert written.count("<svg ") == 2


def test_links_lead_to_what_a_result_was_made_from(written):
    assert '<a href="#r1">m <code>abababababab</code></a>' in written
    assert 'id="r1"' in written


def test_a_damaged_file_is_named_and_stops_nothing(tmp_path, written):
    assert "not read: odd: KeyError" in written
    for name, text in (("match.json", "{"), ("trial.json", "{}"), ("winners.csv", "a\n")):
        (tmp_path / name.partition(".")[0]).mkdir()
        (tmp_path / name.partition(".")[0] / name).write_text(text)
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "report.json").write_text("[]")
    found, faults, _ = collect([tmp_path], tmp_path)
    assert not found
    assert len(faults) == 4


def test_older_results_are_rows_alone(results):
    text = page({"Matches": results}, {}, [], "", most=1)
    assert 'id="r0"' in text
    assert 'id="r1"' not in text
    assert "The newest 1 are shown below." in text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.5, "0.500"),
        (0.00123456, "0.00123"),
        (12870, "12,870"),
        (None, "–"),
        (True, "yes"),
        ("1e-05", "1e-05"),
    ],
)
def test_numbers_for_people(value, said):
    assert shown(value) == said


class TestDrawing:
    def test_ticks_are_round(self):
        assert list(ticks(0.0, 1.02)) == pytest.approx([0, 0.5, 1.0])
        assert list(ticks(13, 47)) == [20, 30, 40]

    def test_scores_show_the_part_that_there_is(self):
        near = Chart("f1", "steps", {"a": [(1, 0.93), (2, 0.98)]}, unit_range=True)
        assert y_range(near) == (pytest.approx(0.8), 1.02)
        assert y_range(LOSSES)[0] < 0.5

    def test_a_single_point_is_drawn(self):
        assert "NaN" not in svg(Chart("one", "steps", {"a": [(3, 0.0)]}))


@pytest.mark.parametrize("logs", [CsvLogs, TensorboardLogs], ids=["csv", "tensorboard"])
def test_a_run_of_anybodys_is_shown_by_its_numbers(tmp_path, logs):
    if logs is TensorboardLogs:
        pytest.importorskip("tensorboard", reason='pip install "ohlora[tensorboard]"')
    with tracked(logs(str(tmp_path)).make(), {}) as logger:
        for step in (1, 2, 3):
            logger.log_metrics({"train_loss": 1 / step, "val_f1": step / 4}, step=step)
    assert logged(tmp_path)["val_f1"] == [(1, 0.25), (2, 0.5), (3, 0.75)]
    found, faults, _ = collect([tmp_path], tmp_path)
    ((result,),) = found.values()
    assert not faults
    assert {chart.title for chart in result.charts} == {"loss", "f1"}


@pytest.mark.parametrize("section", ["Predictors", "Voice: measured", "Her face", "Chat"])
def test_the_published_results_are_read(section):
    assert reported(ROOT / "docs" / "results", section).summary


class TestTheVerb:
    @pytest.mark.slow
    def test_a_folder_without_results_is_one_line(self, door, tmp_path):
        done = door("report", "nothere", cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr == "ohlora: nothere: no such folder\n"
        (tmp_path / "empty").mkdir()
        done = door("report", "empty", "out=r.html", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (2, "ohlora: no results below empty\n")
        assert not (tmp_path / "r.html").exists()

    def test_reading_results_needs_no_torch(self):
        code = "import sys, ohlora.report.writing\nassert not {'torch', 'lightning'} & set(sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)")
def test_in_a_browser_without_a_network(written, tmp_path):
    from playwright.sync_api import sync_playwright

    (tmp_path / "r.html").write_text(written, encoding="utf-8")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for width, scheme in ((390, "light"), (1400, "dark")):
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
            )
            tab, said = context.new_page(), []
            tab.on("console", lambda message, said=said: said.append(message.text))
            tab.on("pageerror", lambda error, said=said: said.append(str(error)))
            tab.goto((tmp_path / "r.html").as_uri())
            tab.wait_for_selector("figure.live canvas")
            assert tab.locator("figure.live").count() == 2
            assert not tab.locator("figure.live svg").first.is_visible()
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            tab.emulate_media(media="print")
            assert tab.locator("figure.live svg").first.is_visible()
            assert not tab.locator("canvas").first.is_visible()
            assert said == []
            context.close()
        quiet = browser.new_context(java_script_enabled=False).new_page()
        quiet.goto((tmp_path / "r.html").as_uri())
        assert quiet.locator("figure.chart svg").first.is_visible()
        browser.close()
