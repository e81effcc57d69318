"""`hydra/launcher=fresh`: every job of a multirun is a new process in RUN mode.

In one process, jobs share memory, seeds and W&B runs, and DDP under `-m` repeats the whole sweep on
rank 1 or trains on half of the data. A fresh process has none of that, and a crash stays alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, filter_overrides, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from ohlora.errors import JobFailed

ANSWER = "answer.txt"  # what the job's main returned

# A parent's place in a process group must not reach a job.
RANK_VARIABLES = (
    "LOCAL_RANK",
    "NODE_RANK",
    "RANK",
    "WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "PL_GLOBAL_SEED",
)


class FreshLauncher(Launcher):
    """Runs jobs as child processes, `n_jobs` at a time, and waits for all of them."""

    def __init__(self, n_jobs: int) -> None:
        self.n_jobs = n_jobs
        self.config: DictConfig | None = None
        self.context: HydraContext | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        setup_globals()
        assert self.config is not None
        assert self.context is not None
        sweep_dir = Path(str(self.config.hydra.sweep.dir))
        sweep_dir.mkdir(parents=True, exist_ok=True)
        waiting = list(enumerate(job_overrides, start=initial_job_idx))
        running: dict[int, subprocess.Popen[bytes]] = {}
        exits: dict[int, int] = {}
        dirs: dict[int, Path] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.n_jobs:
                    number, overrides = waiting.pop(0)
                    running[number], dirs[number] = self._start(number, list(overrides), sweep_dir)
                for number, process in list(running.items()):
                    code = process.poll()
                    if code is not None:
                        exits[number] = code
                        del running[number]
                        if self.n_jobs > 1:
                            print(
                                (dirs[number] / "console.log").read_text(encoding="utf-8", errors="replace"),
                                end="",
                            )
                time.sleep(0.05)
        except BaseException:
            for process in running.values():
                stop(process)
            raise
        failed = [number for number, code in exits.items() if code]
        if failed:
            names = ", ".join(f"{n} ({' '.join(job_overrides[n - initial_job_idx])})" for n in failed)
            raise JobFailed(f"job {names} ended with an error; the other jobs are finished", exits[failed[0]])
        return [self._result(list(o), dirs[n]) for n, o in enumerate(job_overrides, initial_job_idx)]

    def _start(
        self, number: int, overrides: list[str], sweep_dir: Path
    ) -> tuple[subprocess.Popen[bytes], Path]:
        assert self.context is not None
        config = self.context.config_loader.load_sweep_config(self.config, overrides)  # type: ignore[arg-type]
        with open_dict(config):
            config.hydra.job.id = f"{sweep_dir.name}-{number}"
            config.hydra.job.num = number
        folder = sweep_dir / str(config.hydra.sweep.subdir)
        folder.mkdir(parents=True, exist_ok=True)
        settings = [f"hydra.run.dir={quoted(folder)}", f"hydra.job.num={number}"]
        (folder / ANSWER).unlink(missing_ok=True)
        command = [sys.executable, sys.argv[0], *overrides, *config_arguments(), *settings]
        environment = {k: v for k, v in os.environ.items() if k not in RANK_VARIABLES}
        environment |= {"OHLORA_SWEEP": sweep_dir.name, "OHLORA_ANSWER": str((folder / ANSWER).resolve())}
        if self.n_jobs == 1:
            return subprocess.Popen(command, env=environment), folder
        with (folder / "console.log").open("wb") as console:
            return subprocess.Popen(
                command, env=environment, stdout=console, stderr=subprocess.STDOUT
            ), folder

    def _result(self, overrides: list[str], folder: Path) -> JobReturn:
        result = JobReturn(overrides=filter_overrides(overrides), working_dir=str(folder))
        result.status = JobStatus.COMPLETED
        answer = folder / ANSWER
        result.return_value = float(answer.read_text()) if answer.is_file() else None
        return result


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a job; Ctrl-C in a terminal has reached it already, a signal to the launcher alone has not."""
    polite = process.terminate if os.name == "nt" else lambda: process.send_signal(signal.SIGINT)
    for last_word, patience_s in ((lambda: None, 3), (polite, 30), (process.kill, 30)):
        last_word()
        try:
            process.wait(timeout=patience_s)
            return
        except subprocess.TimeoutExpired:
            continue


def quoted(text: object) -> str:
    return "'" + str(text).replace("\\", "/").replace("'", "\\'") + "'"


def config_arguments() -> list[str]:
    """--config-dir, --config-name and --config-path as this process was given them."""
    kept: list[str] = []
    arguments = iter(sys.argv[1:])
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if name in ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"):
            kept += [argument] if equals else [argument, next(arguments, "")]
    return kept


ConfigStore.instance().store(
    group="hydra/launcher",
    name="fresh",
    node={"_target_": "hydra_plugins.ohlora_launcher.fresh.FreshLauncher", "n_jobs": 1},  # side by side
    provider="ohlora",
)
