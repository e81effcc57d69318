"""Commands of the terminal: a battle's settings and how it ends, and what erasing leaves."""

from __future__ import annotations

import io
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ohlora.chat import terminal
from ohlora.chat.battles import Tally
from ohlora.chat.store import MemoryStore
from ohlora.chat.terminal import FaceTable, Terminal, shell_words
from ohlora.errors import OhloraError


@pytest.fixture
def talk(tmp_path, monkeypatch):
    """`talk(line)`: what a command shows; a battle ends with `talk.code`."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with MemoryStore(tmp_path / "memory.sqlite") as store:
        conversation = SimpleNamespace(
            store=store, battles_dir=tmp_path / "outputs", language="en", tally=lambda: Tally(1, 0, 0)
        )
        out = io.StringIO()
        one = Terminal(conversation, FaceTable({}), "hello", out)  # type: ignore[arg-type]

        def say(line: str) -> str:
            out.seek(0)
            out.truncate()
            assert one.command(line)
            return out.getvalue()

        def run(words, **_):
            say.words = words  # type: ignore[attr-defined]
            return subprocess.CompletedProcess(words, say.code)  # type: ignore[attr-defined]

        monkeypatch.setattr(terminal.subprocess, "run", run)
        yield say


def test_a_battle_that_counts_for_nobody_went_well_all_the_same(talk):
    talk.code = 0
    assert talk("/battle challenger=optuna") == ""
    assert talk.words[-1] == "challenger=optuna"


def test_a_battle_that_ends_badly_is_told(talk):
    talk.code = 2
    with pytest.raises(OhloraError, match="no result came of that battle"):
        talk("/battle nonsense")


@pytest.mark.parametrize(
    ("platform", "typed", "words"),
    [
        ("win32", r"dataset.root=C:\Users\me x=1", [r"dataset.root=C:\Users\me", "x=1"]),
        ("win32", r'"dataset.root=C:\My Photos\a"', [r"dataset.root=C:\My Photos\a"]),
        ("linux", r"dataset.root=my\ photos 'a b' #c", ["dataset.root=my photos", "a b", "#c"]),
    ],
)
def test_settings_are_read_as_this_system_s_shell_reads_them(monkeypatch, platform, typed, words):
    monkeypatch.setattr(terminal.sys, "platform", platform)
    assert shell_words(typed) == words


@pytest.mark.parametrize(("typed", "read"), [("half a li", ["hello"]), ("", [])])
def test_ctrl_c_drops_a_half_typed_line_and_ends_at_an_empty_prompt(monkeypatch, typed, read):
    keys = iter([KeyboardInterrupt, "hello", EOFError])

    def press(_):
        key = next(keys)
        if isinstance(key, str):
            return key
        raise key

    monkeypatch.setattr("builtins.input", press)
    monkeypatch.setitem(sys.modules, "readline", SimpleNamespace(get_line_buffer=lambda: typed))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    one = Terminal(SimpleNamespace(), FaceTable({}), "hello", io.StringIO())  # type: ignore[arg-type]
    assert list(one.lines()) == read


@pytest.mark.parametrize("language", ["ko", "en"])
def test_her_greeting_names_commands_that_every_chat_has(answerer, language):
    """The page has no /quit: a closed tab ends its conversation."""
    assert "/quit" not in answerer.hello(language)


def test_who_erases_everything_hears_that_battles_come_back(talk, tmp_path):
    assert str(tmp_path / "outputs") in talk("/forget all")
