"""Seven verdicts, their boundaries, and the result of a match."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohlora.battle.verdict import FAR, NARROW, Verdict, final, judge, shown_difference

SCORES = st.floats(0, 1)
MIRROR = dict(zip(Verdict, reversed(Verdict), strict=True))


@pytest.mark.parametrize(
    ("challenger", "ohlora", "verdict"),
    [
        (0.0, 1.0, "lost_by_far"),
        (0.65, 0.80, "lost_by_far"),
        (0.6500001, 0.80, "lost_clearly"),
        (0.50, 0.52, "lost_clearly"),
        (0.500001, 0.52, "lost_narrowly"),
        (0.7999, 0.80, "lost_narrowly"),
        (0.80, 0.80, "draw"),
        (0.0, 0.0, "draw"),
        (1.0, 1.0, "draw"),
        (0.8001, 0.80, "won_narrowly"),
        (0.519999, 0.50, "won_narrowly"),
        (0.52, 0.50, "won_clearly"),
        (0.7999999, 0.65, "won_clearly"),
        (0.80, 0.65, "won_by_far"),
        (1.0, 0.0, "won_by_far"),
    ],
)
def test_boundaries(challenger, ohlora, verdict):
    assert judge(challenger, ohlora).value == verdict


@pytest.mark.parametrize(
    ("challenger", "ohlora", "shown"),
    [
        (0.956, 0.978, "-0.022"),
        (0.98, 0.9, "+0.080"),
        (0.9779, 0.9783, "-0.00040"),
        (0.900005, 0.9, "+0.0000050"),
        (0.9, 0.8999999999, "+0.000"),
    ],
)
def test_a_difference_is_shown_with_digits_that_count(challenger, ohlora, shown):
    assert shown_difference(challenger, ohlora) == shown


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_float_noise_never_moves_a_boundary(challenger, ohlora):
    """Scores of three decimals are judged as whole thousandths are."""
    thousandths = challenger - ohlora
    margin = "none" if not thousandths else "narrow" if abs(thousandths) < 20 else "clear"
    margin = "far" if abs(thousandths) >= 150 else margin
    verdict = judge(challenger / 1000, ohlora / 1000)
    assert verdict.margin == margin
    assert verdict.outcome == ("draw" if not thousandths else "won" if thousandths > 0 else "lost")


@given(SCORES, SCORES)
def test_sides_mirror(challenger, ohlora):
    assert judge(ohlora, challenger) is MIRROR[judge(challenger, ohlora)]


@given(SCORES, SCORES, SCORES)
def test_a_higher_score_is_never_a_worse_verdict(one, other, ohlora):
    order = list(Verdict)
    low, high = sorted((one, other))
    assert order.index(judge(low, ohlora)) <= order.index(judge(high, ohlora))


@given(SCORES, st.sampled_from([NARROW, FAR]), st.floats(-1e-12, 1e-12))
def test_noise_at_a_boundary_counts_as_the_boundary(ohlora, step, noise):
    assert judge(ohlora + step + noise, ohlora).margin == ("clear" if step == NARROW else "far")


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_is_finite(score):
    with pytest.raises(ValueError, match="finite"):
        judge(score, 0.5)


@pytest.mark.parametrize(("first", "second"), list(product(Verdict, Verdict)))
def test_the_best_attempt_decides(first, second):
    order = list(Verdict)
    best = max(first, second, key=order.index)
    words = {"won": "challenger", "draw": "draw", "lost": "ohlora"}
    assert final([first, second]) == words[best.outcome] == final([best])


def test_no_attempt_is_no_match():
    with pytest.raises(ValueError, match="at least one"):
        final([])
