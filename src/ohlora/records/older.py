"""What records without `chooser` and `held_fixed` lack or had wrong, told from what they do hold.

The rules, applied once to the table that ships and to others when they are read:

- Params of trial seeds from 500,000 up (in each million) were chosen near_best, others evenly over the space.
- A number was held fixed where one value comes on more than a tenth of the subsets, as no drawn one does; a
  word or a step of a scale with it, where it takes one value only among all trials in which the same numbers
  were.
- `epochs` counted a short last batch as a whole one; it follows from steps, batch size and images.

`python -c "from ohlora.records.older import rewrite; rewrite('target_table.parquet')"` writes them down.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from ohlora.records.parquet import read_parquet, write_parquet
from ohlora.records.record import epochs_seen
from ohlora.seeds import CHOSEN_SEEDS, REPEAT_SEEDS

HELD_SHARE = 0.1  # of all subsets
PARAM = "params."


def fill_older(frame: pd.DataFrame) -> pd.DataFrame:
    """Fill the two columns where they are empty; correct `epochs` there.

    A table without trial seeds stays as it is: it was not made by a sweep.
    """
    if "trial_seed" not in frame:
        return frame
    frame = with_epochs(frame)
    rules = {"chooser": chosen_by, "held_fixed": held_by}
    for column, rule in rules.items():
        known = frame[column] if column in frame else pd.Series(None, frame.index, dtype=object)
        older = known.isna().to_numpy()
        if older.any():
            values = known.to_numpy(object, copy=True)
            values[older] = rule(frame.loc[older])
            frame = frame.assign(**{column: pd.array(values, dtype="str")})
    return frame


def rewrite(path: Path | str) -> int:
    """Write these columns into a Parquet file, all others as they are; how many epochs were wrong."""
    table = read_parquet(Path(path))
    frame = table.to_pandas()
    filled = fill_older(frame)
    for name in ("epochs", "chooser", "held_fixed"):
        column = pa.chunked_array([pa.array(filled[name])])
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, column)
        else:
            table = table.append_column(name, column)
    write_parquet(table, Path(path))
    return int((frame["epochs"] != filled["epochs"]).sum())


def with_epochs(frame: pd.DataFrame) -> pd.DataFrame:
    """Passes over the training images of older trials, by what they do tell for sure."""
    needed = ["epochs", "steps", "n_train", f"{PARAM}batch_size"]
    if not set(needed) <= set(frame.columns):
        return frame
    older = frame["chooser"].isna().to_numpy() if "chooser" in frame else np.ones(len(frame), bool)
    known = older & frame[needed].notna().to_numpy().all(axis=1)
    epochs = frame["epochs"].to_numpy(float, copy=True)
    rows = frame.loc[known, needed[1:]].itertuples(index=False, name=None)
    epochs[known] = [epochs_seen(int(steps), int(n), int(size)) for steps, n, size in rows]
    return frame.assign(epochs=epochs)


def chosen_by(frame: pd.DataFrame) -> np.ndarray:
    """evenly | near_best, for each trial."""
    later = frame["trial_seed"].to_numpy() % REPEAT_SEEDS >= CHOSEN_SEEDS
    return np.where(later, "near_best", "evenly").astype(object)


def held_by(frame: pd.DataFrame) -> np.ndarray:
    """Names of the hyperparameters held fixed, sorted, a space between, for each trial."""
    names = sorted(column for column in frame if column.startswith(PARAM))
    subset = frame.groupby(["dataset", "family", "seed"], sort=False).ngroup().to_numpy()
    numbers = [name for name in names if pd.api.types.is_float_dtype(frame[name])]
    held = {name: on_many(frame[name].to_numpy(), subset) for name in numbers}
    text = np.full(len(frame), "", dtype=object)
    if not numbers:
        return text
    for group in pd.DataFrame(held, index=np.arange(len(frame))).groupby(numbers).indices.values():
        together = [name for name in numbers if held[name][group[0]]]
        if together:
            rest = frame[[name for name in names if name not in numbers]].iloc[group]
            together += [name for name in rest if rest[name].nunique(dropna=False) == 1]
        text[group] = " ".join(sorted(name.removeprefix(PARAM) for name in together))
    return text


def on_many(values: np.ndarray, subset: np.ndarray) -> np.ndarray:
    """Whether each value comes on more subsets than chance would have it; an empty one does not."""
    value = pd.factorize(values)[0]
    pairs = np.unique(np.stack([value, subset])[:, value >= 0], axis=1)
    subsets = np.bincount(pairs[0], minlength=value.max(initial=0) + 1)[value]
    return (value >= 0) & (subsets > max(1, HELD_SHARE * (subset.max(initial=0) + 1)))
