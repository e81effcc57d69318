"""How much the checker finds: lines labelled by hand, by somebody who had not seen it (labelled_lines.md)."""

import json
from pathlib import Path

import pytest

from ohlora.narrator.truth import contradictions, says_who_won

LINES = [
    json.loads(row)
    for row in Path(__file__).with_name("labelled_lines.jsonl").read_text(encoding="utf-8").splitlines()
]


def contradicts(line, played):
    return bool(contradictions(line, played))


def not_shown(line, played):
    """What keeps a model's line from being shown: a written line is asked for contradictions only."""
    return contradicts(line, played) or not says_who_won(line, played)


def counts(match, split, refused):
    """Recall, precision, and the share of true lines that are refused."""
    found = [
        (row["label"] == "false", refused(row["line"], match(*row["verdicts"], language=row["language"])))
        for row in LINES
        if row["split"] == split
    ]
    caught = sum(false and out for false, out in found)
    lost = sum(not false and out for false, out in found)
    wrong = sum(false for false, _ in found)
    return caught / wrong, caught / (caught + lost), lost / (len(found) - wrong)


# Measured: dev 0.954, 0.969, 0.033 and 1.000, 0.861, 0.171;
# held out 0.545, 0.807, 0.140 and 0.919, 0.611, 0.632.
# Before the tables knew more than the lines of test_truth.py: dev 0.469, 0.803, held out 0.293, 0.706.
@pytest.mark.parametrize(
    ("split", "refused", "recall", "precision", "true_refused"),
    [
        ("dev", contradicts, 0.95, 0.95, 0.05),
        ("dev", not_shown, 0.98, 0.85, 0.2),
        ("held_out", contradicts, 0.54, 0.8, 0.15),
        ("held_out", not_shown, 0.91, 0.6, 0.64),
    ],
)
def test_false_lines_are_found(match, split, refused, recall, precision, true_refused):
    found, exact, lost = counts(match, split, refused)
    assert found >= recall
    assert exact >= precision
    assert lost <= true_refused


@pytest.mark.parametrize(
    ("verdicts", "line", "told"),
    [
        (["lost_clearly"], "I won 😎 tee-hee ✨", True),
        (["lost_clearly"], "What a day 😎 hyperparameters are funny ✨", False),
        (["draw"], "무승부네 🤝 사이좋게 ✨", True),
        (["draw"], "네가 못 이겼네 😜 ✨", False),  # nor need she have won, but the line does not say so
        (["lost_clearly", "won_clearly"], "첫 판은 네가 졌어 😎 ✨", False),
        (["lost_clearly", "won_clearly"], "두 번째는 네가 이겼어 🎉 ✨", True),
    ],
)
def test_a_line_must_say_who_won(match, verdicts, line, told):
    language = "ko" if any("가" <= char <= "힣" for char in line) else "en"
    assert says_who_won(line, match(*verdicts, language=language)) == told
