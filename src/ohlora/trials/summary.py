"""What a sweep found: its trials by subset, and the params that won."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from ohlora.durable import write_text
from ohlora.records.record import TrialRecord
from ohlora.space import Space

SUBSETS_SHOWN = 10


def summary(title: str, done: Sequence[TrialRecord], new: int, elapsed_s: float) -> Table:
    """The trials done so far, a row a subset, as a table for the terminal."""
    table = Table(title=Text(f"{title}: {len(done)} trials, {new} of them new, {elapsed_s:.0f} s"))
    columns = "subset | images | classes | trials | val F1 mean | best | test F1 of best | diverged"
    for column in columns.split(" | "):
        table.add_column(column, justify="right")
    groups = [(str(seed), some) for seed, some in by_subset(done).items()]
    if len(groups) > SUBSETS_SHOWN + 2:
        table.caption = f"first {SUBSETS_SHOWN} of {len(groups)} subsets, then all"
        groups = groups[:SUBSETS_SHOWN]
    for name, group in [*groups, ("all", done)]:
        if not group:
            continue
        best = best_of(group)
        table.add_row(
            name,
            span([record.n_train for record in group]),
            span([record.n_classes for record in group]),
            str(len(group)),
            f"{np.mean([record.val_f1 for record in group]):.3f}",
            f"{best.val_f1:.3f}",
            f"{best.test_f1:.3f}",
            str(sum(record.status == "diverged" for record in group)),
            style="bold" if name == "all" else None,
        )
    return table


def winner(done: Sequence[TrialRecord], space: Space) -> str:
    """The params of the best trial, in words: those that were free."""
    best = best_of(done)
    params = ", ".join(f"{name} {readable(best.key.params[name])}" for name in space.free)
    return f"best: subset {best.key.subset.seed}, val F1 {best.val_f1:.3f}: {params or 'nothing was free'}"


def save_winners(done: Sequence[TrialRecord], path: Path) -> Path:
    """The best trial of every subset with its params, as CSV."""
    rows = [
        {"subset": seed, "val_f1": best.val_f1, "test_f1": best.test_f1, **best.key.params}
        for seed, group in by_subset(done).items()
        for best in [best_of(group)]
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
    return path


def by_subset(done: Sequence[TrialRecord]) -> dict[int, list[TrialRecord]]:
    """The trials of each subset, by ascending seed."""
    groups: dict[int, list[TrialRecord]] = {}
    for record in sorted(done, key=lambda one: one.key.subset.seed):
        groups.setdefault(record.key.subset.seed, []).append(record)
    return groups


def best_of(group: Sequence[TrialRecord]) -> TrialRecord:
    return max(group, key=lambda record: record.val_f1)


def span(numbers: Sequence[int]) -> str:
    """`60`, or `60 to 300` where they differ."""
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def readable(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
