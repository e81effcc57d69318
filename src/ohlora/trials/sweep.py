"""The sweep: many trials on many subsets, into the target table."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import pandas as pd
from rich.console import Console

from ohlora.datasets.images import ImageData
from ohlora.errors import OhloraError
from ohlora.progress import Advance, progress
from ohlora.records.journal import Journal
from ohlora.records.record import TrialRecord
from ohlora.records.table import gather
from ohlora.seeds import CHOSEN_SEEDS, REPEAT_SEEDS
from ohlora.space import Params
from ohlora.tracking import log_table
from ohlora.trials.drivers import TrialOutcome, device_name, train_and_score
from ohlora.trials.jobs import TrainTrials, TrialPlan
from ohlora.trials.plan import check_seeds, planned_trials, spread_params
from ohlora.trials.stack_members import StackedTrial
from ohlora.trials.stacked import train_stacked
from ohlora.trials.summary import save_winners, summary, winner

MIN_WINDOW = 8  # trials taken at a time, to be trained together
MAX_WINDOW = {"cpu": 128, "gpu": 4096}  # several stacks full: one for each batch size and activation


class Sweep:
    """One process's share of a job's trials; several on one table share the work."""

    def __init__(self, job: TrainTrials, data: ImageData) -> None:
        self.job, self.data = job, data
        self.plan: TrialPlan = job
        self.device, self.precision = job.hardware.resolve()
        self.driver = "lean" if job.driver == "lean" else "stacked"
        self.console = Console()
        self.mine: list[TrialRecord] = []  # trained here
        self.best = 0.0  # validation macro-F1 among them
        self.started = time.perf_counter()

    def run(self) -> float:
        """Train what is missing; return the best validation macro-F1 of the whole plan, 0 to 1."""
        check_seeds(self.plan, self.data, Path(self.job.cache_dir))
        with Journal(Path(self.job.table)) as journal:
            self._check_mixture(journal.records())
            with progress(self.plan.total, f"{self.data.title} {self.plan.family.name}") as advance:
                planned = self._train_all(journal, advance)
            records = journal.records()
        done = [records[digest] for digest in planned if digest in records]
        self._report(done, in_table=len(records), missing=len(planned) - len(done))
        best = max((record.val_f1 for record in done), default=0.0)
        self.job.logger.log_metrics({"best_val_f1": best}, step=self.plan.trials)
        return best

    def _check_mixture(self, records: dict[str, TrialRecord]) -> None:
        """Say which of the planned trials the table has from another device or in another precision.

        Neither is part of a trial's key. Raises OhloraError where they are there and `mix` is not set.
        """
        planned = [record for record in records.values() if self._is_planned(record)]
        here = trained_as(device_name(self.device), self.precision, self.driver)
        others = Counter(
            words
            for record in planned
            if (words := trained_as(record.device, record.precision, record.driver)) != here
        )
        if not others:
            return
        said = (
            f"{len(planned)} of {self.plan.total} planned trials are in {self.job.table},"
            f" {sum(others.values())} of them trained otherwise:"
            f" {', '.join(f'{words} ({count})' for words, count in others.items())}; now {here}"
        )
        if not self.job.mix:
            raise OhloraError(
                f"{said}. mix=true takes those as they are, paths.table=DIR starts another table, and"
                " hardware.precision=... trains the rest alike"
            )
        print(said, flush=True)

    def _is_planned(self, record: TrialRecord) -> bool:
        """Whether a record is of this plan; of chosen params only the place in the plan is known."""
        key, plan = record.key, self.plan
        again, place = divmod(key.seed, REPEAT_SEEDS)
        place -= CHOSEN_SEEDS * (plan.chooser is not None)
        return (
            0 <= place < plan.trials
            and again < plan.repeats
            and (key.subset.dataset, key.subset_fingerprint, key.protocol) == self._game
            and key.subset.seed >= plan.seed
            and (plan.chooser is not None or key.params == self._spread[place])
        )

    @cached_property
    def _game(self) -> tuple[str, str, str]:
        return self.data.name, self.plan.family.fingerprint, self.plan.protocol.fingerprint

    @cached_property
    def _spread(self) -> list[Params]:
        return spread_params(self.plan, self.data)

    def _train_all(self, journal: Journal, advance: Advance) -> list[str]:
        """Train every planned trial that is neither done nor in another process's hands; digests of all."""
        planned: list[str] = []
        window: list[StackedTrial] = []
        known = journal.records()
        for trial in planned_trials(self.plan, self.data, Path(self.job.cache_dir), self.job.save_subset):
            digest = trial.key.digest
            planned.append(digest)
            if digest in known or not journal.claim(digest):
                advance.skip()
                continue
            window.append(trial)
            # A quarter of what is left, so that processes sharing the sweep end together.
            left = (self.plan.total - len(planned)) // 4
            if len(window) >= min(max(left, MIN_WINDOW), self._max_window()):
                self._train_window(window, journal, advance)
                window = []
        self._train_window(window, journal, advance)
        return planned

    def _max_window(self) -> int:
        if self.driver == "lean":
            return 1
        return MAX_WINDOW["cpu" if self.device.type == "cpu" else "gpu"]

    def _train_window(self, window: list[StackedTrial], journal: Journal, advance: Advance) -> None:
        for trial, outcome in self._outcomes(window):
            record = replace(outcome.record, **self.plan.chosen_by)
            journal.append(record)
            journal.release(trial.key.digest)
            self.mine.append(record)
            self.best = max(self.best, record.val_f1)
            scores = {"val_f1": record.val_f1, "test_f1": record.test_f1, "elapsed_s": record.elapsed_s}
            self.job.logger.log_metrics(
                {**{f"trial/{name}": value for name, value in scores.items()}, "best_val_f1": self.best},
                step=len(self.mine),
            )
            hourly = 3600 * len(self.mine) / (time.perf_counter() - self.started)
            advance(note=f"{hourly:,.0f} trials/h")

    def _outcomes(self, window: list[StackedTrial]) -> Iterator[tuple[StackedTrial, TrialOutcome]]:
        if self.driver == "stacked":
            yield from train_stacked(window, self.plan.protocol, self.job.hardware, self.job.members)
            return
        for trial in window:
            key = trial.key
            yield (
                trial,
                train_and_score(
                    key.params,
                    trial.subset,
                    key.subset_fingerprint,
                    trial.space,
                    self.plan.protocol,
                    key.seed,
                    self.job.hardware,
                ),
            )

    def _report(self, done: list[TrialRecord], in_table: int, missing: int) -> None:
        path = gather(Path(self.job.table))
        elapsed_s = time.perf_counter() - self.started
        self.console.print(summary(self.data.title, done, len(self.mine), elapsed_s))
        if done:
            self.console.print(winner(done, self.plan.space), soft_wrap=True, markup=False, highlight=False)
            winners = save_winners(done, Path(self.job.output_dir) / "winners.csv")
            self.console.print(f"each subset's best: {winners}", soft_wrap=True, markup=False)
            log_table(self.job.logger, "winners", pd.read_csv(winners))
            log_table(self.job.logger, "trials", pd.DataFrame([record.row() for record in done]))
        self.console.print(f"table: {path} ({in_table} trials in all)", soft_wrap=True, markup=False)
        if missing:
            self.console.print(f"{missing} trials are in the hands of other processes")


def trained_as(device: str, precision: str, driver: str) -> str:
    """What may change a score by more than its last digits: on a CPU all drivers do the same."""
    stacked = device != "cpu" and driver == "stacked"
    return f"precision={precision} on {device}{' in stacks' if stacked else ''}"
