"""A training in a thread of its own: the main thread may ask questions meanwhile, and hears Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import torch

from ohlora.trials.drivers import OnStep, Training

LOOK_EVERY_S = 0.2


class Stopped(Exception):
    """The training was ended before it was done."""


class TrainingThread:
    """Starts `job`, which trains and says after each step how far it is."""

    def __init__(self, job: Callable[[OnStep], Training]) -> None:
        self._step = 0
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        # A new thread has OpenMP's default number of threads, not the one that was set.
        self._future = self._pool.submit(self._run, job, torch.get_num_threads())

    def _run(self, job: Callable[[OnStep], Training], threads: int) -> Training:
        torch.set_num_threads(threads)
        return job(self._on_step)

    def _on_step(self, step: int, steps: int) -> None:
        if self._stopping.is_set():
            raise Stopped
        self._step = step

    def result(self, show: Callable[[int], None]) -> Training:
        """Wait for the training; `show` is told the steps taken now and then."""
        try:
            while not self._future.done():
                wait([self._future], timeout=LOOK_EVERY_S)
                show(self._step)
            return self._future.result()
        finally:
            self.stop()

    def stop(self) -> None:
        """End the training and wait for the thread."""
        self._stopping.set()
        self._pool.shutdown(wait=True)
