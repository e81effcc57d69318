"""`hydra/launcher=ray`: jobs as fresh processes on a Ray cluster, or on one Ray starts here.

By ray.remote and not by hydra-ray-launcher (1.2), which holds cloudpickle below 3, brings boto3, and
calls the task inside Ray's worker, where DDP under `-m` cannot start its other processes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra_plugins.ohlora_launcher._jobs import (
    Job,
    JobLauncher,
    checked,
    jobs_progress,
    refuse,
    run_job,
    show_console,
)
from hydra_plugins.ohlora_launcher._settings import RaySettings
from ohlora.errors import OhloraError

STOP_S = 60  # for jobs to end when the launcher is stopped


class RayLauncher(JobLauncher):
    """Hands jobs to Ray, which places each where its CPUs and cards are free, and waits for all."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        chosen = checked(RaySettings, settings)
        try:
            import_module("ray")
        except ModuleNotFoundError:
            raise OhloraError('hydra/launcher=ray needs its package: pip install "ohlora[ray]"') from None
        self.address, self.n_jobs = chosen.address, chosen.n_jobs
        self.resources = {
            "num_cpus": chosen.cpus_per_job,
            "num_gpus": chosen.gpus_per_job,
            "max_retries": chosen.retries,
        }

    def run_jobs(self, jobs: Sequence[Job], sweep_dir: Path) -> Iterator[tuple[Job, int | str]]:
        if not jobs:
            return
        ray: Any = import_module("ray")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # what is run here is nobody else's business
        try:
            ray.init(
                address=self.address or "local",
                logging_level=logging.ERROR,
                log_to_driver=False,
                **({} if self.address else {"include_dashboard": False}),
            )
        except (ConnectionError, ValueError) as error:
            why = " ".join(str(error).split())
            raise OhloraError(
                f"hydra.launcher.address={self.address}: no Ray cluster there ({why})"
            ) from None
        waiting, running = list(jobs), {}
        try:
            there = ray.cluster_resources()
            refuse(
                [
                    f"{name}={wanted}, but the whole cluster has {there.get(kind, 0):g}"
                    for name, wanted, kind in (
                        ("cpus_per_job", self.resources["num_cpus"], "CPU"),
                        ("gpus_per_job", self.resources["num_gpus"], "GPU"),
                    )
                    if wanted > there.get(kind, 0)  # it would wait for ever
                ]
            )
            remote = ray.remote(run_job).options(**self.resources)
            with jobs_progress(len(jobs), sweep_dir) as showing:
                while waiting or running:
                    while waiting and len(running) < (self.n_jobs or len(jobs)):
                        job = waiting.pop(0)
                        running[remote.remote(job)] = job
                    ended, _ = ray.wait(list(running), timeout=1)
                    for done in ended:
                        job = running.pop(done)
                        try:
                            end: int | str = ray.get(done)
                        except ray.exceptions.RayError as error:  # a lost node, a worker out of memory
                            end = " ".join(str(error).split())[:200]
                        show_console(job, failed=end != 0)
                        showing.one_ended()
                        yield job, end
                    showing.running(list(running.values()))
        except BaseException:
            for reference in running:
                ray.cancel(reference)  # as Ctrl-C in the worker, which then ends its job's process
            if running:
                ray.wait(list(running), num_returns=len(running), timeout=STOP_S)
            raise
        finally:
            ray.shutdown()
