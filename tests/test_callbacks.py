"""conf/callbacks as Lightning's callbacks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ohlora.build import build
from ohlora.errors import OhloraError


def test_the_best_weights_are_kept_under_a_name_that_hydra_can_take(composed):
    made = build(composed("train").callbacks)
    checkpoint = made["checkpoint"]
    assert (checkpoint.monitor, checkpoint.filename, checkpoint.auto_insert_metric_name) == (
        "val_loss",
        "best",
        False,
    )
    assert made["learning_rate"].logging_interval == "step"


def test_a_run_that_can_be_resumed_keeps_its_last_minutes(composed):
    checkpoint = build(composed("train", "callbacks=timed", "callbacks.checkpoint.minutes=0.5").callbacks)[
        "checkpoint"
    ]
    assert (checkpoint.filename, checkpoint._train_time_interval) == ("last", timedelta(minutes=0.5))


def test_minutes_below_0_are_refused(composed):
    with pytest.raises(OhloraError, match=r"callbacks\.checkpoint\.minutes=-1 is not a number above 0"):
        build(composed("train", "callbacks=timed", "callbacks.checkpoint.minutes=-1").callbacks)
