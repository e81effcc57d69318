"""A whole sweep, or several, as one table."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ohlora import lineage
from ohlora.errors import OhloraError
from ohlora.records.journal import Journal
from ohlora.records.older import fill_older
from ohlora.records.parquet import read_parquet, write_parquet
from ohlora.seeds import LEAGUE_SEEDS


def read_table(sources: Iterable[Path | str]) -> pd.DataFrame:
    """One row a trial from table folders and Parquet files, each trial once.

    Columns: trial, dataset, family, seed (of the subset), trial_seed, the fingerprints, params.*, scores
    and costs as in `TrialRecord`, and what else the Parquet files have, such as feature.*.
    """
    tables, faults = [], []
    for source in map(Path, sources):
        try:
            found = folder_tables(source) if source.is_dir() else [read_parquet(source)]
            if not found:
                faults.append(f"{source} holds no trials yet")
            tables += found
        except OhloraError as fault:
            faults.append(str(fault))
    if faults:
        raise OhloraError("; ".join(faults))
    frame = fill_older(joined(tables).to_pandas())
    assert isinstance(frame, pd.DataFrame)
    return frame


def gather(folder: Path) -> Path:
    """Bring a table folder's `trials.parquet` up to date with its journal; rows only it has stay in it.

    Readers see the old file or the new one. Nothing to add: nothing is written, so a folder where all
    trials are still in the hands of others may have no such file yet.
    """
    journal = Journal(folder)
    with journal.gathering():
        tables = folder_tables(folder)
        if len(tables) > 1 or (tables and not journal.parquet.exists()):
            write_parquet(joined(tables), journal.parquet)
        if tables:
            lineage.made("table", journal.parquet.stem, journal.parquet)
    return journal.parquet


def folder_tables(folder: Path) -> list[pa.Table]:
    """`trials.parquet`, then the rows that are in the journal only; each where there is any."""
    journal = Journal(folder)
    # The journal first: what is gathered in between is then in both, not in neither.
    appended = journal.appended()
    tables = [read_parquet(journal.parquet)] if journal.parquet.is_file() else []
    gathered = set(tables[0].column("trial").to_pylist()) if tables else set()
    # Trials that were not scored on test, as a league's are, stay in the journal.
    scored = [record for record in appended.values() if record.test_f1 is not None]
    rows = [record.row() for record in scored if record.key.digest not in gathered]
    if rows:
        names = dict.fromkeys(name for row in rows for name in row)
        columns = {name: [row.get(name) for row in rows] for name in names}
        tables.append(pa.table({name: arrow(values, name, folder) for name, values in columns.items()}))
    return tables


def arrow(values: list[Any], name: str, folder: Path) -> pa.Array:
    """A column of the journal's rows."""
    try:
        return pa.array(values)
    except pa.ArrowException:
        kinds = {type(value).__name__ for value in values if value is not None}
        raise OhloraError(
            f"the journal of {folder} has both text and numbers as {name} ({' and '.join(sorted(kinds))}):"
            " its trials were made in spaces that do not go together"
        ) from None


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """One row a trial, by trial. Arrow, not pandas: a whole number stays one where other rows lack it."""
    try:
        table = pa.concat_tables([t.replace_schema_metadata() for t in tables], promote_options="permissive")
    except pa.ArrowException as error:
        raise OhloraError(f"these tables do not go together: {error}") from None
    trials = pd.Series(table.column("trial").to_pylist())
    if trials.duplicated().any():
        one_score_each(table.select(["trial", "val_f1", "test_f1"]).to_pandas())
    return table.take(trials.drop_duplicates().sort_values().index.to_numpy())


def one_score_each(frame: pd.DataFrame) -> None:
    """Raise OhloraError where rows of one trial have different scores: which of them is true?"""
    frame = frame.drop_duplicates()
    twice = frame.loc[frame["trial"].duplicated(keep=False)].sort_values(by="trial")
    if len(twice):
        first, second = twice.iloc[0], twice.iloc[1]
        raise OhloraError(
            f"trial {first.trial} is there with different scores: test_f1={first.test_f1:g}"
            f" (val_f1={first.val_f1:g}) in row {first.name},"
            f" test_f1={second.test_f1:g} (val_f1={second.val_f1:g}) in row {second.name}, tables one after"
            f" the other ({twice['trial'].nunique()} such trials); leave one of them out"
        )


def refuse_league(frame: pd.DataFrame, families: Mapping[str, str]) -> None:
    """Raise OhloraError where a table has subsets that are for matches, which nobody may learn from."""
    ours = np.isin(frame["family"].to_numpy(str), list(families))
    rows = np.flatnonzero(ours & (frame["seed"].to_numpy() >= LEAGUE_SEEDS))
    if len(rows):
        first = frame.iloc[rows[0]]
        raise OhloraError(
            f"row {rows[0]} of the table is of subset {first.dataset}/{first.family}/{first.seed}"
            f" ({len(rows)} such rows): seeds from {LEAGUE_SEEDS} up are the league's; leave those rows out"
        )


def comparable_rows(frame: pd.DataFrame, protocol: str, families: Mapping[str, str]) -> pd.DataFrame:
    """The rows trained by `protocol` on subsets drawn as today; a warning says what was left out.

    `families` maps names to today's fingerprints; families it does not name are left alone. A column the
    table lacks is not asked for: somebody else's table need not say how its trials were trained.
    """
    refuse_league(frame, families)
    notes = []
    keep = np.ones(len(frame), bool)
    if "protocol" in frame:
        found = frame["protocol"].to_numpy(str)
        keep = found == protocol
        for name, count in Counter(found[~keep]).items():
            notes.append(f"{count} trials of protocol {name}, not {protocol}")
    if "subset_fingerprint" in frame:
        family, found = frame["family"].to_numpy(str), frame["subset_fingerprint"].to_numpy(str)
        today = np.array([families.get(f, own) for f, own in zip(family, found, strict=True)])
        other = keep & (found != today)
        keep = keep & ~other
        for kind, count in Counter(zip(family[other], found[other], today[other], strict=True)).items():
            notes.append("{} trials of {} subsets drawn by {}, not {}".format(count, *kind))
    if notes and not keep.any():
        raise OhloraError(
            f"the table holds only {'; '.join(notes)}: give the size=, protocol.* and subset settings its"
            " trials were made with, or go back to the commit that made them"
        )
    if notes:
        warnings.warn(f"left out of the table: {'; '.join(notes)}", stacklevel=2)
    return frame.loc[keep].reset_index(drop=True) if notes else frame
