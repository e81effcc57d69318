"""What a run may choose of Lightning's Trainer."""

from __future__ import annotations

import inspect

import pytest
from lightning.pytorch import Trainer

from ohlora.config import InvalidConfig
from ohlora.trainer import TrainerSettings

PLAIN = {
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
    "devices": 1,
    "strategy": "auto",
}


def test_all_are_arguments_of_the_trainer():
    chosen = {"log_every_n_steps": 3, "deterministic": True, "benchmark": False, "profiler": "simple"}
    arguments = TrainerSettings(**PLAIN, **chosen).arguments()
    assert arguments == {**PLAIN, **chosen, "detect_anomaly": False}
    assert set(arguments) <= set(inspect.signature(Trainer.__init__).parameters)


@pytest.mark.parametrize("devices", [3, "auto", -1, [0, 2]])
def test_devices(devices):
    assert TrainerSettings(**{**PLAIN, "devices": devices}).arguments()["devices"] == devices


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("devices", 0, "devices=0 is not"),
        ("devices", True, "devices=true is not"),
        ("devices", "two", "devices=two is not"),
        ("devices", [0, 0], "not a list of different card numbers"),
        ("devices", [], "not a list of different card numbers"),
        ("strategy", "fsdp", "strategy=fsdp is not one of auto | ddp"),
        ("enable_checkpointing", "yes", "enable_checkpointing=yes is not true or false"),
        ("max_steps", 5, "max_steps is not a setting here"),
    ],
)
def test_what_makes_no_sense_is_refused(name, value, fault):
    with pytest.raises(InvalidConfig) as caught:
        TrainerSettings(**{**PLAIN, name: value})
    assert fault in str(caught.value)
