"""Her face after a match: files beside match.json, half-blocks where the terminal can show them."""

from __future__ import annotations

import io
import random
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from ohlora.battle.result import MatchResult, SubsetSummary
from ohlora.battle.verdict import Verdict
from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.face.acting.half_blocks import UPPER_HALF, HalfBlocks
from ohlora.narrator.training import draw_match

LINE = "다음엔 내가 이길 거야 😤 한 판 더!"


@pytest.fixture
def react(composed):
    return lambda *overrides: build(composed("battle", *overrides).job.face)


def match(*verdicts: str) -> MatchResult:
    rng = random.Random(0)
    subset = SubsetSummary("varied", 1_000_003, (), (), 0, 0)
    return replace(draw_match(list(map(Verdict, verdicts)), "ko", rng), subset=subset)


def terminal(**settings) -> Console:
    return Console(file=io.StringIO(), width=100, **settings)


def test_a_picture_and_a_short_gif(react, tmp_path):
    face, console = react(), terminal(force_terminal=True, color_system="truecolor")
    began = time.process_time()
    assert face.react(match("lost_by_far", "won_clearly"), LINE, tmp_path, console) == tmp_path / "ohlora.png"
    assert time.process_time() - began < 3
    with Image.open(tmp_path / "ohlora.png") as picture, Image.open(tmp_path / "ohlora.gif") as moving:
        assert (picture.size, moving.size) == ((512, 512), (256, 256))
        assert 30 < moving.n_frames < 60
    assert (tmp_path / "ohlora.gif").stat().st_size < 600_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ohlora.gif", "ohlora.png"]
    assert console.file.getvalue() == ""


def test_the_same_match_the_same_face_another_verdict_another(react, tmp_path):
    face, seen = react("resolution=32", "job.face.still_resolution=64"), []
    for number, verdict in enumerate(["lost_by_far", "lost_by_far", "won_clearly"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        face.react(match(verdict), LINE, folder, terminal())
        seen.append([(folder / name).read_bytes() for name in ("ohlora.png", "ohlora.gif")])
    assert seen[0] == seen[1]
    assert seen[0][0] != seen[2][0]


def test_she_takes_in_one_attempt_after_the_other(react):
    face = react("resolution=32", "job.face.still_resolution=64")
    acted = face.performance(match("lost_by_far", "won_clearly"), LINE)
    names = list(face.expressions.properties)
    eyes = names.index("eyes")
    moods = face.expressions.moods
    assert acted.pose(1.4)[eyes] == pytest.approx(moods["laughing"]["eyes"], abs=0.06)
    assert acted.pose(acted.height_s)[eyes] == pytest.approx(moods["sad"]["eyes"], abs=1e-9)


def test_in_the_terminal(react, tmp_path):
    face = react("face=terminal", "resolution=32", "job.face.still_resolution=64")
    console = terminal(force_terminal=True, color_system="truecolor")
    face.react(match("draw"), LINE, tmp_path, console)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 24
    assert all(line.count(UPPER_HALF) == 48 for line in lines)
    for quiet in (terminal(), terminal(force_terminal=True, no_color=True, color_system=None)):
        face.react(match("draw"), LINE, tmp_path, quiet)
        assert quiet.file.getvalue() == ""


def test_half_blocks_have_the_colours_of_the_picture_and_fit(tmp_path):
    picture = Image.fromarray(np.array([[[255, 0, 0]] * 2, [[0, 0, 255]] * 2], dtype=np.uint8))
    console = terminal(force_terminal=True, color_system="truecolor")
    console.print(HalfBlocks(picture, 2))
    assert "38;2;255;0;0" in console.file.getvalue()
    assert "48;2;0;0;255" in console.file.getvalue()
    narrow = Console(file=io.StringIO(), width=10, force_terminal=True, color_system="truecolor")
    narrow.print(HalfBlocks(picture, 48))
    assert narrow.file.getvalue().count(UPPER_HALF) == 10 * 5


def test_none_and_nonsense(react):
    assert react("face=none") is None
    with pytest.raises(OhloraError, match=r"face=termnal is not one of none \| files \| terminal"):
        react("face=termnal")
    for word in ("job.face.seconds=0", "job.face.fps=often", "job.face.fps=60"):
        with pytest.raises(OhloraError, match=word):
            react(word)
