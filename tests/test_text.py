"""Text from outside keeps its letters and loses what would steer a terminal."""

from __future__ import annotations

import pytest

from ohlora.text import printable


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("머그 [red] 🧑\u200d💻", "머그 [red] 🧑\u200d💻"),
        ("a\x1b[31mb", "a\ufffd[31mb"),
        ("a\u202egnp.exe", "a\ufffdgnp.exe"),
        ("two\nlines\r", "two\ufffdlines\ufffd"),
        ("half \ud800 a pair", "half \ufffd a pair"),
        ("x" * 300, "x" * 199 + "…"),
    ],
)
def test_printable(text, line):
    assert printable(text) == line
