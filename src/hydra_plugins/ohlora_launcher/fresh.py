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
    cores,
    is_count,
    refuse,
    show_console,
    stop,
)


class FreshLauncher(JobLauncher):
    """Runs jobs as child processes, `n_jobs` at a time, and waits for all of them."""

    def __init__(
        self, n_jobs: int | None, gpus: int | str | Sequence[int | str] | None, gpus_per_job: float
    ) -> None:
        super().__init__()
        slots, faults = card_slots(gpus, gpus_per_job)
        if n_jobs is not None and not is_count(n_jobs):
            faults.append(f"n_jobs={n_jobs} is not a whole number from 1 up, or null")
        elif slots and n_jobs and n_jobs > len(slots):
            faults.append(
                f"n_jobs={n_jobs}, but the cards (gpus={gpus}) are enough for {len(slots)} jobs side by side"
                f" with gpus_per_job={gpus_per_job}"
            )
        refuse([f"hydra.launcher.{fault}" for fault in faults])
        self.n_jobs = n_jobs or len(slots) or 1
        # What each job that runs now is given: its cards, or None to see all that this process sees.
        self.slots: list[str | None] = list(slots[: self.n_jobs]) or [None] * self.n_jobs

    def run_jobs(self, jobs: Sequence[Job], sweep_dir: Path) -> Iterator[tuple[Job, int | str]]:
        waiting, free = list(jobs), list(self.slots)
        running: list[tuple[Job, str | None, subprocess.Popen[bytes]]] = []
        aside = self.n_jobs > 1  # their lines would mix on the screen
        try:
            while waiting or running:
                while waiting and free:
                    job, cards = waiting.pop(0), free.pop(0)
                    running.append((job, cards, job.start(aside, **self._environment(cards))))
                for entry in list(running):
                    job, cards, process = entry
                    code = process.poll()
                    if code is not None:
                        running.remove(entry)
                        free.append(cards)
                        if aside:
                            show_console(job, failed=code != 0)
                        yield job, code
                time.sleep(0.05)
        except BaseException:
            for _, _, process in running:
                stop(process)
            raise

    def _environment(self, cards: str | None) -> dict[str, str]:
        environment = {} if cards is None else {"CUDA_VISIBLE_DEVICES": cards}
        if self.n_jobs > 1 and "OMP_NUM_THREADS" not in os.environ:
            # Jobs that each start a thread for every core would mostly wait for each other.
            environment["OMP_NUM_THREADS"] = str(max(1, cores() // self.n_jobs))
        return environment


def card_slots(gpus: Any, per_job: Any) -> tuple[list[str], list[str]]:
    """CUDA_VISIBLE_DEVICES of each job that fits side by side, and the faults found on the way."""
    cards, faults = chosen_cards(gpus)
    if isinstance(per_job, float) and 0 < per_job < 1:
        return [card for card in cards for _ in range(int(1 / per_job + 1e-9))], faults
    if not is_count(per_job):
        return [], [
            *faults,
            f"gpus_per_job={per_job} is not a whole number from 1 up, or a share such as 0.5",
        ]
    if cards and per_job > len(cards):
        faults.append(f"gpus_per_job={per_job}, but the cards for all jobs (gpus={gpus}) are {len(cards)}")
    if faults:
        return [], faults
    starts = range(0, len(cards) - per_job + 1, per_job)
    return [",".join(cards[start : start + per_job]) for start in starts], []


def chosen_cards(gpus: Any) -> tuple[list[str], list[str]]:
    """The cards `gpus` means, as CUDA_VISIBLE_DEVICES names them, and what is wrong with it."""
    if gpus is None:
        return [], []
    named = list(gpus) if isinstance(gpus, Sequence) and not isinstance(gpus, str) else []
    if is_count(gpus):
        visible = visible_cards()
        short = [] if gpus <= len(visible) else [f"gpus={gpus}, but the cards here are {len(visible)}"]
        return visible[:gpus], short
    if gpus == "auto":
        visible = visible_cards()
        return visible, [] if visible else ["gpus=auto, but there is no card here"]
    if not named:
        return [], [f"gpus={gpus} is not a number of cards, a list of them, auto or null"]
    visible = visible_cards()
    # Counted among the visible, as torch counts them; a name (GPU-..., MIG-...) stands for itself.
    numbers = dict(enumerate(visible))
    wrong = [one for one in named if one not in visible and (type(one) is not int or one not in numbers)]
    if wrong or len(set(named)) < len(named):
        there = ", ".join(map(str, numbers)) or "none"
        return [], [f"gpus={named}: cards are named once each, and these are here: {there}"]
    return [numbers[one] if type(one) is int else one for one in named], []


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
