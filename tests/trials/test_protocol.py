"""A protocol's settings: what they may be, the budget in steps, and the fingerprint tables carry."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohlora.errors import OhloraError
from ohlora.trials.protocol import Budget, CnnSettings


class TestBudget:
    @given(n=st.integers(1, 50_000), batch_size=st.sampled_from([16, 128]), epochs=st.integers(1, 40))
    def test_steps_and_checks(self, n, batch_size, epochs):
        budget = Budget(epochs=epochs, min_steps=160, checks=10, patience=4)
        steps = budget.steps(n, batch_size)
        assert steps == max(epochs * math.ceil(n / batch_size), 160)
        assert 10 <= steps // budget.check_every(steps) <= 11 or steps < 100

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("epochs", 0),
            ("epochs", "ten"),
            ("epochs", math.inf),
            ("min_steps", 0),
            ("checks", 2.5),
            ("checks", True),
            ("patience", None),
        ],
    )
    def test_nonsense_is_refused(self, name, value):
        with pytest.raises(OhloraError, match=rf"{name}=.* is not a (whole )?number"):
            Budget(**{"epochs": 1, "min_steps": 1, "checks": 1, "patience": 1, name: value})


@pytest.mark.parametrize(
    "wrong",
    [
        {"whitening_patch": 4},
        {"whitening_filters": 0},
        {"widths": [32]},
        {"widths": [32, "64"]},
        {"head_grid": -1},
    ],
    ids=str,
)
def test_a_network_that_cannot_be_is_refused(smoke, wrong):
    (name,) = wrong
    with pytest.raises(OhloraError, match=f"{name}="):
        CnnSettings(**{**dataclasses.asdict(smoke.network), **wrong})


def test_the_protocol_has_a_fingerprint_of_all_its_settings(smoke):
    others = [
        dataclasses.replace(smoke, budget=dataclasses.replace(smoke.budget, patience=9)),
        dataclasses.replace(smoke, network=dataclasses.replace(smoke.network, widths=(16, 64))),
    ]
    assert len({p.fingerprint for p in (smoke, *others)}) == 3


def test_the_protocol_is_that_of_the_first_table(built):
    """Another fingerprint starts a new table: every record of the old one would be trained again."""
    assert built("protocol").fingerprint == "e56104fe"
