"""What is counted of a narrator's lines."""

from dataclasses import replace

import pytest
from tests.offline_runs import offline_logger, shows

from ohlora.build import build
from ohlora.narrator import measuring
from ohlora.narrator.measuring import distinct, halves_of, of_written_halves, once_each, plain
from ohlora.narrator.training import read_rows
from ohlora.tracking import tracked

WRITTEN = [row["completion"] for row in read_rows()[:40]]
HALVES = {plain(half) for line in WRITTEN for half in halves_of(line)}


def test_a_line_falls_into_two_halves():
    assert halves_of("I won 😎 tee-hee ✨") == ("I won 😎", "tee-hee ✨")
    assert halves_of("no emoji here") == ("no emoji here",)


def test_halves_of_two_written_lines_are_told_from_new_words():
    head, tail = halves_of(WRITTEN[0])[0], halves_of(WRITTEN[1])[-1]
    assert of_written_halves(f"{head} {tail}", HALVES)
    assert of_written_halves(WRITTEN[0], HALVES)
    assert not of_written_halves(f"{head} 완전히 새로운 말이야 ✨", HALVES)


def test_distinct_counts_pairs_of_words():
    assert distinct(["a b c", "a b"]) == pytest.approx(2 / 3)
    assert distinct(["one"]) is None


def test_the_narrator_that_is_asked_for_stands_beside_the_small_model_and_that_one_is_measured_once(composed):
    def asked(*overrides):
        return once_each(build(composed("measure", *overrides).job).narrators)

    assert [*asked()] == ["tuned", "template"]
    gemma = asked("narrator=gemma", "narrator.draws=2")
    assert [*gemma] == ["tuned", "small", "template"]
    assert (gemma["tuned"].model, gemma["tuned"].draws) == ("gemma3-270m", 2)


@pytest.mark.slow
def test_what_is_measured_is_logged(composed, babbler, tmp_path, monkeypatch):
    monkeypatch.setattr(measuring, "CASES", measuring.CASES[:3])
    job = build(composed("measure", "matches=1", "job.sample=4").job)
    quick = {"model": str(babbler), "draws": 1, "max_tokens": 4}
    tuned = replace(job.narrators["tuned"], **quick)
    narrators = {"tuned": tuned, "template": job.narrators["template"]}
    logger = offline_logger(tmp_path, "measure")
    with tracked(logger, {}):
        share = replace(job, narrators=narrators, logger=logger, output_dir=str(tmp_path)).run()
    logged = shows(tmp_path, "Voice: measured")
    assert logged.history["tuned/raw lines with a known contradiction"] == [share]
    assert logged.history["template/shown lines"] == logged.history["tuned/shown lines"]
