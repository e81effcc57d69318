"""Every command of README and docs, run: `make docs-commands`; the long ones at size=smoke.

Neither plain `pytest` nor `make test` selects them: together they take more than half an hour of a core.
What cannot be run is skipped with its reason; it is composed by test_commands.py all the same.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.conftest import COMMAND_S
from tests.docs.given import *  # noqa: F403
from tests.docs.given import checkout
from tests.docs.pages import ROOT, Command, commands
from tests.docs.smaller import BENCHMARKS, FEW_TRIALS, smaller, why_not
from tests.docs.test_commands import own, parts

pytestmark = pytest.mark.commands
COMMANDS = commands()
SERVER = re.compile(r"ui=web|ohlora live")
# What is typed into those that ask.
TYPED = {r"human=prompt": "\n" * 24, r"ohlora chat$": "hello\n/quit\n"}
# What a command reads without naming it.
READ = {
    "dataset=numpy_archive": "my_arrays.npz",
    "model=target_table": "outputs/table",
    "model=hp_predictor": FEW_TRIALS,
    "league=": FEW_TRIALS,
    "benchmarks/": FEW_TRIALS,
}
# What a command makes anew, of what lies in a folder that it is given.
MADE = {"model=face_samples": "mine/ffhq_samples"}
# What must have been run before, in order.
IN_MY_FACE = "save_to=my_face paths.face=my_face"
FILTERED = f"python train.py model=face_filter {IN_MY_FACE}"
BEFORE = {
    "league.play=false": ["python battle.py league=standard dataset=digits size=smoke"],
    "filtered_faces=my_face": [FILTERED],
    "variant=polished": [f"python train.py model=face_vae {IN_MY_FACE} filtered_faces=my_face"],
}


def environment(command: Command) -> dict[str, str]:
    """What the page has exported before the command."""
    set_: dict[str, str] = {}
    for one in COMMANDS[: COMMANDS.index(command)]:
        if one.page == command.page and one.words[0] == "export":
            set_ |= dict(word.split("=", 1) for word in one.words[1:])
    if "PYTHONPATH" in set_:
        set_["PYTHONPATH"] = os.pathsep.join(filter(None, (set_["PYTHONPATH"], os.environ.get("PYTHONPATH"))))
    return set_


@pytest.fixture(scope="module", autouse=True)
def untouched() -> Iterator[None]:
    """What ships and what was measured is as it was."""

    def state() -> dict[Path, tuple[int, int]]:
        folders = (ROOT / "src" / "ohlora" / "assets", ROOT / "docs", ROOT / "conf")
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        return {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in files}

    before = state()
    yield
    now = state()
    assert not [
        file for file in {*before, *now} if before.get(file) != now.get(file) and file.suffix != ".pyc"
    ]


def typed(command: Command) -> list[str]:
    """The words to start a command with, less the interpreter."""
    words = list(command.words[1:])
    if words[0].startswith("benchmarks/"):
        return [words[0], *BENCHMARKS[Path(words[0]).stem][1]]
    return smaller(command, parts(command)[0])[1:] if own(command) else words


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.page}: {command}")
def test_it_runs(command: Command, python, give, lasting_cache, real_data, tmp_path, monkeypatch) -> None:
    if why := why_not(command):
        pytest.skip(why)
    checkout(tmp_path)
    for name, value in {
        **environment(command),
        "OHLORA_CACHE": str(lasting_cache),
        "OHLORA_HISTORY": str(tmp_path / "matches.sqlite"),
        "WANDB_MODE": "offline",
    }.items():
        monkeypatch.setenv(name, value)
    line = str(command)
    for name in give.names:
        named = re.search(rf"(\bout=|subset\.save=)?(?<![\w./]){re.escape(name)}(?![\w.-])", line)
        if named and not named[1]:  # what is yet to be made is not given
            give(name)
    for pattern, name in READ.items():
        if pattern in line:
            give(name)
    for pattern, name in MADE.items():
        if pattern in line:
            shutil.rmtree(tmp_path / name)
    if command.words[0] != "python":
        finished(["sh", "-c", line], tmp_path)
        return
    words = typed(command)
    if words[0].startswith("benchmarks/"):
        shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks")
        made_less(tmp_path / "benchmarks", BENCHMARKS[Path(words[0]).stem][0])
    for earlier in (one for pattern, several in BEFORE.items() if pattern in line for one in several):
        before = Command("", tuple(earlier.split()), "")
        finished([python, *typed(before)], tmp_path)
    start = [python if own(command) else sys.executable, *words]
    if SERVER.search(line) and "--" not in line:
        serves(start, tmp_path)
    else:
        typed_in = next((text for kind, text in TYPED.items() if re.search(kind, line)), "")
        said = finished(start, tmp_path, typed_in)
        assert words[0] != "-c" or said == "True\n"  # the seal of a match


def made_less(folder: Path, less: dict[str, str]) -> None:
    """Put smaller numbers into copies of the benchmarks, which import one another."""
    texts = {file: file.read_text(encoding="utf-8") for file in folder.glob("*.py")}
    for old, new in less.items():
        assert any(old in text for text in texts.values()), f"{old} stands in no benchmark"
        texts = {file: text.replace(old, new) for file, text in texts.items()}
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8")


def finished(words: list[str], folder: Path, typed: str = "") -> str:
    """It ends, and well; what it printed."""
    done = subprocess.run(
        words, cwd=folder, input=typed, capture_output=True, text=True, timeout=COMMAND_S, check=False
    )
    assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stderr
    return done.stdout


def serves(words: list[str], folder: Path) -> None:
    """It prints an address, answers there, and ends by Ctrl-C."""
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+/\w*", process.stdout.readline())
        assert address, process.communicate(timeout=30)
        with urlopen(address[0], timeout=60) as answer:
            assert b"<title>" in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    finally:
        process.kill()
        process.communicate()
