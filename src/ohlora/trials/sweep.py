"""The sweep: many trials on many subsets, into the target table; and one trial, watched."""

from __future__ import annotations

import json
import math
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from ohlora.datasets.families import Family
from ohlora.datasets.images import ImageData
from ohlora.datasets.pictures import save_contact_sheet, save_images
from ohlora.datasets.readers import DatasetReader
from ohlora.datasets.subset import Subset, draw_valid_seeds
from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.hardware import Hardware
from ohlora.processes import is_main, process_count
from ohlora.records.journal import Journal
from ohlora.records.record import TrialKey, TrialRecord
from ohlora.records.table import gather
from ohlora.seeds import CHOSEN_SEEDS, LEAGUE_SEEDS, REPEAT_SEEDS
from ohlora.space import Params, Space
from ohlora.tracking import log_picture
from ohlora.trainer import TrainerSettings
from ohlora.trials import protocol as protocols
from ohlora.trials.drivers import TrialOutcome, train_and_score
from ohlora.trials.report import plot_confusion, plot_curve
from ohlora.trials.stacked import StackedTrial, train_stacked

MIN_WINDOW = 8  # trials taken at a time, to be trained together
MAX_WINDOW = {"cpu": 128, "gpu": 4096}  # several stacks full: one for each batch size and activation


class Chooser(Protocol):
    """Chooses params for the trials on one subset."""

    def choose(self, data: ImageData, subset: Subset, space: Space, count: int) -> list[Params]: ...


@dataclass(frozen=True)
class Sweep:
    """Run `trials` trials on one dataset, `trials_per_subset` on each subset, and add them to the table.

    Trial i always is the same trial: subsets by ascending seed, params by a scrambled Sobol sequence, or
    by `chooser`. So a sweep started again adds nothing, a larger one adds what is missing, and several
    processes on one table share the work.
    """

    dataset: DatasetReader
    family: Family
    save_subset: str | None
    space: Space
    protocol: protocols.Protocol
    hardware: Hardware
    trials: int
    trials_per_subset: int
    repeats: int  # seeds each set of params is trained under
    chooser: Chooser | None  # of the params; None: evenly over the space
    seed: int  # first subset seed
    table: str
    cache_dir: str
    output_dir: str
    driver: str  # auto | stacked | lean | trainer
    members: int | None  # of a stack; None: what suits the device
    trainer: TrainerSettings
    callbacks: dict[str, Callback]
    logger: Logger

    def run(self) -> float:
        """Train what is missing; return the best validation macro-F1 of the whole plan, 0 to 1."""
        faults = [
            f"{name}={value!r} is not a whole number from {low}{limit}"
            for name, value, low, high, limit in (
                ("trials", self.trials, 1, CHOSEN_SEEDS + 1, f" to {CHOSEN_SEEDS}"),
                ("trials_per_subset", self.trials_per_subset, 1, math.inf, " up"),
                ("repeats", self.repeats, 1, 1000, " to 999"),
                ("members", 1 if self.members is None else self.members, 1, math.inf, " up, or null"),
                ("subset.seed", self.seed, 0, LEAGUE_SEEDS, " to 999999 (above are the league's)"),
            )
            if type(value) is not int or not low <= value < high
        ]
        if self.driver not in ("auto", "stacked", "lean", "trainer"):
            faults.append(f"driver={self.driver} is not one of auto | stacked | lean | trainer")
        elif self.driver == "trainer" and not faults and self.trials * self.repeats > 1:
            faults.append(
                f"driver=trainer watches one trial (trials=1, repeats=1), not {self.trials * self.repeats};"
                " many run under auto | stacked | lean"
            )
        if faults:
            raise OhloraError("; ".join(faults))
        # refuses a device that is not there before anything is loaded
        processes = process_count(self.trainer.devices, self.hardware.resolve()[0])
        watched = self.driver == "trainer" or (self.driver == "auto" and self.trials * self.repeats == 1)
        if processes > 1 and not watched:
            raise OhloraError(
                f"trainer.devices={self.trainer.devices} is for one watched trial (trials=1); many trials"
                " go side by side: -m worker=0,1 hydra.launcher.n_jobs=2"
            )
        self.hardware.use_threads()
        data = self.dataset.load()
        if watched:
            return self._watch(data)
        return self._sweep(data)

    def _evenly(self, data: ImageData) -> list[Params]:
        """Params of every trial, spread evenly over the space."""
        name = json.dumps(
            [data.name, self.family.name, self.seed, {k: str(v) for k, v in self.space.params.items()}]
        )
        return self.space.points(self.trials, seed=zlib.crc32(name.encode()))

    def _plan(self, data: ImageData) -> Iterator[StackedTrial]:
        """Every trial of the sweep, subset by subset; with `repeats`, each under several seeds in a row."""
        evenly = self._evenly(data)
        subsets = draw_valid_seeds(self.family, data, self.seed, Path(self.cache_dir))
        for first in range(0, self.trials, self.trials_per_subset):
            _, subset = next(subsets)
            if self.save_subset:
                name = f"{subset.recipe.dataset}-{subset.recipe.seed}"
                save_images(subset, Path(self.save_subset) / name)
            params = evenly[first : first + self.trials_per_subset]
            start = first
            if self.chooser is not None:
                params = self.chooser.choose(data, subset, self.space, len(params))
                start += CHOSEN_SEEDS
            for i, point in enumerate(params, start):
                for again in range(self.repeats):
                    key = self._key(subset, point, trial_seed=i + again * REPEAT_SEEDS)
                    yield StackedTrial(key, subset, self.space.fingerprint)

    def _sweep(self, data: ImageData) -> float:
        console = Console()
        mine: list[TrialRecord] = []
        plan: list[str] = []
        total = self.trials * self.repeats
        started = time.perf_counter()
        progress = Progress(
            TextColumn(f"{data.title} [cyan]{{task.description}}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        with Journal(Path(self.table)) as journal, progress:
            bar = progress.add_task(self.family.name, total=total, rate="")
            known = journal.records()
            window: list[StackedTrial] = []

            def train() -> None:
                for trial, outcome in self._train_all(window):
                    record = outcome.record
                    journal.append(record)
                    journal.release(trial.key.digest)
                    mine.append(record)
                    self.logger.log_metrics(
                        {"val_f1": record.val_f1, "test_f1": record.test_f1, "elapsed_s": record.elapsed_s},
                        step=len(mine),
                    )
                    hourly = 3600 * len(mine) / (time.perf_counter() - started)
                    progress.update(bar, advance=1, rate=f"{hourly:,.0f} trials/h")
                window.clear()

            for trial in self._plan(data):
                digest = trial.key.digest
                plan.append(digest)
                if digest in known or not journal.claim(digest):
                    progress.update(bar, advance=1)
                    continue
                window.append(trial)
                # A quarter of what is left, so that processes sharing the sweep end together.
                left = (total - len(plan)) // 4
                if len(window) >= min(max(left, MIN_WINDOW), self._max_window()):
                    train()
            train()
            records = journal.records()
        done = [records[digest] for digest in plan if digest in records]
        path = gather(Path(self.table))
        console.print(summary(data.title, done, mine, elapsed_s=time.perf_counter() - started))
        console.print(f"table: {path} ({len(records)} trials in all)", soft_wrap=True)
        missing = len(plan) - len(done)
        if missing:
            console.print(f"{missing} trials are in the hands of other processes")
        best = max((record.val_f1 for record in done), default=0.0)
        self.logger.log_metrics({"best_val_f1": best}, step=self.trials)
        return best

    def _max_window(self) -> int:
        if self.driver == "lean":
            return 1
        return MAX_WINDOW["cpu" if self.hardware.resolve()[0].type == "cpu" else "gpu"]

    def _train_all(self, window: Sequence[StackedTrial]) -> Iterator[tuple[StackedTrial, TrialOutcome]]:
        if self.driver == "lean":
            yield from ((trial, self._train(trial.subset, trial.key)) for trial in window)
        else:
            yield from train_stacked(window, self.protocol, self.hardware, self.members)

    def _watch(self, data: ImageData) -> float:
        """One trial under Lightning's Trainer, with curves, confusion matrix and checkpoint."""
        journal = Journal(Path(self.table))
        _, subset = next(draw_valid_seeds(self.family, data, self.seed, Path(self.cache_dir)))
        out = Path(self.output_dir)
        sheet = out / "contact_sheet.png"
        if is_main():
            if self.save_subset:
                save_images(subset, Path(self.save_subset))
            save_contact_sheet(subset, sheet)
        key = self._key(subset, self._evenly(data)[0], trial_seed=0)
        settings = {
            **self.trainer.arguments(),
            "logger": self.logger,
            "callbacks": list(self.callbacks.values()),
        }
        outcome = self._train(subset, key, {**settings, "default_root_dir": str(out)})
        record = outcome.record
        if not is_main():
            return record.val_f1
        if journal.claim(record.key.digest):  # not there yet, and in no other process's hands
            journal.append(record)
            journal.release(record.key.digest)
            gather(Path(self.table))
        write_json(out / "trial.json", {**record.row(), "curve": outcome.curve})
        torch.save(outcome.module.state_dict(), out / "best_weights.pt")
        log_picture(self.logger, "subset", sheet)
        log_picture(self.logger, "curve", plot_curve(outcome, out / "curve.png"))
        log_picture(
            self.logger, "confusion", plot_confusion(outcome, subset.class_names, out / "confusion.png")
        )
        self.logger.log_metrics({"best_val_f1": record.val_f1, "test_f1": record.test_f1}, step=record.steps)
        console = Console()
        console.print(summary(data.title, [record], [record], record.elapsed_s))
        console.print(
            f"one trial on {len(subset.train)} images of {len(subset.class_names)} classes: {out}",
            soft_wrap=True,
        )
        return record.val_f1

    def _key(self, subset: Subset, params: Params, trial_seed: int) -> TrialKey:
        return TrialKey(subset.recipe, self.family.fingerprint, self.protocol.fingerprint, params, trial_seed)

    def _train(
        self, subset: Subset, key: TrialKey, trainer_settings: dict[str, Any] | None = None
    ) -> TrialOutcome:
        return train_and_score(
            key.params,
            subset,
            key.subset_fingerprint,
            self.space.fingerprint,
            self.protocol,
            key.seed,
            self.hardware,
            trainer_settings,
        )


def summary(title: str, done: list[TrialRecord], mine: list[TrialRecord], elapsed_s: float) -> Table:
    """What the sweep knows now, as a table for the terminal."""
    table = Table(title=f"{title}: {len(done)} trials, {len(mine)} of them new, {elapsed_s:.0f} s")
    columns = "subset | images | classes | trials | val F1 mean | best | test F1 of best | diverged"
    for column in columns.split(" | "):
        table.add_column(column, justify="right")
    seeds = sorted({record.key.subset.seed for record in done})
    groups = [(str(seed), [r for r in done if r.key.subset.seed == seed]) for seed in seeds]
    if len(groups) > 12:
        groups = groups[:10]
        table.caption = f"first 10 of {len(seeds)} subsets, then all"
    for name, group in [*groups, ("all", done)]:
        if not group:
            continue
        best = max(group, key=lambda record: record.val_f1)
        sizes = sorted({record.n_train for record in group})
        classes = sorted({record.n_classes for record in group})
        table.add_row(
            name,
            f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}",
            f"{classes[0]}" if len(classes) == 1 else f"{classes[0]} to {classes[-1]}",
            str(len(group)),
            f"{np.mean([record.val_f1 for record in group]):.3f}",
            f"{best.val_f1:.3f}",
            f"{best.test_f1:.3f}",
            str(sum(record.status == "diverged" for record in group)),
            style="bold" if name == "all" else None,
        )
    return table
