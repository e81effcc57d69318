"""What stands in for the interpreter of commands under test behaves as one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import COMMAND_S

from ohlora.signals import exists

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=["interpreter", "fork"])
def run(request: pytest.FixtureRequest, python: str, tmp_path: Path) -> Run:
    """`run("-c", "print(1)")`: by a new interpreter, or by a fork; both must give the same."""
    program = {"interpreter": sys.executable, "fork": python}[request.param]

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **environment}
        command = [program, *words]
        return subprocess.run(
            command, cwd=tmp_path, env=env, input="in", capture_output=True, text=True, timeout=COMMAND_S
        )

    return run


@pytest.mark.parametrize(
    ("code", "exit_code", "error"),
    [
        ("pass", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('what is wrong')", 1, "what is wrong"),
        ("raise ValueError('what is wrong')", 1, "ValueError: what is wrong"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("import atexit, sys; atexit.register(print, 'last words', file=sys.stderr)", 0, "last words"),
    ],
)
def test_it_ends_as_its_program_does(code: str, exit_code: int, error: str, run: Run) -> None:
    done = run("-c", code)
    assert done.returncode == exit_code
    assert done.stderr.strip().rpartition("\n")[2] == error


def test_a_program_has_its_arguments_folder_environment_and_input(run: Run, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 7")
    (tmp_path / "program.py").write_text(
        "import os, sys, beside\n"
        "print(sys.argv, os.getcwd(), os.environ['MINE'], sys.stdin.read(), beside.VALUE)"
    )
    told = f"{tmp_path} mine in 7\n"
    assert run("program.py", "a b", "c", MINE="mine").stdout == f"['program.py', 'a b', 'c'] {told}"
    done = run("-m", "program", "a b", "c", MINE="mine")
    assert done.stdout == f"['{tmp_path / 'program.py'}', 'a b', 'c'] {told}"


WAITS = """
import os, signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
Path("pid").write_text(str(os.getpid()))
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_reaches_the_fork(number: int, python: str, tmp_path: Path) -> None:
    """A killed stand-in takes its fork along."""
    with subprocess.Popen([python, "-c", WAITS], cwd=tmp_path) as process:
        pid = tmp_path / "pid"
        wait_until(lambda: pid.exists() and pid.read_text())
        process.send_signal(number)
        assert process.wait(COMMAND_S) == (5 if number == signal.SIGTERM else -number)
    wait_until(lambda: not exists(int(pid.read_text())))


def wait_until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + COMMAND_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_a_fork_starts_is_a_fork_and_other_paths_are_for_an_interpreter(
    python: str, tmp_path: Path
) -> None:
    ask = "import sys; print('torch' in sys.modules)"
    again = (
        f"import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', {ask!r}], text=True))"
    )
    told = subprocess.check_output([python, "-c", again], cwd=tmp_path, text=True)
    assert told.strip() == "True"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert subprocess.check_output([python, "-c", ask], cwd=tmp_path, env=env, text=True).strip() == "False"


def test_what_is_ignored_stays_so(python: str) -> None:
    """As nohup starts a command."""
    ask = "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    shell = ["sh", "-c", 'trap \'\' HUP; exec "$0" "$@"', python, "-c", ask]
    assert subprocess.check_output(shell, text=True) == "True\n"
