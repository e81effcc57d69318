"""Time: pure functions, bounded jumps, the same at every frame rate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohlora.face.acting.motion import BLINK_EVERY_S, Track, blink, breath, ease, saccade, sway
from ohlora.face.acting.performance import SPEED, Performance
from ohlora.face.acting.speech import LONGEST, START_S, SYLLABLE_S, Speech, cleaned, visemes

FPS = 30
# Largest jumps between frames at 30 a second, in standard deviations of a property drawn evenly. This one
# holds for moods, sliders and sway; a lid falls in an eighth of a second, a lip opens six times in one.
CALM = 0.15
JUMP = {"eyes": 1.6, "mouth": 1.4, "rounding": 1.2, "gaze_x": 0.6, "gaze_y": 0.6, "pitch": 0.4, "pout": 0.5}
JUMP |= {"hair_swing": 0.5, "earring_swing": 0.9}


def deviations(expressions) -> np.ndarray:
    return np.array([(axis.high - axis.low) / math.sqrt(12) for axis in expressions.axes.values()])


@pytest.fixture
def resting(person, expressions) -> Performance:
    return Performance.of(person.at_rest(expressions), expressions, seed=7)


@pytest.fixture
def busy(resting, expressions) -> Performance:
    """Everything at once, each wish cutting another off."""
    t = 0.0
    for mood in [*expressions.moods, *reversed(expressions.moods)]:
        resting = resting.feel(mood, t)
        t += 0.37
    rest = resting.rest.origin.copy()
    rest[: len(expressions.properties)] = [axis.at(0.9) for axis in expressions.properties.values()]
    return resting.slide(rest, 2.0).slide(resting.rest.origin, 2.2).say("Wow, 대박! Amazing macaroni", 1.0)


def test_ease_starts_and_arrives_at_rest():
    assert [ease(x) for x in (-1, 0, 0.5, 1, 2)] == pytest.approx([0, 0, 0.5, 1, 1])


def test_no_jump_is_larger_than_allowed(busy, expressions):
    states = np.array([busy.at(number / FPS) for number in range(FPS * 16)])
    jumps = np.abs(np.diff(states, axis=0)).max(axis=0) / deviations(expressions)
    for name, jump in zip(expressions.axes, jumps, strict=True):
        assert jump <= JUMP.get(name, CALM) + 0.02, name  # 0.02: sway comes on top
    low, high = np.array([(axis.low, axis.high) for axis in expressions.axes.values()]).T
    assert (states >= low).all()
    assert (states <= high).all()


def test_moods_and_sliders_alone_are_calm(busy, expressions):
    for track in (busy.mood, busy.rest):
        states = np.array([track.at(number / FPS) for number in range(FPS * 20)])
        jumps = np.abs(np.diff(states, axis=0)).max(axis=0) / deviations(expressions)
        assert jumps.max() <= CALM + 1e-9
    assert pytest.approx(CALM) == SPEED * math.sqrt(12) / FPS


def test_frames_do_not_depend_on_the_frame_rate_or_the_order(busy):
    slow = {t: busy.at(t) for t in np.arange(0, 4, 0.5)}
    for t in reversed(np.arange(0, 4, 0.125)):
        state = busy.at(t)
        if t in slow:
            assert np.array_equal(state, slow[t])


def test_another_seed_another_motion(resting, person, expressions):
    other = Performance.of(person.at_rest(expressions), expressions, seed=8)
    assert not np.array_equal(resting.at(1.0), other.at(1.0))
    assert [blink(t / 10, 7) for t in range(200)] != [blink(t / 10, 8) for t in range(200)]


@given(st.integers(0, 2**31 - 1))
def test_she_blinks_once_or_twice_in_every_stretch(seed):
    for stretch in range(3):
        times = np.arange(stretch * BLINK_EVERY_S, (stretch + 1) * BLINK_EVERY_S, 0.01)
        lids = np.array([blink(float(t), seed) for t in times])
        closings = ((lids[1:] > 0.9) & (lids[:-1] <= 0.9)).sum()
        assert closings in (1, 2)
        assert lids[[0, -1]].max() < 0.02
        assert np.abs(np.diff(lids)).max() < 0.14


def test_sway_is_bounded_and_never_still(expressions):
    moved = np.array([sway(t, 3, 4) for t in np.arange(0, 60, 0.1)])
    assert np.abs(moved).max() <= 1
    assert moved.std(axis=0).min() > 0.2


class TestTrack:
    def test_a_new_wish_begins_where_the_last_has_come_to(self):
        track = Track(np.zeros(1), np.ones(1)).toward(np.ones(1), 0.0, 0.1).toward(np.zeros(1), 0.3, 0.1)
        assert track.at(0.3 - 1e-9) == pytest.approx(track.at(0.3), abs=1e-6)
        assert 0 < track.at(0.3)[0] < 0.5
        assert track.at(9.0) == pytest.approx(0)

    def test_a_wish_replaces_what_had_been_planned(self):
        track = Track(np.zeros(1), np.ones(1)).toward(np.ones(1), 0.0, 0.1).toward(-np.ones(1), 5.0, 0.1)
        assert track.toward(np.zeros(1), 4.0, 0.1).at(20.0) == pytest.approx(0)

    @given(st.floats(0, 3))
    def test_what_is_over_can_be_forgotten(self, t):
        track = Track(np.zeros(1), np.ones(1))
        for start, target in ((0.0, 1.0), (0.4, -1.0), (1.1, 0.5), (2.5, 0.0)):
            track = track.toward(np.array([target]), start, 0.2)
        short = track.since(t)
        for later in np.arange(t, 5, 0.21):
            assert short.at(later) == pytest.approx(track.at(later), abs=1e-12)


class TestSpeech:
    def test_the_mouth_follows_the_syllables(self):
        openings = [viseme.opening for viseme in visemes("나비가 me")]
        assert openings == [1.0, 0.4, 1.0, 0.0, 0.4]

    def test_lips_are_round_at_an_o_spread_at_an_i_and_meet_at_an_m(self):
        (o,), (i,), (bap,), (ma,) = (list(visemes(text)) for text in ("오", "이", "밥", "ma"))
        assert o.rounding > 0.5 > -0.5 > i.rounding
        assert (bap.shut_before, bap.shut_after) == (True, True)
        assert (ma.shut_before, ma.shut_after) == (True, False)
        speech = Speech("아마", 0.0)
        assert speech.opening(START_S + SYLLABLE_S) < 0.05  # between both syllables
        assert Speech("아라", 0.0).opening(START_S + SYLLABLE_S) > 0.3
        assert Speech("우우", 0.0).rounding(START_S + SYLLABLE_S) > 0.6

    def test_she_waits_at_emoji_and_punctuation(self):
        plain = Speech("가가", 0.0).end_s
        for mark in (",", "!", "🎉", "。"):
            assert Speech(f"가{mark}가", 0.0).end_s > plain + 0.15

    def test_it_is_shut_before_after_and_without_words(self):
        speech = Speech("바나나 banana", 2.0)
        assert max(speech.opening(t) for t in np.arange(2, speech.end_s, 0.02)) > 0.9
        assert speech.opening(1.9) == speech.opening(speech.end_s) == 0
        assert speech.speaking(1.9) == speech.speaking(speech.end_s) == 0
        for text in ("", "🎉🎉", "...", " "):
            assert max(Speech(text, 0.0).opening(t) for t in np.arange(0, 3, 0.05)) == 0

    @given(st.text())
    def test_any_text_can_be_said(self, text):
        speech = Speech(text, 0.0)
        assert 0 <= speech.end_s < 0.6 * (LONGEST + 2)
        assert 0 <= speech.opening(0.3) <= 1

    @given(st.text())
    def test_cleaned_text_is_one_visible_line(self, text):
        line = cleaned(text)
        assert len(line) <= LONGEST
        assert line.isprintable()
        assert cleaned(line) == line

    def test_what_is_invisible_goes(self):
        assert cleaned("a\x00b\x1b[31m\u202ec\n\td\u200b") == "ab[31mc d"


class TestSmallMotion:
    def test_hair_is_late_and_comes_to_rest(self, resting, expressions):
        columns = {name: column for column, name in enumerate(expressions.axes)}
        turned = resting.rest.origin.copy()
        turned[columns["yaw"]] = 0.5
        moved = resting.slide(turned, 10.0)
        for name in ("hair_swing", "earring_swing"):
            swing = [
                moved.at(10.0 + t)[columns[name]] - resting.at(10.0 + t)[columns[name]]
                for t in (0, 0.35, 4.0)
            ]
            assert swing[0] == pytest.approx(0, abs=1e-9)
            assert swing[1] < -0.05  # thrown to the other side
            assert swing[2] == pytest.approx(0, abs=1e-3)

    def test_she_draws_back_goes_too_far_and_settles(self, resting, expressions):
        column = [*expressions.axes].index("corners")
        acted = resting.feel("sad", 1.0, 9.0)
        way = np.array([acted.mood.at(1.0 + t)[column] for t in np.arange(0, 4, 0.02)])
        target = expressions.offset("sad")[column]
        assert way.max() > -0.02 * target  # up a little before the corners fall
        assert way.min() < 1.03 * target
        assert way[-1] == pytest.approx(target)
        assert resting.feel("sad", 1.0, 9.0, intensity=0.5).mood.at(5.0)[column] == pytest.approx(target / 2)

    def test_eyes_jump_and_rest_and_lungs_fill(self):
        gaze = np.array([saccade(t, 3) for t in np.arange(0, 20, 0.02)])
        assert np.abs(gaze).max() <= 1
        still = (np.abs(np.diff(gaze, axis=0)).max(axis=1) < 1e-9).mean()
        assert still > 0.9
        assert gaze.std(axis=0).min() > 0.2
        air = np.array([breath(t) for t in np.arange(0, 20, 0.02)])
        assert (air.min(), air.max()) == pytest.approx((-1, 1), abs=0.01)
        assert np.abs(np.diff(air)).max() < 0.05
