"""Settings of the narrator's jobs: types and ranges are checked before anything heavy is imported."""

import subprocess
import sys

import pytest

from ohlora.errors import OhloraError
from ohlora.narrator.corpus import TextTable
from ohlora.narrator.pretrain import NetworkShape
from ohlora.narrator.say import Say
from ohlora.narrator.schedule import Schedule
from ohlora.narrator.template import TemplateNarrator

SCHEDULE = {
    "epochs": 1,
    "max_steps": None,
    "batch_size": 32,
    "accumulate": 1,
    "learning_rate": 2e-3,
    "warmup": 0.05,
    "weight_decay": 0.01,
    "checks": 12,
    "patience": None,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", "one"),
        ("max_steps", 0),
        ("batch_size", 1.5),
        ("learning_rate", float("nan")),
        ("warmup", 2),
        ("weight_decay", -1),
        ("checks", None),
        ("patience", "x"),
    ],
)
def test_a_schedule_names_what_it_may_not_hold(name, value):
    with pytest.raises(OhloraError, match=f"^{name}="):
        Schedule(**{**SCHEDULE, name: value})


def test_steps_are_those_of_the_epochs_or_fewer():
    assert Schedule(**SCHEDULE).steps(rows=320) == 10
    assert Schedule(**SCHEDULE).steps(rows=320, processes=2) == 5
    assert Schedule(**{**SCHEDULE, "max_steps": 3}).steps(rows=320) == 3
    assert Schedule(**SCHEDULE).steps(rows=1) == 1


def test_a_network_whose_heads_do_not_divide_its_width_is_refused():
    with pytest.raises(OhloraError, match=r"width=30 is not a multiple of 2 \* heads=4"):
        NetworkShape(vocab_size=8000, width=30, layers=2, heads=4, inner=64, context=128)


def test_a_text_source_names_every_fault():
    with pytest.raises(OhloraError, match=r"times=0.*columns=5"):
        TextTable("x", "MIT", 0, "x.csv", 5, ",", quoted=True)


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["lost_narowly"], r"did you mean lost_narrowly"),
        ([], "verdicts="),
        (["draw", "draw", "draw"], "verdicts="),
        (3, "verdicts=3"),
    ],
)
def test_a_match_to_speak_of_has_one_or_two_known_verdicts(verdicts, said):
    narrator = TemplateNarrator("ko", None)
    with pytest.raises(OhloraError, match=said):
        Say(narrator=narrator, verdicts=verdicts, language="ko", seed=0)
    assert Say(narrator=narrator, verdicts="draw", language="ko", seed=0).verdicts == ("draw",)


def test_settings_are_light():
    """In a fresh process, as a door builds them: seconds pass before a wrong value is named otherwise."""
    modules = "fine_tune, pretrain, measure, say, lessons, language_model, template"
    heavy = "'torch', 'lightning', 'transformers', 'pandas', 'sklearn', 'matplotlib', 'trl', 'datasets'"
    code = f"import sys; from ohlora.narrator import {modules}; print({{{heavy}}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr
