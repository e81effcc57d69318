"""Config classes: every fault of a class at once, said with what came and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Le

from ohlora.config import (
    Count,
    InvalidConfig,
    Many,
    Name,
    Positive,
    Share,
    Span,
    Wrong,
    compared,
    config,
    deferred,
    deferred_property,
)
from ohlora.errors import OhloraError


@config
class Inner:
    size: Count
    describe = deferred("json", "dumps")


@config
class Outer:
    classes: Span[Annotated[int, Ge(2)]]
    keep: Span[Share]
    name: Name
    inner: Inner
    language: Literal["ko", "en"]
    trials: Annotated[int, Ge(1), Le(500)] | None
    widths: Many[Count]
    rate: Positive = 0.1

    @compared
    def _not_both(self) -> None:
        if self.rate > 5 and self.trials is None:
            raise ValueError("rate above 5 needs trials")


GOOD = {
    "classes": [2, 10],
    "keep": [0.5, 1],
    "name": "x",
    "inner": Inner(size=1),
    "language": "ko",
    "trials": None,
    "widths": [32, 64],
}


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("classes", [10, 2], "classes=[10, 2]: its first number is above its second"),
        ("classes", [2], "classes=[2] is not a pair [low, high], each a whole number from 2 up"),
        ("classes", 5, "classes=5 is not a pair [low, high], each a whole number from 2 up"),
        ("keep", [0.5, 3], "keep=[0.5, 3] is not a pair [low, high], each a number from 0 to 1"),
        ("keep", [0.5, float("nan")], "keep=[0.5, nan] is not a pair [low, high], each a number from 0 to 1"),
        ("name", "", "name= is not text, not empty"),
        ("name", True, "name=true is not text, not empty"),
        ("inner", {"size": 1}, "inner={'size': 1} is not a Inner"),
        ("language", "fr", "language=fr is not one of ko | en"),
        ("trials", 0, "trials=0 is not a whole number from 1 to 500, or null"),
        ("trials", True, "trials=true is not a whole number from 1 to 500, or null"),
        ("trials", 1.0, "trials=1.0 is not a whole number from 1 to 500, or null"),
        ("widths", [0], "widths=[0] is not a list, each a whole number from 1 up"),
        ("rate", float("inf"), "rate=inf is not a number above 0"),
        ("rate", 9.0, "rate above 5 needs trials"),
    ],
)
def test_a_fault_says_what_came_and_what_is_allowed(field, value, fault):
    with pytest.raises(OhloraError) as caught:
        Outer(**{**GOOD, field: value})
    assert str(caught.value) == fault


def test_fields_are_compared_though_another_is_wrong():
    with pytest.raises(InvalidConfig) as caught:
        Outer(**{**GOOD, "rate": 9.0, "language": "fr"})
    assert caught.value.faults == [
        ("language", "=fr is not one of ko | en"),
        ("", "rate above 5 needs trials"),
    ]


@config
class Windowed:
    images: Count
    name: Name
    window: Count = 8

    @compared
    def _fits(self) -> None:
        if self.window > self.images:
            raise ValueError("the window is larger than the images")


def test_a_default_is_compared_too():
    with pytest.raises(InvalidConfig) as caught:
        Windowed(images=4, name="")
    assert [name for name, _ in caught.value.faults] == ["name", ""]


@pytest.mark.parametrize("trials", [0, Wrong(), {"a": [Wrong()]}])
def test_a_field_that_is_wrong_is_not_compared(trials):
    with pytest.raises(InvalidConfig) as caught:
        Outer(**{**GOOD, "rate": 9.0, "trials": trials})
    assert [name for name, _ in caught.value.faults] == ["trials"]


def test_every_fault_comes_at_once():
    with pytest.raises(InvalidConfig) as caught:
        Outer(classes=[10, 2], keep=None, name=5, language="fr", trials="x", widths=3, langage="ko")  # type: ignore
    assert [name for name, _ in caught.value.faults] == [
        "classes",
        "keep",
        "name",
        "inner",
        "language",
        "trials",
        "widths",
        "langage",
    ]
    assert "did you mean language" in str(caught.value)


def test_a_fault_of_a_positional_value_is_named_too():
    with pytest.raises(InvalidConfig, match="size=0 is not a whole number from 1 up"):
        Inner(0)


def test_it_is_a_dataclass():
    outer = Outer(**GOOD)
    assert asdict(outer)["inner"] == {"size": 1}
    assert outer.classes == (2, 10)
    assert replace(outer, rate=1.0) != outer == replace(outer)
    with pytest.raises(InvalidConfig):
        replace(outer, rate=-1.0)


def test_a_deferred_method_is_the_function_it_names():
    assert Inner.describe is __import__("json").dumps
    with pytest.raises(TypeError, match="Inner is not JSON serializable"):
        Inner(size=1).describe()


@config
class Thresholds:
    least: Mapping[Literal["gender", "quality"], Share]

    words = deferred_property("ohlora.errors", "nearest")


def test_what_is_wrong_in_a_table_is_told_by_its_key():
    with pytest.raises(InvalidConfig) as caught:
        Thresholds({"gender": 2, "qualty": 0.5})  # type: ignore[dict-item]
    assert caught.value.faults == [
        ("least.gender", "=2 is not a number from 0 to 1"),
        ("least.qualty", " is not one of gender | quality (did you mean quality?)"),
    ]


def test_a_deferred_property_is_worked_out_once(monkeypatch):
    made = []
    monkeypatch.setattr("ohlora.errors.nearest", lambda instance: made.append(instance) or "words")
    one = Thresholds({})
    assert (one.words, one.words) == ("words", "words")
    assert made == [one]
