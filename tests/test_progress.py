"""Progress: a bar on a terminal, a line now and then elsewhere, the time left in both."""

from __future__ import annotations

import time

import pytest

from ohlora import progress as module
from ohlora.progress import duration, progress


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(module, "LINE_EVERY_S", 0.02)


def wait_for_lines(capsys, count: int) -> list[str]:
    told = ""
    for _ in range(200):
        time.sleep(0.01)
        told += capsys.readouterr().out
        if told.count("\n") >= count:
            return told.splitlines()
    raise AssertionError(f"only this came: {told!r}")


def test_without_a_terminal_a_line_says_what_is_done_and_left(capsys):
    with progress(40, "trials") as advance:
        advance()
        time.sleep(0.05)
        advance(9, note="260 trials/h")
        lines = wait_for_lines(capsys, 3)
        assert lines[-1].startswith("trials: 10 of 40, 260 trials/h, ")
        assert lines[-1].endswith(" left")
    time.sleep(0.05)
    assert capsys.readouterr().out.count("\n") <= 1, "nothing comes after the end"


def test_what_was_done_before_says_nothing_of_the_time_left(capsys):
    with progress(1_000, "trials") as advance:
        for _ in range(500):
            advance.skip()
        advance()
        time.sleep(0.1)
        advance()
        capsys.readouterr()
        last = wait_for_lines(capsys, 2)[-1]
    assert last.startswith("trials: 502 of 1000, ")
    assert last.endswith(" left")
    assert not last.endswith(" 0 s left"), "498 steps of a tenth of a second"


def test_steps_that_end_together_took_as_long_as_the_bar_is_old(capsys):
    with progress(1_000, "subsets") as advance:
        time.sleep(0.2)
        advance()
        advance()
        capsys.readouterr()
        last = wait_for_lines(capsys, 2)[-1]
    left = last.rpartition(", ")[2]
    assert left in {f"{minutes} min left" for minutes in range(2, 10)}, "998 steps of a tenth of a second"


def test_what_is_skipped_to_the_end_is_finished():
    with progress(3, "trials") as advance:
        advance()
        advance.skip(2)
        assert advance.finished


def test_one_within_another_shares_the_line_and_goes_when_it_is_done(capsys):
    with progress(2, "attempts") as advance:
        with progress(None, "steps [/] of \x1b[31mred") as inner:
            inner(3)
            assert wait_for_lines(capsys, 2)[-1] == "attempts: 0 of 2; steps [/] of \ufffd[31mred: 3"
        advance()
        capsys.readouterr()
        assert wait_for_lines(capsys, 2)[-1].startswith("attempts: 1 of 2")


def test_an_error_inside_ends_it(capsys):
    with pytest.raises(ValueError, match="here"), progress(3, "steps"):
        raise ValueError("here")
    with progress(3, "steps again") as advance:
        advance()


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with progress(4, "trials [x]") as advance:
        advance(2, note="fast")
    told = capsys.readouterr().out
    assert "trials [x]" in told
    assert "2/4" in told
    assert "fast" in told


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (89, "89 s"), (300, "5 min"), (12_000, "3 h 20 min")]
)
def test_durations_read_well(seconds, words):
    assert duration(seconds) == words
