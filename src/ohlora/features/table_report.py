"""What a table of trials shows: how scores spread, what each hyperparameter does, how loud chance is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ohlora.figures import plt, save_figure
from ohlora.space import Choice, Space

BINS = 6  # of a number's range


def groups(frame: pd.DataFrame, *more: str) -> np.ndarray:
    """The number of each trial's subset, and of its values in the columns `more`; from 0 up."""
    names = ["dataset", "family", "seed", *more]
    return pd.factorize(frame[names].astype(str).agg("|".join, axis=1))[0]


def mean_of(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Each value's group mean."""
    return (np.bincount(group, values) / np.bincount(group))[group]


def chosen(frame: pd.DataFrame) -> np.ndarray:
    """Whether each trial's params were chosen by somebody, not spread evenly over the space."""
    return frame["chooser"].to_numpy(str) != "evenly"


def held_fixed(frame: pd.DataFrame, name: str) -> np.ndarray:
    """Whether each trial's space held a hyperparameter fixed, as space=classic does with four."""
    return np.array([name in held.split() for held in frame["held_fixed"]], bool)


def noise_floor(frame: pd.DataFrame) -> dict[str, float]:
    """How far seeds alone move a score: standard deviations pooled over params trained again."""
    group = groups(frame, *(column for column in frame.columns if column.startswith("params.")))
    again = np.bincount(group)[group] > 1
    if not again.any():
        return {"params": 0, "trials": 0}
    n_train = frame["n_train"].to_numpy(float)
    small = n_train <= np.median(n_train[again])

    def spread(column: str, rows: np.ndarray) -> float:
        scores = frame[column].to_numpy(float)
        apart = (scores - mean_of(scores, group))[rows]
        return round(float(np.sqrt((apart**2).sum() / (len(apart) - len(set(group[rows]))))), 4)

    floor: dict[str, float] = {"params": len(set(group[again])), "trials": int(again.sum())}
    floor |= {f"{column}_sd": spread(column, again) for column in ("val_f1", "test_f1")}
    if (again & ~small).any():
        floor |= {
            "test_f1_sd_smaller_subsets": spread("test_f1", again & small),
            "test_f1_sd_larger_subsets": spread("test_f1", again & ~small),
        }
    return floor


def plot_scores(frame: pd.DataFrame, path: Path) -> Path:
    """Test macro-F1 of every trial, and of each subset's best, a panel a dataset."""
    dataset, scores = frame["dataset"].to_numpy(), frame["test_f1"].to_numpy(float)
    subset, near = groups(frame), chosen(frame)
    names = sorted(set(dataset))
    figure, axes = plt.subplots(
        1, len(names), figsize=(3.2 * len(names), 3.2), layout="constrained", sharex=True, squeeze=False
    )
    edges = np.linspace(0, 1, 41)
    for panel, name in zip(axes[0], names, strict=True):
        here = dataset == name
        best = [scores[here & (subset == one)].max() for one in set(subset[here])]
        kinds = {"evenly spread": scores[here & ~near], "near the best": scores[here & near]}
        kinds = {label: some for label, some in kinds.items() if len(some)}
        panel.hist(list(kinds.values()), edges, stacked=True, label=list(kinds))
        panel.hist(best, edges, histtype="step", color="black", label="best of each subset")
        title = f"{name}\n{here.sum()} trials, {len(best)} subsets"
        panel.set(title=title, xlabel="test macro-F1", xlim=(0, 1))
    axes[0][0].set_ylabel("trials")
    axes[0][0].legend(fontsize=7)
    return save_figure(figure, path)


def plot_effects(frame: pd.DataFrame, space: Space, path: Path) -> Path:
    """What each hyperparameter does to the score, the subset's own level taken off, a line a dataset.

    Only evenly spread trials where the hyperparameter was free: elsewhere it is tied to the rest.
    """
    even = frame.loc[~chosen(frame)]
    dataset, scores = even["dataset"].to_numpy(), even["test_f1"].to_numpy(float)
    effect = scores - mean_of(scores, groups(even))
    columns = 4
    rows = -(-len(space.within) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.2 * columns, 2.6 * rows), layout="constrained", sharey=True, squeeze=False
    )
    panels = axes.flatten()
    for panel, (name, axis) in zip(panels, space.within.items(), strict=False):
        values, free = even[f"params.{name}"].tolist(), ~held_fixed(even, name)
        if isinstance(axis, Choice):
            ticks = [str(option) for option in axis.options]
            place = np.array([list(axis.options).index(value) for value in values])
        else:
            ticks = [f"{axis.at((i + 0.5) / BINS):.2g}" for i in range(BINS)]
            place = np.minimum([int(axis.position(value) * BINS) for value in values], BINS - 1)
        line = "none" if isinstance(axis, Choice) and not axis.ordered else "-"
        for k, one in enumerate(sorted(set(dataset))):
            bins = [effect[free & (dataset == one) & (place == i)] for i in range(len(ticks))]
            mean = [part.mean() if len(part) else np.nan for part in bins]
            error = [part.std() / len(part) ** 0.5 if len(part) else np.nan for part in bins]
            beside = np.arange(len(ticks)) + 0.05 * k  # error bars would hide each other
            panel.errorbar(beside, mean, error, label=one, marker=".", capsize=2, linestyle=line)
        panel.axhline(0, color="grey", lw=0.6)
        panel.set_xticks(range(len(ticks)), ticks, rotation=30, fontsize=7)
        panel.set_xlim(-0.5, len(ticks) - 0.5)
        panel.set_title(name, fontsize=9)
    for panel in panels[len(space.within) :]:
        panel.axis("off")
    for row in axes:
        row[0].set_ylabel("test macro-F1 - subset mean", fontsize=7)
    panels[0].legend(fontsize=7)
    return save_figure(figure, path)
