"""Facts that records older than two columns lack, told from what they do hold: `chooser`, `held_fixed`.

The rule, applied once to the table that ships and to others when they are read: params of trial seeds from
500,000 up (in each million) were chosen near_best, others evenly over the space. A number was held fixed
where one value comes on more than a tenth of the subsets, as no drawn one does; a word or a step of a scale
with it, where it takes one value only among all trials in which the same numbers were.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ohlora.seeds import CHOSEN_SEEDS, REPEAT_SEEDS

HELD_SHARE = 0.1  # of all subsets
PARAM = "params."


def fill_older(frame: pd.DataFrame) -> pd.DataFrame:
    """Fill the two columns where they are empty; a table without trial seeds stays as it is."""
    if "trial_seed" not in frame:
        return frame
    told = {"chooser": chosen_by, "held_fixed": held_by}
    for column, rule in told.items():
        known = frame[column] if column in frame else pd.Series(None, frame.index, dtype=object)
        older = known.isna().to_numpy()
        if older.any():
            values = known.to_numpy(object, copy=True)
            values[older] = rule(frame.loc[older])
            frame = frame.assign(**{column: pd.array(values, dtype="str")})
    return frame


def chosen_by(frame: pd.DataFrame) -> np.ndarray:
    """evenly | near_best, for each trial."""
    later = frame["trial_seed"].to_numpy() % REPEAT_SEEDS >= CHOSEN_SEEDS
    return np.where(later, "near_best", "evenly").astype(object)


def held_by(frame: pd.DataFrame) -> np.ndarray:
    """Names of the hyperparameters held fixed, sorted, a space between, for each trial."""
    names = sorted(column for column in frame if column.startswith(PARAM))
    subset = frame.groupby(["dataset", "family", "seed"], sort=False).ngroup().to_numpy()
    numbers = [name for name in names if pd.api.types.is_float_dtype(frame[name])]
    held = {name: on_many(frame[name], subset) for name in numbers}
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


def on_many(values: pd.Series, subset: np.ndarray) -> np.ndarray:
    """Whether each value comes on more subsets than chance would have it; an empty one does not."""
    value = pd.factorize(values)[0]
    pairs = np.unique(np.stack([value, subset])[:, value >= 0], axis=1)
    subsets = np.bincount(pairs[0], minlength=value.max(initial=0) + 1)[value]
    return (value >= 0) & (subsets > max(1, HELD_SHARE * (subset.max(initial=0) + 1)))
