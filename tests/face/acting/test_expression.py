"""Words to moods to faces: every cell of the table, and what a line sounds like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml
from tests.conftest import ROOT

from ohlora.battle.verdict import Verdict
from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.face.acting.expression import NEUTRAL, RISE
from ohlora.face.acting.performance import Performance

MOODS = yaml.safe_load((ROOT / "conf" / "faces" / "moods.yaml").read_text(encoding="utf-8"))
VERDICTS = {
    "lost_by_far": "laughing",
    "lost_clearly": "proud",
    "lost_narrowly": "happy",
    "draw": "thinking",
    "won_narrowly": "sulky",
    "won_clearly": "sad",
    "won_by_far": "surprised",
}


CELLS = [(mood, name) for mood, row in MOODS.items() for name in row if name != RISE]


@pytest.mark.parametrize(("mood", "name"), CELLS)
def test_every_cell_reaches_the_face(expressions, person, mood, name):
    """The property itself, at the height of the mood, from the table alone: no sway, no blink."""
    column = list(expressions.axes).index(name)
    performance = Performance.of(person.at_rest(expressions), expressions, seed=0).feel(mood, 1.0)
    assert performance.pose(performance.height_s)[column] == pytest.approx(MOODS[mood][name], abs=1e-9)


@pytest.mark.parametrize(("verdict", "mood"), VERDICTS.items())
def test_every_verdict_moves_her(expressions, verdict, mood):
    assert expressions.mood(verdict) == mood
    assert {one.value for one in Verdict} == set(VERDICTS)


def test_moods_look_different(expressions):
    offsets = [expressions.offset(mood) for mood in expressions.moods]
    apart = [np.abs(a - b).max() for i, a in enumerate(offsets) for b in offsets[:i]]
    assert min(apart) > 0.1
    assert not expressions.offset(NEUTRAL).any()


@pytest.mark.parametrize(
    ("line", "mood"),
    [
        ("", "neutral"),
        ("The subset has ten classes", "neutral"),
        ("Wow, what was that?!", "surprised"),
        ("Congrats on the comeback 🎉 I saw that spark", "happy"),
        ("ㅋㅋㅋ 너무 쉽잖아", "laughing"),
        ("와, 대박!", "surprised"),
        ("와플 먹고 싶어", "neutral"),
        ("흥, 다시 해!", "sulky"),
        ("흥미로운 데이터네", "neutral"),
        ("음... 글쎄", "thinking"),
        ("somewhat swallowed", "neutral"),  # upstream's rules fired inside other words
        ("Sorry, I lost 😢", "sad"),
        ("<script>alert(1)</script>", "neutral"),
    ],
)
def test_what_a_line_sounds_like(expressions, line, mood):
    assert expressions.heard(line) == mood


def test_every_mood_can_be_heard(expressions):
    for mood, signs in expressions.signs.items():
        for sign in signs:
            assert expressions.heard(sign) == mood, sign


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("moods.happy.eyes=wide", "moods.happy.eyes=wide is not a number"),
        ("moods.happy=5", "moods.happy=5 is not a table of names and values"),
        ("expressions.signs.sad=sob", "expressions.signs.sad=sob is not a list, each text"),
        ("expressions.verdicts.draw=[]", "expressions.verdicts.draw=[] is not text"),
        ("renderer.identity.chin=[0.6]", "renderer.identity.chin=[0.6] is not a pair"),
        ("drawn_by=renderer renderer.device=gpu", "renderer.device=gpu: not one of cpu | cuda"),
        ("population.splits.val=2", "population.splits.val=2 is not a number from 0 to 1"),
        ("~renderer.properties.background_std", "background_std missing"),
        ("ombre.hue_period_s=0", "ombre.hue_period_s=0 is not a number from 0.1 up"),
    ],
)
def test_a_wrong_row_of_a_table_is_told_by_its_name(expressions_config, word, told):
    with pytest.raises(OhloraError) as caught:
        build(expressions_config(*word.split()).job)
    assert told in str(caught.value)


def test_every_fault_of_the_tables_at_once(expressions):
    moods = {
        **expressions.moods,
        "neutral": {**expressions.moods["neutral"], "eyes": 3},
        "odd": {"eyes": 0.5, "corner": 1.0},
    }
    verdicts = {**expressions.verdicts, "draw": "hapy", "drew": "happy"}
    with pytest.raises(OhloraError) as caught:
        replace(expressions, moods=moods, verdicts=verdicts)
    for fault in (
        "moods.neutral.eyes=3",
        "moods.odd has no mouth",
        "moods.odd.corner is not one of",
        "=hapy is not one of",
        "verdicts.drew",
    ):
        assert fault in str(caught.value)
