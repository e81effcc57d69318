"""Real processes, really killed: nothing trains on for nobody, and who died is said."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import COMMAND_S

from ohlora.signals import PARENT, exists

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are another thing there")
ROOT = Path(__file__).resolve().parents[1]


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def ended(pid: int) -> bool:
    """Gone, or a zombie that nobody has looked at yet."""
    if not exists(pid):
        return True
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" in status.read_text()


ENTER = """
import sys, time
from pathlib import Path
from ohlora.door import enter
def main():
    try:
        Path(sys.argv[1]).touch()
        time.sleep(60)
    finally:
        Path(sys.argv[1] + ".kept").touch()
enter(main)
"""


@pytest.fixture
def worker(python, tmp_path):
    """A process that has entered by the door and waits; what it keeps at its end is a file."""
    started = tmp_path / "started"

    def start(**environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [python, "-c", ENTER, str(started)],
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(started.exists, 60, "it has not started")
        return process

    return start


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_a_job_as_ctrl_c_does(number, worker, tmp_path):
    process = worker()
    process.send_signal(number)
    _, errors = process.communicate(timeout=COMMAND_S)
    assert (process.returncode, errors) == (130, "\nohlora: stopped; what was finished is kept\n")
    assert (tmp_path / "started.kept").exists()


def test_a_job_whose_launcher_is_gone_ends_and_keeps_what_it_has(worker, tmp_path):
    with subprocess.Popen(["sleep", "60"]) as launcher:
        process = worker(**{PARENT: str(launcher.pid)})
        assert process.poll() is None
        launcher.kill()
    _, errors = process.communicate(timeout=COMMAND_S)
    assert process.returncode == 130
    assert f"({launcher.pid}) is gone; what was finished is kept" in errors
    assert (tmp_path / "started.kept").exists()


HANGS = """
import os, sys, time
from pathlib import Path
import torch
from ohlora.door import enter
from ohlora.processes import rank, say_who_died, start_processes, summed
def main():
    place, when, killed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    if when == "start" and "LOCAL_RANK" in os.environ:
        (place / "1").write_text(str(os.getpid()))
        time.sleep(60)  # it has not joined the group
    start_processes(2)
    (place / str(rank())).write_text(str(os.getpid()))
    with say_who_died():
        if rank() == killed:
            time.sleep(60)
        summed(torch.ones(1))
enter(main)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("when", "killed"), [("start", 0), ("collective", 1)])  # each costs 25 seconds
def test_no_process_waits_for_a_dead_one(when, killed, python, tmp_path):
    """Two processes of one model: the other waits for the one that is killed."""
    (tmp_path / "program.py").write_text(HANGS)
    process = subprocess.Popen(
        [python, "program.py", str(tmp_path), when, str(killed)],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "LOCAL_RANK"},
        stderr=subprocess.PIPE,
        text=True,
    )
    places = [tmp_path / str(number) for number in ([1] if when == "start" else [0, 1])]
    wait_until(lambda: all(place.exists() and place.read_text() for place in places), 400, "not started")
    second = int((tmp_path / "1").read_text())
    os.kill(second if killed else process.pid, signal.SIGKILL)
    started = time.monotonic()
    _, errors = process.communicate(timeout=40)
    if killed == 1:
        assert process.returncode in (1, -signal.SIGKILL)  # Lightning, too, looks after its processes
        assert "ohlora: process 1 of 2 (trainer.devices) was killed by signal 9" in errors
        assert "Traceback" not in errors
    wait_until(lambda: ended(second), 20, "the second process waits for the first")
    assert time.monotonic() - started < 20


@pytest.mark.slow
def test_a_watched_trial_says_which_process_died(python, tmp_path):
    words = ("dataset=digits", "trials=1", "trainer=ddp_cpu", "budget.min_steps=100000")
    words += (f"paths.output_dir={tmp_path}",)
    process = subprocess.Popen(
        [python, str(ROOT / "train.py"), *words, "trainer.enable_progress_bar=false"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "LOCAL_RANK"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: list(tmp_path.rglob("metrics.csv")), 200, "not training")
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True)
    pids = {int(line.split()[0]) for line in listed.stdout.splitlines() if str(tmp_path) in line}
    (second,) = pids - {process.pid}
    os.kill(second, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (1, -signal.SIGKILL)
    told = [line for line in errors.splitlines() if line.startswith("ohlora: ")]
    reason = "process 1 of 2 (trainer.devices) was killed by signal 9, and so all end"
    assert told == [f"ohlora: {reason}; what was finished is kept"]
    assert "Traceback" not in errors
