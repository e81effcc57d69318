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


# Measured: dev 0.954, 0.969, 0.033 and 1.000, 0.788, 0.285;
# held out 0.846, 0.954, 0.044 and 1.000, 0.703, 0.456: the checker has been improved on both halves.
# Held out, while unread: 0.545, 0.807, 0.140 and 0.919, 0.611, 0.632.
# Fresh, read by nobody who changed the checker: 0.931, 0.861, 0.150 and 0.969, 0.795, 0.250.
# Before the tables knew more than the lines of test_truth.py: dev 0.469, 0.803, held out 0.293, 0.706.
@pytest.mark.parametrize(
    ("split", "refused", "recall", "precision", "true_refused"),
    [
        ("dev", contradicts, 0.95, 0.95, 0.05),
        ("dev", not_shown, 0.99, 0.78, 0.3),
        ("held_out", contradicts, 0.84, 0.94, 0.05),
        ("held_out", not_shown, 0.99, 0.7, 0.46),
        ("fresh", contradicts, 0.93, 0.86, 0.15),
        ("fresh", not_shown, 0.95, 0.79, 0.25),
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
        (["lost_clearly"], "I hope I won 😎 ✨", False),
        (["won_clearly"], "To beat me takes a lot 😎 ✨", False),
        (["lost_clearly"], "I won in my slippers 😎 ✨", True),
        (["lost_narrowly"], "I won in my slippers 😎 ✨", False),
        (["lost_narrowly"], "I won by a moose 😎 ✨", False),
        (["lost_clearly", "lost_clearly"], "내가 이겼어 😎 첫 판에 나를 놀라게 했지 ✨", False),
        (["draw"], "네가 못 이겼네 😜 ✨", False),  # nor need she have won, but the line does not say so
        (["lost_clearly", "won_clearly"], "첫 판은 네가 졌어 😎 ✨", False),
        (["lost_clearly", "won_clearly"], "두 번째는 네가 이겼어 🎉 ✨", True),
    ],
)
def test_a_line_must_say_who_won(match, verdicts, line, told):
    language = "ko" if any("가" <= char <= "힣" for char in line) else "en"
    assert says_who_won(line, match(*verdicts, language=language)) == told
