"""Trainings in threads of their own: the main thread may ask questions meanwhile, and hears Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

import torch

from ohlora.trials.drivers import EarlyStopping, OnStep, Training

LOOK_EVERY_S = 0.2
Curve = Sequence[Mapping[str, float]]  # step, train_loss, val_loss, val_f1 at each validation so far
Show = Callable[[int, Curve], None]  # told the steps taken and the curve, now and then


class Stopped(Exception):
    """The training was ended before it was done."""


class Turns:
    """Lets trainings in threads of one process take turns, a step each, the one that is less far on first.

    Torch has one random generator for a whole process; each training finds it as it left it, so it comes to
    the same weights as it would alone, with as many threads of torch.
    """

    def __init__(self, trainings: int, device: torch.device) -> None:
        self._shares = dict.fromkeys(range(trainings), 0.0)  # of its steps, of each that has not ended
        self._changed = threading.Condition()
        self._turn = 0
        self._cards = [device] if device.type == "cuda" else []

    @contextmanager
    def training(self, number: int) -> Iterator[None]:
        """The time of one training, from its first turn on."""
        self._wait(number)
        try:
            yield
        finally:
            with self._changed:
                del self._shares[number]
                self._pass_on()

    def step(self, number: int, share: float) -> None:
        """One step is done, and `share` of all: let the others catch up."""
        state, cards = torch.get_rng_state(), [torch.cuda.get_rng_state(card) for card in self._cards]
        with self._changed:
            self._shares[number] = share
            self._pass_on()
        self._wait(number)
        torch.set_rng_state(state)
        for card, card_state in zip(self._cards, cards, strict=True):
            torch.cuda.set_rng_state(card_state, card)

    def _pass_on(self) -> None:
        if self._shares:
            self._turn = min(self._shares, key=lambda number: self._shares[number])
        self._changed.notify_all()

    def _wait(self, number: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._turn == number)


class TrainingThread:
    """Starts `job`, which trains and says after each step how far it is.

    With `turns` it is training `number` of several that take turns.
    """

    def __init__(
        self,
        job: Callable[[OnStep, EarlyStopping], Training],
        stopping: EarlyStopping,
        turns: Turns | None = None,
        number: int = 0,
    ) -> None:
        self.step = 0  # steps taken so far
        self.stopping = threading.Event()
        self.curve: Curve = stopping.curve  # so far
        self._turns, self._number = turns, number
        self._pool = ThreadPoolExecutor(1)
        # A new thread has OpenMP's default number of threads, not the one that was set.
        self.future = self._pool.submit(self._run, job, stopping, torch.get_num_threads())

    def _run(
        self, job: Callable[[OnStep, EarlyStopping], Training], stopping: EarlyStopping, threads: int
    ) -> Training:
        torch.set_num_threads(threads)
        if self._turns is None:
            return job(self._on_step, stopping)
        with self._turns.training(self._number):
            return job(self._on_step, stopping)

    def _on_step(self, step: int, steps: int) -> None:
        if self._turns is not None:
            self._turns.step(self._number, step / steps)
        if self.stopping.is_set():
            raise Stopped
        self.step = step

    def result(self, show: Show) -> Training:
        """Wait for the training; `show` is told the steps taken now and then."""
        return results([(self, show)])[0]

    def stop(self) -> None:
        """End the training and wait for the thread."""
        self.stopping.set()
        self._pool.shutdown(wait=True)


def results(shown: Sequence[tuple[TrainingThread, Show]]) -> list[Training]:
    """Wait for every training, each with whom it is shown to; where one fails or `show` raises, all end."""
    futures = [thread.future for thread, _ in shown]
    try:
        while waiting := [future for future in futures if not future.done()]:
            wait(waiting, timeout=LOOK_EVERY_S)
            for thread, show in shown:
                show(thread.step, tuple(thread.curve))
            for future in futures:
                if future.done():
                    future.result()  # raises where it failed
        for thread, show in shown:
            show(thread.step, tuple(thread.curve))  # as it ended: that may have come after the last look
        return [future.result() for future in futures]
    finally:
        for thread, _ in shown:
            thread.stopping.set()
        for thread, _ in shown:
            thread.stop()
