"""`hydra/launcher=submitit_slurm`: jobs as fresh processes on the nodes of a SLURM cluster.

By submitit's own API: hydra-submitit-launcher (1.2) pickles the task and calls it inside submitit's
process, where DDP starts `submitit._submit` again instead of train.py, and its local twin starts all
jobs at once. `cluster=local` runs the same way on this machine, to try it out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
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
from hydra_plugins.ohlora_launcher._settings import SubmititSettings
from ohlora.errors import OhloraError


class SubmititLauncher(JobLauncher):
    """Submits jobs to SLURM, `n_jobs` at a time, and waits for all of them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        chosen = checked(SubmititSettings, settings)
        try:
            import submitit
        except ModuleNotFoundError:
            raise OhloraError(
                'hydra/launcher=submitit_slurm needs its package: pip install "ohlora[cluster]"'
            ) from None
        here = submitit.AutoExecutor.which() == "slurm"
        if chosen.cluster == "slurm" and not here:
            refuse(["cluster=slurm, but there is no sbatch on this machine (cluster=local tries it here)"])
        self.cluster = chosen.cluster or ("slurm" if here else "local")
        self.poll_s = chosen.poll_s
        # SLURM has its own limit; without a queue, all jobs would start at once.
        self.n_jobs = chosen.n_jobs or (None if self.cluster == "slurm" else 1)
        self.parameters: dict[str, Any] = {
            "name": "ohlora",
            "timeout_min": chosen.timeout_min,
            "gpus_per_node": chosen.gpus_per_job,
            "cpus_per_task": chosen.cpus_per_job,
            "mem_gb": chosen.memory_gb,
        }
        if self.cluster == "slurm":
            self.parameters |= {
                "slurm_partition": chosen.partition,
                "slurm_array_parallelism": chosen.n_jobs or 256,
                "slurm_setup": list(chosen.setup),
                "slurm_additional_parameters": dict(chosen.slurm),
            }

    def run_jobs(self, jobs: Sequence[Job], sweep_dir: Path) -> Iterator[tuple[Job, int | str]]:
        import submitit

        if not jobs:
            return
        executor = submitit.AutoExecutor(folder=sweep_dir / ".submitit", cluster=self.cluster)
        executor.update_parameters(**{k: v for k, v in self.parameters.items() if v is not None})
        running: list[tuple[Job, submitit.Job[int]]] = []
        waiting = list(jobs)
        try:
            if self.cluster == "slurm":  # one array, whose parallelism is SLURM's business
                running = list(zip(waiting, executor.map_array(Resumable(), waiting), strict=True))
                waiting = []
                print(f"ohlora: submitted {len(running)} jobs as {running[0][1].job_id.split('_')[0]}")
            with jobs_progress(len(jobs), sweep_dir) as showing:
                while waiting or running:
                    while waiting and len(running) < (self.n_jobs or 1):
                        running.append((waiting[0], executor.submit(Resumable(), waiting[0])))
                        waiting.pop(0)
                    for entry in list(running):
                        job, submitted = entry
                        if submitted.done():
                            running.remove(entry)
                            end = outcome(submitted)
                            show_console(job, failed=end != 0)
                            showing.one_ended()
                            yield job, end
                    showing.running([job for job, _ in running])
                    time.sleep(self.poll_s)
        except BaseException:
            for _, submitted in running:
                submitted.cancel()
            raise


class Resumable:
    """Runs a job; SLURM may take its node away or its time may run out, then it is queued again.

    A sweep goes on where it was: the trials it has finished are in the journal.
    """

    def __call__(self, job: Job) -> int:
        return run_job(job)

    def checkpoint(self, job: Job) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, job)


def outcome(submitted: Any) -> int | str:
    """The exit code of a submitted job, or why there is none: out of memory, cancelled, node lost."""
    error = submitted.exception()
    if error is None:
        return submitted.result()
    return f"{submitted.state.lower()} ({str(error).strip().splitlines()[0]}; {submitted.paths.stderr})"
