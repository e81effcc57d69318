"""A job of a multirun as one fresh process in RUN mode, whoever starts it: this machine, SLURM or Ray.

In one process, jobs share memory, seeds and W&B runs, and DDP under `-m` repeats the whole sweep on
rank 1 or trains on half of the data. A fresh process has none of that, and a crash stays alone.

(The underscore: Hydra runs every module of a plugin anew when it looks for launchers, but not these,
and a class must not become two.)
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hydra.core.utils import JobReturn, JobStatus, filter_overrides, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from ohlora.config import InvalidConfig
from ohlora.durable import owned
from ohlora.errors import JobFailed, OhloraError
from ohlora.progress import Advance, progress
from ohlora.signals import PARENT

S = TypeVar("S")

FINISHED = "finished.json"  # which job was finished in this folder, and what its main returned
CONSOLE = "console.log"
LOOK_EVERY_S = 1.0  # at what jobs have printed

# Where the parent stands in a process group must not reach a job. Under SLURM's own, Lightning would wait
# for SLURM to start the other processes of trainer=ddp.
RANK_VARIABLES = (
    "LOCAL_RANK",
    "NODE_RANK",
    "RANK",
    "WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "PL_GLOBAL_SEED",
    "SLURM_NTASKS",
    "SLURM_NTASKS_PER_NODE",
    "SLURM_PROCID",
    "SLURM_LOCALID",
    "SLURM_NODEID",
)


@dataclass(frozen=True)
class Job:
    """What it takes to start a job, here or on another machine that sees the same folders."""

    number: int
    overrides: tuple[str, ...]
    folder: str  # absolute
    directory: str  # the command is given from here
    command: tuple[str, ...]
    environment: Mapping[str, str]  # added to that of the machine
    digest: str  # of the program and everything its config says

    @property
    def name(self) -> str:
        return f"{self.number} ({' '.join(filter_overrides(self.overrides))})"

    def answer(self) -> dict[str, Any] | None:
        """What the job left when it was finished: None if it never was, or was another one."""
        try:
            left = json.loads((Path(self.folder) / FINISHED).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return left if isinstance(left, dict) and left.get("job") == self.digest else None

    def start(self, to_console: bool, **environment: str) -> subprocess.Popen[bytes]:
        """Start its process; `to_console` sends what it prints to the folder's console.log."""
        folder = Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FINISHED).unlink(missing_ok=True)
        variables = {name: value for name, value in os.environ.items() if name not in RANK_VARIABLES}
        variables |= {**self.environment, **environment, PARENT: str(os.getpid())}
        if not to_console:
            return subprocess.Popen(self.command, env=variables, cwd=self.directory)
        variables["PYTHONIOENCODING"] = "utf-8"
        with (folder / CONSOLE).open("wb") as console:
            return subprocess.Popen(
                self.command, env=variables, cwd=self.directory, stdout=console, stderr=subprocess.STDOUT
            )


def run_job(job: Job) -> int:
    """Run a job to its end where this is called; return its exit code. For SLURM's and Ray's workers."""
    process = job.start(to_console=True)
    try:
        # Not wait(): Ray cancels by a KeyboardInterrupt between two lines of Python.
        while (code := process.poll()) is None:
            time.sleep(0.2)
        return code
    except BaseException:
        stop([process], patience_s=0)  # submitit's local executor kills us a second from now
        raise


class JobLauncher(Launcher):
    """Plans jobs, leaves out the finished, has the others run, and tells how they ended."""

    def __init__(self) -> None:
        self.config: DictConfig | None = None
        self.context: HydraContext | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.config = hydra_context, config

    @abstractmethod
    def run_jobs(self, jobs: Sequence[Job], sweep_dir: Path) -> Iterator[tuple[Job, int | str]]:
        """Run all; yield each as it ends with its exit code, or with why it has none."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        setup_globals()
        assert self.config is not None
        if not job_overrides:
            raise OhloraError("this sweep has no jobs: one of its lists or ranges is empty, such as range(0)")
        sweep_dir = Path(str(self.config.hydra.sweep.dir)).absolute()
        with owned(sweep_dir, "sweep", "hydra.sweep.dir"):
            return self._launch(job_overrides, initial_job_idx, sweep_dir)

    def _launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int, sweep_dir: Path
    ) -> Sequence[JobReturn]:
        jobs = [self._plan(n, tuple(o), sweep_dir) for n, o in enumerate(job_overrides, initial_job_idx)]
        todo = [job for job in jobs if job.answer() is None]
        if len(todo) < len(jobs):
            print(f"ohlora: {len(jobs) - len(todo)} of {len(jobs)} jobs are finished and skipped", flush=True)
        failed: list[tuple[Job, int | str]] = []
        for job, end in self.run_jobs(todo, sweep_dir):
            if end != 0:
                # It may have been on its last lines; a job that ended badly is not a finished one.
                (Path(job.folder) / FINISHED).unlink(missing_ok=True)
                failed.append((job, end))
        if failed:
            failed.sort(key=lambda one: one[0].number)
            raise JobFailed(account(failed, len(jobs), sweep_dir), exit_code(failed[0][1]))
        return [returned(job) for job in jobs]

    def _plan(self, number: int, overrides: tuple[str, ...], sweep_dir: Path) -> Job:
        assert self.config is not None
        assert self.context is not None
        config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.id = f"{sweep_dir.name}-{number}"
            config.hydra.job.num = number
        folder = sweep_dir / str(config.hydra.sweep.subdir)
        with open_dict(config):
            del config["hydra"]
        settings = (f"hydra.run.dir={quoted(folder)}", f"hydra.job.num={number}")
        # The overrides are in the config, and so is a config file that was edited since.
        what = json.dumps([Path(sys.argv[0]).name, OmegaConf.to_yaml(config)])
        digest = hashlib.sha256(what.encode()).hexdigest()
        environment = {name: value for name, value in os.environ.items() if name.startswith("OHLORA_")}
        return Job(
            number,
            overrides,
            str(folder),
            str(Path.cwd()),
            (sys.executable, *started(), *overrides, *config_arguments(), *settings),
            {
                **environment,
                "OHLORA_SWEEP": sweep_dir.name,
                "OHLORA_JOB": digest,
                "OHLORA_ANSWER": str(folder / FINISHED),
            },
            digest,
        )


def checked(settings: type[S], given: Mapping[str, Any]) -> S:
    """A launcher's settings, every fault of them named as it is typed."""
    plain = {name: OmegaConf.to_object(v) if OmegaConf.is_config(v) else v for name, v in given.items()}
    try:
        return settings(**plain)
    except InvalidConfig as error:
        refuse([f"{name}{fault}" for name, fault in error.faults])
        raise


def refuse(faults: Sequence[str]) -> None:
    """Say everything that is wrong with a launcher's settings, before anything starts."""
    if faults:
        raise OhloraError("; ".join(f"hydra.launcher.{fault}" for fault in faults))


@contextmanager
def jobs_progress(total: int, sweep_dir: Path) -> Iterator[JobsProgress]:
    """Show how many jobs are done, which run and what they last said, where their lines go to files."""
    print(
        f"ohlora: {total} job{'s' * (total > 1)}; what each prints: {(sweep_dir / '*' / CONSOLE).as_posix()}",
        flush=True,
    )
    with progress(total, "jobs") as advance:
        yield JobsProgress(advance)


class JobsProgress:
    """How far several jobs are that run side by side."""

    def __init__(self, advance: Advance) -> None:
        self._advance, self._shown, self._looked_at = advance, "", -math.inf

    def running(self, jobs: Sequence[Job]) -> None:
        if time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = time.monotonic()
        now = " · ".join(filter(None, (f"{job.name}: {last_line(job)}".rstrip(": ") for job in jobs)))
        if now != self._shown:
            self._shown = now
            self._advance(0, note=now)

    def one_ended(self) -> None:
        self._advance()


def last_line(job: Job) -> str:
    """What a job printed last, as far as it is a whole line."""
    try:
        with (Path(job.folder) / CONSOLE).open("rb") as console:
            console.seek(max(0, console.seek(0, os.SEEK_END) - 2000))
            whole = console.read().decode("utf-8", errors="replace").rpartition("\n")[0]
    except OSError:
        return ""
    lines = [line.strip() for line in whole.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def show_console(job: Job, failed: bool) -> None:
    """Print what a job has printed, as one piece."""
    stream = sys.stderr if failed else sys.stdout
    with suppress(OSError):
        text = (Path(job.folder) / CONSOLE).read_text(encoding="utf-8", errors="replace")
        encoding = stream.encoding or "utf-8"
        print(text.encode(encoding, errors="replace").decode(encoding), end="", file=stream, flush=True)


def account(failed: Sequence[tuple[Job, int | str]], of: int, sweep_dir: Path) -> str:
    """Which jobs ended badly and how, in one line."""
    told = [f"{job.name} {in_words(end)}" for job, end in failed[:5]]
    told += [f"and {len(failed) - 5} more"] if len(failed) > 5 else []
    return (
        f"{len(failed)} of {of} jobs ended with an error: {', '.join(told)}; the others are finished; the"
        f" same command with hydra.sweep.dir={sweep_dir.as_posix()} runs only what is not"
    )


def in_words(end: int | str) -> str:
    if isinstance(end, str):
        return f"({end})"
    return f"with exit code {end}" if end >= 0 else f"killed by signal {-end}"


def exit_code(end: int | str) -> int:
    """For the shell: 128 + the signal that killed a job, 1 where nobody knows."""
    return 1 if isinstance(end, str) else end if end > 0 else 128 - end


def returned(job: Job) -> JobReturn:
    result = JobReturn(overrides=filter_overrides(job.overrides), working_dir=job.folder)
    result.status = JobStatus.COMPLETED
    result.return_value = (job.answer() or {}).get("answer")
    return result


def stop(processes: Sequence[subprocess.Popen[bytes]], patience_s: float = 3) -> None:
    """End jobs; Ctrl-C in a terminal has reached them already, a signal to the launcher alone has not.

    SIGTERM, which their door takes as Ctrl-C: a job started in the background may ignore SIGINT.
    """
    left = list(processes)
    waits = (lambda _: None, patience_s), (subprocess.Popen.terminate, 30), (subprocess.Popen.kill, 30)
    for ask, seconds in waits:
        for process in left:
            ask(process)
        end = time.monotonic() + seconds
        while left and time.monotonic() < end:
            left = [process for process in left if process.poll() is None]
            time.sleep(0.02)


def started() -> tuple[str, ...]:
    """What this process runs, for Python to run it again: a file or, as `-m` says it, a module."""
    spec = sys.modules["__main__"].__spec__
    return ("-m", spec.name) if spec else (sys.argv[0],)


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
