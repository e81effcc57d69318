"""What a match prints: names from outside as they are, in one language, with a command that can be pasted."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from ohlora.battle import screen
from ohlora.battle.result import DatasetName, MatchResult, Played, Seal, SubsetSummary
from ohlora.battle.screen import Screen, again
from ohlora.battle.verdict import Verdict
from ohlora.datasets.subset import Subset
from ohlora.space import Params


def printing(language: str, free: tuple[str, ...] = ("optimizer",)) -> tuple[Screen, io.StringIO]:
    shown, out = Screen(language, free), io.StringIO()
    shown.console = Console(file=out, width=120, highlight=False)
    return shown, out


@pytest.fixture
def result(good_params: Params) -> MatchResult:
    return MatchResult(
        DatasetName("folder_x", "folder x"),
        SubsetSummary("none", 1, ("a", "b"), (10, 12), 6, 8),
        "house",
        (
            Played("Oh-LoRA", "ohlora", good_params, 0.8, 0.75),
            Played("[/]", "human", good_params, 0.7, 0.72),
            Played("[/]", "human", good_params, 0.9, 0.74),
        ),
        (Verdict.LOST_CLEARLY, Verdict.LOST_NARROWLY),
        "ohlora",
        None,
        None,
        Seal.of(good_params),
        "en",
        "abc",
    )


@pytest.mark.parametrize(
    ("player", "language", "told"),
    [
        ("you", "en", "You won!"),
        ("you", "ko", "네가 이겼어!"),
        ("Ann", "en", "Ann won!"),
        ("지민", "ko", "지민 승리!"),
    ],
)
def test_a_player_without_a_name_is_spoken_to(result: MatchResult, player: str, language: str, told: str):
    ohlora, *others = result.attempts
    attempts = (ohlora, *(replace(one, contestant=player) for one in others))
    shown, out = printing(language)
    shown.show(replace(result, attempts=attempts, winner="challenger"), player, "")
    assert f"\n{told}\n" in out.getvalue()


@pytest.mark.parametrize("name", ["[/]", "mug [red]", "[bold]", "a\\", "[link=x]"])
def test_text_from_outside_is_never_markup(digits_subset: Subset, result: MatchResult, name: str) -> None:
    names = (name, *digits_subset.class_names[1:])
    shown, out = printing("en")
    shown.introduce(replace(digits_subset, title=name, class_names=names), Path("sheet.png"))
    shown.show(result, name, f"I won {name}")
    text = out.getvalue()
    assert f"battle on {name}!" in text
    assert f" {name}: {digits_subset.class_counts[0]}" in text
    assert f"{name} 1" in text
    assert f"Oh-LoRA: I won {name}" in text


def test_escape_and_direction_characters_are_not_printed(digits_subset: Subset) -> None:
    shown, out = printing("en")
    names = ("\x1b[2J", "a\u202eb", *digits_subset.class_names[2:])
    shown.introduce(replace(digits_subset, class_names=names), Path("sheet.png"))
    assert "\x1b" not in out.getvalue()
    assert "\u202e" not in out.getvalue()


def test_an_expectation_that_is_withheld_is_not_said(result: MatchResult) -> None:
    shown, out = printing("en")
    shown.show(replace(result, predicted_f1=0.71, predicted_sd=0.02), "you", "line")
    assert "she had expected 0.710" in out.getvalue()
    shown, out = printing("en")
    shown.show(result, "you", "line")
    assert "expected" not in out.getvalue()


def test_korean_is_whole(result: MatchResult) -> None:
    shown, out = printing("ko")
    shown.show(result, "너", "내가 이겼어")
    words = out.getvalue().replace("F1", "").replace("optimizer", "").replace("adam", "")
    assert not any(char.isascii() and char.isalpha() for char in words)


@pytest.mark.parametrize("value", ["my photos", "it's", "a&b", "$HOME", "photos (1)", "사진"])
def test_the_command_can_be_pasted(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    typed = ["battle.py", "human=my_hp", f"dataset.root={value}", "subset.seed=3"]
    monkeypatch.setattr(sys, "argv", typed)
    monkeypatch.setattr(screen, "program", lambda: ["python", "battle.py"])
    wanted = ["python", "battle.py", "human=my_hp", f"dataset.root={value}", "subset.seed=7"]
    assert shlex.split(again(7)) == wanted
    monkeypatch.setattr(sys, "platform", "win32")
    assert again(7) == subprocess.list2cmdline(wanted)


def test_the_seal_is_checked_as_match_json_says(result: MatchResult, tmp_path: Path) -> None:
    """The line of the documentation, on a written file."""
    (tmp_path / "match.json").write_text(json.dumps(result.as_json(), ensure_ascii=False), encoding="utf-8")
    line = (
        "import hashlib, json; m = json.load(open('match.json', encoding='utf-8'));"
        " print(hashlib.sha256((m['seal']['salt'] + json.dumps(m['attempts'][0]['params'], sort_keys=True))"
        ".encode()).hexdigest() == m['seal']['sha256'])"
    )
    done = subprocess.run([sys.executable, "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "True\n"
