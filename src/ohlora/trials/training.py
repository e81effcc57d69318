"""Train the trials a job plans: one watched, more as a sweep."""

from __future__ import annotations

from ohlora.errors import OhloraError
from ohlora.processes import process_count
from ohlora.trials.jobs import TrainTrials
from ohlora.trials.sweep import Sweep
from ohlora.trials.watch import watch_trial


def train_trials(job: TrainTrials) -> float:
    """Train what is missing; return the best validation macro-F1 of the whole plan, 0 to 1."""
    # Refuses a device that is not there before anything is loaded.
    processes = process_count(job.trainer.devices, job.hardware.resolve()[0])
    if processes > 1 and not job.watched:
        raise OhloraError(
            f"trainer.devices={job.trainer.devices} is for one watched trial (trials=1); many trials"
            " go side by side: -m worker=0,1 hydra.launcher.n_jobs=2"
        )
    job.hardware.use_threads()
    data = job.dataset.load()
    return watch_trial(job, data) if job.watched else Sweep(job, data).run()
