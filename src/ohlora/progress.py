"""How far a job is and how long it still takes: a bar on a terminal, one line a minute elsewhere.

with progress(len(trials), "trials") as advance:
    for trial in trials:
        ...
        advance()
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ohlora.text import printable

LINE_EVERY_S = 60.0
HARDLY_A_STEP = 1e-9


class Advance:
    """Moves one bar on."""

    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def __call__(self, n: float = 1, note: str | None = None) -> None:
        """`n` steps more are done; `note` stands beside the bar until the next one."""
        fields: dict[str, Any] = {} if note is None else {"note": printable(note)}
        self._bars.update(self._task, advance=n, **fields)

    def skip(self, n: int = 1) -> None:
        """`n` steps more needed nothing: they are done, and say nothing of how long the others take."""
        self._of_bar.completed += n
        self._bars.update(self._task, advance=0)  # finished, where they were the last

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self._of_bar.finished

    @property
    def _of_bar(self) -> Task:
        return next(task for task in self._bars.tasks if task.id == self._task)


_open: Progress | None = None  # a bar within a bar joins it


@contextmanager
def progress(total: float | None, what: str) -> Iterator[Advance]:
    """Show how many of `total` steps are done and the time left; `total` None: not known.

    Within another `progress` it is a second bar (or part of the same line) and goes when it is done.
    """
    global _open
    if _open is not None:
        task = _started(_open, what, total)
        try:
            yield Advance(_open, task)
        finally:
            _open.remove_task(task)
        return
    console = Console()
    bars = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        speed_estimate_period=float("inf"),  # over the last 1,000 steps: a single one may take an hour
        disable=not console.is_terminal,
    )
    task = _started(bars, what, total)
    ended = threading.Event()
    lines = threading.Thread(target=_print_lines, args=(bars, ended), daemon=True)
    _open = bars
    try:
        if bars.disable:
            lines.start()
        with bars:
            yield Advance(bars, task)
    finally:
        _open = None
        ended.set()
        if lines.is_alive():
            lines.join()


def _started(bars: Progress, what: str, total: float | None) -> TaskID:
    """A bar whose speed counts from now.

    Rich measures from a first step to the last; where two took an hour and ended together, that is nothing.
    """
    task = bars.add_task(printable(what), total=total, note="")
    bars.update(task, advance=HARDLY_A_STEP)
    bars.update(task, completed=0)
    return task


def _print_lines(bars: Progress, ended: threading.Event) -> None:
    while not ended.wait(LINE_EVERY_S):
        print("; ".join(map(line, bars.tasks)), flush=True)


def line(task: Task) -> str:
    """One task in words: `trials: 12 of 48, 260 trials/h, 8 min left`."""
    done = f"{task.completed:g}" if task.total is None else f"{task.completed:g} of {task.total:g}"
    note = str(task.fields.get("note", ""))
    left = task.time_remaining
    parts = [f"{task.description}: {done}", note, "" if left is None else f"{duration(left)} left"]
    return ", ".join(part for part in parts if part)


def duration(seconds: float) -> str:
    """`40 s`, `8 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
