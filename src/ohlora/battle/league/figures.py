"""Pictures of a league: Oh-LoRA against rivals by trials and by seconds, regret, and what she expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ohlora.battle.league.jobs import HERS
from ohlora.battle.league.tables import ALL, ORACLE, fewest, where
from ohlora.figures import plt, save_figure

MARKS = "osD^vP*Xph"


def colours(rivals: Sequence[str]) -> dict[str, str]:
    return {name: f"C{i % 10}" for i, name in enumerate(rivals)}


def panels(count: int, rows: int, height: float) -> tuple[Figure, np.ndarray]:
    width = min(4.4 * count, 18)
    figure, axes = plt.subplots(
        rows, count, figsize=(max(width, 6.5), height), layout="constrained", squeeze=False, sharey="row"
    )
    return figure, axes


def plot_against(table: pd.DataFrame, shown: Mapping[str, str], by: str, level: float, path: Path) -> Path:
    """Win rate and mean difference of her first glance, a column a group; `by`: trials | searched_s.

    `shown`: the groups, and what people call them.
    """
    table = fewest(table)
    rivals = [name for name in dict.fromkeys(table["rival"]) if name != ORACLE]
    colour = colours(rivals)
    figure, axes = panels(len(shown), 2, 7.2)
    for column, group in enumerate(shown):
        part = where(table, group=group)
        top, bottom = axes[0][column], axes[1][column]
        for i, rival in enumerate(rivals):
            own = where(part, rival=rival)
            curve(top, own, by, ("win_rate", "win_low", "win_high"), rival, colour[rival], MARKS[i % 10])
            curve(bottom, own, by, ("difference", "low", "high"), rival, colour[rival], MARKS[i % 10])
        top.axhline(0.5, color="black", lw=0.8)
        bottom.axhline(0, color="black", lw=0.8)
        top.set(title=f"{shown[group]} ({int(part['subsets'].iloc[0])} subsets)", ylim=(-0.02, 1.02))
        fine_scale(bottom)
        for one in (top, bottom):
            if by == "trials":
                trial_axis(one, sorted(set(part["trials"]) - {0}))
            elif set(part["trials"]) != {0}:
                one.set_xscale("log")
        bottom.set_xlabel("the rival's trials" if by == "trials" else "seconds of the rival's trials (mean)")
    axes[0][0].set_ylabel("Oh-LoRA's win rate, no trials")
    axes[1][0].set_ylabel("her macro-F1 less the rival's")
    legend(figure, axes[0][0])
    figure.suptitle(f"Oh-LoRA at a glance against everyone; bands are {level:.0%} intervals over subsets")
    return save_figure(figure, path)


def curve(
    axes: Axes, part: pd.DataFrame, by: str, columns: tuple[str, str, str], name: str, colour: str, mark: str
) -> None:
    """A rival's line with its band; one without trials is a dashed line across."""
    if part.empty:
        return
    middle, low, high = columns
    if set(part["trials"]) == {0}:
        axes.axhline(part[middle].iloc[0], color=colour, ls="--", lw=1.3, label=name)
        axes.axhspan(part[low].iloc[0], part[high].iloc[0], color=colour, alpha=0.08, lw=0)
        return
    x = part[by].to_numpy(float)
    if len(part) == 1:
        ends = np.abs(part[[low, high]].to_numpy().T - part[middle].to_numpy())
        axes.errorbar(x, part[middle], yerr=ends, fmt=mark, ms=4, color=colour, capsize=3, label=name)
        return
    axes.plot(x, part[middle], marker=mark, ms=4, lw=1.3, color=colour, label=name)
    axes.fill_between(x, part[low], part[high], color=colour, alpha=0.12, lw=0)


def trial_axis(axes: Axes, numbers: Sequence[int]) -> None:
    """Trials by logarithm, with as many numbers as there is room for."""
    if not numbers:
        return
    axes.set_xscale("log")
    if len(numbers) == 1:
        axes.set_xlim(numbers[0] / 2, numbers[0] * 2)
    kept: list[int] = []
    for number in reversed(numbers):
        if not kept or 1.45 * number <= kept[-1]:
            kept.append(number)
    axes.set_xticks(kept, [str(number) for number in kept])
    axes.minorticks_off()


def fine_scale(axes: Axes) -> None:
    """Macro-F1 differences: even up to 0.02, by logarithm beyond, where random search begins."""
    axes.set_yscale("symlog", linthresh=0.02, linscale=1.2)
    low, high = axes.get_ylim()
    marks = (-0.5, -0.2, -0.1, -0.05, -0.02, -0.01, 0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
    kept = [mark for mark in marks if low <= mark <= high]
    axes.set_yticks(kept, [f"{mark:g}" for mark in kept])
    axes.minorticks_off()


def plot_regret(table: pd.DataFrame, shown: Mapping[str, str], level: float, path: Path) -> Path:
    """Regret against the best params known by number of trials, her own curve in black."""
    names = [name for name in dict.fromkeys(table["contestant"]) if name != ORACLE]
    colour = {HERS: "black", **colours([name for name in names if name != HERS])}
    figure, axes = panels(len(shown), 1, 4.4)
    for panel, group in zip(axes[0], shown, strict=True):
        part = where(table, group=group)
        for i, name in enumerate(names):
            own = where(part, contestant=name).assign(at=lambda rows: rows["trials"] + 1)
            columns = ("regret", "regret_low", "regret_high")
            label = "Oh-LoRA" if name == HERS else name
            curve(panel, own, "at", columns, label, colour[name], MARKS[i % 10])
        panel.set_title(f"{shown[group]} ({int(part['subsets'].iloc[0])} subsets)")
        numbers = sorted(set(part["trials"]))
        trial_axis(panel, [number + 1 for number in numbers])
        panel.set_xticks(panel.get_xticks(), [str(round(x) - 1) for x in panel.get_xticks()])
        panel.set(xlabel="own trials", ylim=(0, None))
        fine_scale(panel)
    axes[0][0].set_ylabel("regret (macro-F1 below the best params known)")
    legend(figure, axes[0][0])
    figure.suptitle(f"Regret; bands are {level:.0%} intervals over subsets")
    return save_figure(figure, path)


def plot_calibration(scores: pd.DataFrame, coverage: pd.DataFrame, level: float, path: Path) -> Path:
    """Left: expected against earned at a glance. Right: how often what came lay in the stated intervals."""
    hers = where(scores, contestant=HERS)
    glance = where(hers, trials=hers["trials"].min())
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
    lowest = glance[["predicted_f1", "test_f1"]].to_numpy(float).min()
    low = min(float(lowest), 0.9) - 0.03
    left.plot([low, 1], [low, 1], color="grey", lw=0.8)
    for i, title in enumerate(dict.fromkeys(glance["title"])):
        part = where(glance, title=title)
        left.errorbar(
            part["test_f1"],
            part["predicted_f1"],
            yerr=part["predicted_sd"],
            fmt=MARKS[i % 10],
            ms=4,
            lw=0.7,
            alpha=0.75,
            label=f"{title}: {(part['predicted_f1'] - part['test_f1']).mean():+.3f}",
        )
    left.set(
        xlabel="earned (mean over fresh seeds)",
        ylabel="expected, with its 68 % interval",
        title="Oh-LoRA without trials (mean of expected less earned)",
        xlim=(low, 1.01),
        ylim=(low, 1.06),
    )
    left.legend(fontsize=8)
    coverage = where(coverage, trials=glance["trials"].min()).set_index("group")
    names = {ALL: "all", **dict(zip(glance["dataset"], glance["title"], strict=True))}
    # Of groups that are the same subsets one is there, and none that has subsets of earlier versions.
    shown = {group: name for group, name in names.items() if group in coverage.index}
    coverage = coverage.loc[list(shown)]
    for i, share in enumerate((68, 95)):
        name, colour = f"inside_{share}", f"C{i}"
        right.axhline(share / 100, color=colour, ls=":", lw=1)
        right.errorbar(
            range(len(shown)),
            coverage[name],
            yerr=np.abs(coverage[[f"{name}_low", f"{name}_high"]].to_numpy().T - coverage[name].to_numpy()),
            fmt=MARKS[i],
            color=colour,
            capsize=3,
            label=f"in the {share} % interval",
        )
    slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if len(shown) > 4 else {}
    right.set_xticks(range(len(shown)), list(shown.values()), **slanted)
    right.set(
        ylabel=f"share of single trainings ({level:.0%} bootstrap)",
        ylim=(0, 1.02),
        title="How often it lay in the interval that she stated",
    )
    right.legend(fontsize=8, loc="lower left")
    return save_figure(figure, path)


def legend(figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(len(labels), 10), fontsize=8, frameon=False
    )
