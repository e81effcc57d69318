"""Trainings in threads, and what is shown of them meanwhile."""

from __future__ import annotations

from ohlora.battle.training_thread import TrainingThread
from ohlora.trials.drivers import EarlyStopping


def test_the_last_step_is_shown_where_a_training_ends_between_two_looks():
    def quick(on_step, stopping):
        for step in range(1, 6):
            on_step(step, 160)
        return "trained"

    thread = TrainingThread(quick, EarlyStopping(4), None, 0)
    thread.future.result()
    shown = []
    assert thread.result(lambda step, curve: shown.append(step)) == "trained"
    assert shown[-1:] == [5]
