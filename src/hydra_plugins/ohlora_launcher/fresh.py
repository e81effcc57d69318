"""`hydra/launcher=fresh`, the default: jobs as processes of this machine, each with its own cards."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra_plugins.ohlora_launcher._jobs import (
    Job,
    JobLauncher,
    JobsProgress,
    checked,
    cores,
    jobs_progress,
    refuse,
    show_console,
    stop,
)
from hydra_plugins.ohlora_launcher._settings import FreshSettings


class FreshLauncher(JobLauncher):
    """Runs jobs as child processes, `n_jobs` at a time, and waits for all of them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        chosen = checked(FreshSettings, settings)
        slots, faults = card_slots(chosen.gpus, chosen.gpus_per_job)
        if slots and chosen.n_jobs and chosen.n_jobs > len(slots):
            faults.append(
                f"n_jobs={chosen.n_jobs}, but the cards (gpus={shown(chosen.gpus)}) are enough for"
                f" {len(slots)} jobs side by side with gpus_per_job={chosen.gpus_per_job}"
            )
        refuse(faults)
        self.n_jobs = chosen.n_jobs or len(slots) or 1
        # What each job that runs now is given: its cards, or None to see all that this process sees.
        self.slots: list[str | None] = list(slots[: self.n_jobs]) or [None] * self.n_jobs

    def run_jobs(self, jobs: Sequence[Job], sweep_dir: Path) -> Iterator[tuple[Job, int | str]]:
        if self.n_jobs == 1:
            yield from self._one_by_one(jobs)
        elif jobs:
            with jobs_progress(len(jobs), sweep_dir) as showing:
                yield from self._side_by_side(jobs, showing)

    def _one_by_one(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, int | str]]:
        """Each has the screen to itself."""
        for number, job in enumerate(jobs, start=1):
            if len(jobs) > 1:
                print(f"ohlora: job {number} of {len(jobs)}: {job.name}", flush=True)
            process = job.start(to_console=False, **self._environment(self.slots[0]))
            try:
                code = process.wait()
            except BaseException:
                stop([process])
                raise
            yield job, code

    def _side_by_side(self, jobs: Sequence[Job], showing: JobsProgress) -> Iterator[tuple[Job, int | str]]:
        """Their lines would mix on the screen: each job's are shown when it has ended."""
        waiting, free = list(jobs), list(self.slots)
        running: list[tuple[Job, str | None, subprocess.Popen[bytes]]] = []
        try:
            while waiting or running:
                while waiting and free:
                    job, cards = waiting.pop(0), free.pop(0)
                    running.append((job, cards, job.start(True, **self._environment(cards))))
                for entry in list(running):
                    job, cards, process = entry
                    code = process.poll()
                    if code is not None:
                        running.remove(entry)
                        free.append(cards)
                        show_console(job, failed=code != 0)
                        showing.one_ended()
                        yield job, code
                showing.running([job for job, _, _ in running])
                time.sleep(0.05)
        except BaseException:
            stop([process for _, _, process in running])
            raise

    def _environment(self, cards: str | None) -> dict[str, str]:
        environment = {} if cards is None else {"CUDA_VISIBLE_DEVICES": cards}
        if self.n_jobs > 1 and "OMP_NUM_THREADS" not in os.environ:
            # Jobs that each start a thread for every core would mostly wait for each other.
            environment["OMP_NUM_THREADS"] = str(max(1, cores() // self.n_jobs))
        return environment


def card_slots(gpus: Any, per_job: float) -> tuple[list[str], list[str]]:
    """CUDA_VISIBLE_DEVICES of each job that fits side by side, and the faults found on the way."""
    cards, faults = chosen_cards(gpus)
    if per_job < 1:
        return [card for card in cards for _ in range(int(1 / per_job + 1e-9))], faults
    if cards and per_job > len(cards):
        faults.append(
            f"gpus_per_job={per_job}, but the cards for all jobs (gpus={shown(gpus)}) are {len(cards)}"
        )
    if faults:
        return [], faults
    each = int(per_job)
    starts = range(0, len(cards) - each + 1, each)
    return [",".join(cards[start : start + each]) for start in starts], []


def chosen_cards(gpus: Any) -> tuple[list[str], list[str]]:
    """The cards `gpus` means, as CUDA_VISIBLE_DEVICES names them, and what is wrong with it."""
    if gpus is None:
        return [], []
    visible = visible_cards()
    if gpus == "auto":
        return visible, [] if visible else ["gpus=auto, but there is no card here"]
    if isinstance(gpus, int):
        short = [] if gpus <= len(visible) else [f"gpus={gpus}, but the cards here are {len(visible)}"]
        return visible[:gpus], short
    # Counted among the visible, as torch counts them; a name (GPU-..., MIG-...) stands for itself.
    numbers = dict(enumerate(visible))
    wrong = [one for one in gpus if one not in visible and (type(one) is not int or one not in numbers)]
    if wrong or len(set(gpus)) < len(gpus):
        there = ", ".join(map(str, numbers)) or "none"
        return [], [f"gpus={list(gpus)}: cards are named once each, and these are here: {there}"]
    return [numbers[one] if type(one) is int else one for one in gpus], []


def shown(gpus: Any) -> Any:
    return list(gpus) if isinstance(gpus, tuple) else gpus


def visible_cards() -> list[str]:
    """The cards this process may use, as CUDA_VISIBLE_DEVICES names them."""
    stated = os.environ.get("CUDA_VISIBLE_DEVICES")
    if stated is not None:
        names = [name.strip() for name in stated.split(",") if name.strip()]
        return names[: names.index("-1")] if "-1" in names else names  # CUDA reads no further than that
    # In a process of its own: the launcher needs no torch for the hours it waits.
    ask = [sys.executable, "-c", "import torch; print(torch.cuda.device_count())"]
    asked = subprocess.run(ask, capture_output=True, text=True)
    return [str(n) for n in range(int(asked.stdout or 0))]
