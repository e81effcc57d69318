"""Verdicts, what of conf is no criterion, and what a row says."""

from __future__ import annotations

import math

import pytest

from ohlora.errors import OhloraError
from ohlora.laboratory.acceptance.table import (
    Criterion,
    criterion,
    markdown,
    not_measured,
    rows_of,
    shown,
    side_by_side,
    summary,
)

MORE = criterion("x", {"what": "r", "least": [0.9, 0.95]})
LESS = criterion("x", {"what": "leak", "most": [0.25, 0.12]})
INSIDE = criterion("x", {"what": "slope", "inside": [[0.7, 1.3], [0.85, 1.15]]})


@pytest.mark.parametrize(
    ("one", "values"),
    [
        (MORE, {"below": [-1, 0.899], "gate": [0.9, 0.949], "target": [0.95, 1]}),
        (LESS, {"below": [0.26, 9], "gate": [0.25, 0.121], "target": [0.12, 0, -1]}),
        (INSIDE, {"below": [-1, 0.69, 1.31], "gate": [0.7, 0.84, 1.16, 1.3], "target": [0.85, 1, 1.15]}),
        (criterion("x", {"what": "ece", "most": [None, 0.03]}), {"target": [0.03], "gate": [0.9]}),
        (criterion("x", {"what": "auroc", "least": [0.98, None]}), {"gate": [0.98, 1], "below": [0.9]}),
        (criterion("x", {"what": "yield"}), {"for comparison": [0, 1]}),
    ],
    ids=["more", "less", "inside", "target alone", "gate alone", "nothing"],
)
def test_verdicts(one: Criterion, values):
    for verdict, numbers in values.items():
        assert [one.verdict(value) for value in numbers] == [verdict] * len(numbers)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"least": [0.9, 0.95]}, "a.b does not say what it is"),
        ("r", "a.b does not say what it is"),
        ({"what": "r", "leest": [0.9, 0.95]}, r"no single one of least \| most \| inside"),
        ({"what": "r", "least": [0.9, 1], "most": [0.9, 1]}, "no single one of"),
        ({"what": "r", "least": [0.9]}, "no single one of"),
        ({"what": "r", "least": ["much", 1]}, r"a.b.least=\['much', 1\] is not two bounds"),
        ({"what": "r", "inside": [0.7, 1.3]}, "is not two bounds"),
        ({"what": "r", "least": [[0.7, 1.3], [0.8, 1.2]]}, "is not two bounds"),
        ({"what": "r", "inside": [[0.7], [0.8, 1.2]]}, "is not two bounds"),
    ],
)
def test_what_is_no_criterion_is_told(told, why):
    with pytest.raises(OhloraError, match=why):
        criterion("a.b", told)


def test_bounds_are_written_as_people_do():
    assert [shown(MORE.gate), shown(LESS.target), shown(INSIDE.gate), shown(None), shown((None, None))] == [
        ">= 0.9",
        "<= 0.12",
        "0.7 to 1.3",
        "-",
        "-",
    ]


CRITERIA = {"r": MORE, "leak": LESS, "slope": INSIDE}
SCORES = {"r": 0.96, "r_low": 0.94, "r_high": 0.97, "leak": 0.3, "slope": math.nan}


class TestRows:
    def test_numbers_and_intervals_by_name(self):
        good, leaky, lacking = rows_of("generator", "her", CRITERIA, SCORES, 64)
        assert good.interval == (0.94, 0.97)
        assert (good.verdict, leaky.verdict, lacking.verdict) == ("target", "below", "not measured")
        assert leaky.interval is None
        assert lacking.why == "her gives no slope at 64 px"
        assert good.cells == ("her", "r", "0.960", "0.940 to 0.970", ">= 0.9", ">= 0.95", "target")
        assert good.plain["gate"] == (0.9, None)

    def test_what_one_thing_keeps_from_being_measured_is_one_line(self):
        rows = rows_of("generator", "her", CRITERIA, "no her in there (do so)", 64)
        assert [row.value for row in rows] == [None] * 3
        assert not_measured(rows) == [
            "her, 3 quantities: r, leak, slope: not measured: no her in there (do so)"
        ]
        assert not_measured(rows[:1]) == ["her, r: not measured: no her in there (do so)"]
        assert summary(rows) == "3 not measured"

    def test_a_page_has_a_line_to_each_and_no_stray_bars(self):
        rows = rows_of("generator", "her", CRITERIA, SCORES, 64)
        rows += rows_of("bank", "bank", {"a|b": Criterion("a|b", None, None)}, {"a|b": 1.0}, 64)
        page = markdown(rows, ["domain: rendered faces"]).splitlines()
        assert "domain: rendered faces" in page
        table = [line for line in page if line.startswith("|")]
        assert len(table) == 2 + 4
        assert {line.count("|") for line in table} == {8}
        assert page[-1] == "1 target, 1 below, 1 not measured, 1 for comparison"

    def test_subjects_stand_side_by_side(self):
        rows = rows_of("generator", "v1", CRITERIA, {"r": 0.2, "slope": 1.0}, 64)
        rows += rows_of("generator", "ours", CRITERIA, SCORES, 64)
        assert side_by_side(rows) == [
            ("quantity", "v1", "ours", "gate"),
            ("r", "0.200 !", "0.960", ">= 0.9"),
            ("leak", "-", "0.300 !", "<= 0.25"),
            ("slope", "1.000", "-", "0.7 to 1.3"),
        ]
        page = markdown(rows, [], rows).splitlines()
        assert page[-1] == "| slope | 1.000 | - | 0.7 to 1.3 |"
        assert "## Generators side by side" in page
