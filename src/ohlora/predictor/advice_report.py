"""Advice for people: as text, as JSON and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ohlora.datasets.lettering import drawable
from ohlora.datasets.titles import TITLES
from ohlora.figures import plt, save_figure
from ohlora.predictor.advice import Advice, Counts
from ohlora.predictor.explain import Departure, Effect, KnownSubset, distances, strangeness
from ohlora.predictor.search import NO_DIFFERENCE
from ohlora.space import Value
from ohlora.text import counted, printable

FEW_TESTED = 100  # test images; below, a single one is worth more than 0.01
FEW_LEARNED = 10  # training images of a class
STRANGE = 0.95  # share of known subsets with a nearer neighbour


def as_text(advice: Advice) -> str:
    """The params, what each is worth, the expected score and where it comes from; a line a thing."""
    low, high = advice.interval
    width = max(map(len, advice.params))
    of = {effect.name: effect for effect in advice.effects}
    first = [*of, *(name for name in advice.params if name not in of)]
    values = {name: shown(advice.params[name]) for name in first}
    wide = max(map(len, values.values()))
    left = advice.departure.names if advice.departure else set()
    rows = [
        f"  {name:<{width}}  {values[name]:<{wide}}  {effect_words(of.get(name), name in left)}"
        for name in first
    ]
    return "\n".join(
        [
            counts_words(advice.counts),
            "",
            "  what to train with, and the macro-F1 that each gains on the worst value of its range:",
            *rows,
            "",
            *departure_words(advice.departure),
            f"expected macro-F1 {advice.predicted_f1:.2f}, 95 % from {low:.2f} to {high:.2f}",
            f"read from {judged(advice)}",
            f"nearest known subsets: {'; '.join(map(known_words, advice.nearest[:3]))}",
            *(f"note: {note}" for note in notes(advice)),
        ]
    )


def as_json(advice: Advice) -> dict[str, Any]:
    """All that the text says, as plain data."""
    report = advice.predictor.card.get("report", {})
    return {
        "images": {
            "title": advice.counts.title,
            "classes": advice.counts.classes,
            "image_shape": list(advice.counts.image_shape),
            "train": advice.counts.train,
            "val": advice.counts.val,
            "test": advice.counts.test,
        },
        "params": advice.params,
        "expected": {
            "macro_f1": advice.predicted_f1,
            "sd": advice.predicted_sd,
            "interval_95": list(advice.interval),
        },
        "judged_by": {
            "trials": report.get("trials"),
            "subsets": report.get("subsets"),
            "held_out": report.get("held_out"),
            "scores": report.get("scores", {}).get("predictor"),
            "sd_on_unseen_subsets": advice.predictor.noise,
        },
        "effects": [
            {
                "name": effect.name,
                "value": effect.value,
                "expected_f1": effect.predicted_f1,
                "gain": effect.gain,
                "elsewhere": [{"value": value, "expected_f1": f1} for value, f1 in effect.curve],
            }
            for effect in advice.effects
        ],
        "fixed_answer": None if advice.departure is None else departure_data(advice.departure),
        "nearest_known": [vars(known) for known in advice.nearest],
        "notes": notes(advice),
    }


def advice_rows(advice: Advice) -> pd.DataFrame:
    """A row a hyperparameter: its value, and what it gains on the worst one of its range."""
    of = {effect.name: effect for effect in advice.effects}
    return pd.DataFrame(
        [
            {
                "hyperparameter": name,
                "value": shown(value),
                "gain": of[name].gain if name in of else None,
                "worst": shown(of[name].worst[0]) if name in of and of[name].curve else None,
            }
            for name, value in advice.params.items()
        ]
    )


def counts_words(counts: Counts) -> str:
    channels, height, width = counts.image_shape
    low, high = min(counts.classes.values()), max(counts.classes.values())
    each = str(low) if low == high else f"{low} to {high}"
    train = counted(counts.train, "image")
    return (
        f"{printable(counts.title)}: {train} to train, {counts.val} to validate, {counts.test} to test;"
        f" {len(counts.classes)} classes, {each} to train on each;"
        f" {height} x {width}, {'grey' if channels == 1 else 'colour'}"
    )


def effect_words(effect: Effect | None, left: bool) -> str:
    """What a hyperparameter is expected to be worth; `left`: its value is not the fixed answer's."""
    if effect is None:
        return "fixed"
    # One that leaves the fixed answer counts with the others (search.plainer), so its number is told.
    if not effect.matters and not left:
        return f"makes no difference here (no more than {NO_DIFFERENCE:g})"
    return f"+{effect.gain:.{2 if effect.gain >= 0.01 else 3}f} against {shown(effect.worst[0])}"


def departure_words(departure: Departure | None) -> list[str]:
    """What moved the choice, from which fixed answer."""
    if departure is None:
        return []
    name, known = "all datasets", "the known subsets"
    if departure.dataset:
        name, known = TITLES.get(departure.dataset, departure.dataset), "its known subsets"
    given = f", but for {', '.join(departure.not_free)}" if departure.not_free else ""
    fixed = f"the fixed answer of {name} (best on average over {known}){given}"
    if not departure.changes:
        return [f"what moved the choice: nothing, it is {fixed}", ""]
    width = max(map(len, departure.names))
    changes = [f"{shown(change.value)}, not {shown(change.fixed)}" for change in departure.changes]
    wide = max(map(len, changes))
    return [
        f"  what moved the choice from {fixed},",
        f"  and the macro-F1 that each change is expected to earn, all together {departure.gain:+.3f}:",
        *(
            f"  {change.name:<{width}}  {words:<{wide}}  {change.alone:+.3f} alone,"
            f" {change.with_the_others:+.3f} with the others"
            for change, words in zip(departure.changes, changes, strict=True)
        ),
        "",
    ]


def departure_data(departure: Departure) -> dict[str, Any]:
    return {
        "dataset": departure.dataset,
        "params": departure.fixed,
        "expected_f1": departure.predicted_f1,
        "gain": departure.gain,
        "changed": [vars(change) for change in departure.changes],
        "not_free": list(departure.not_free),
    }


def judged(advice: Advice) -> str:
    """Where the expected score comes from, and how good such scores are."""
    report = advice.predictor.card.get("report", {})
    if not report:
        return "a predictor whose card does not say how it was judged"
    names = ", ".join(sorted({TITLES.get(name, name) for name in advice.predictor.known_datasets}))
    error = report.get("scores", {}).get("predictor", {}).get("mean_absolute_error")
    off = (
        ""
        if error is None
        else f"; on subsets held out it is off by {error:.3f} on average, on yours by more"
    )
    return f"{report['trials']:,} trainings on {report['subsets']} subsets of {names}{off}"


def known_words(known: KnownSubset) -> str:
    counts = [
        f"{n} {what}" for n, what in ((known.images, "images"), (known.classes, "classes")) if n is not None
    ]
    inside = ", ".join([*counts, f"distance {known.distance:.2f}"])
    return f"{TITLES.get(known.dataset, known.dataset)} ({inside})"


def notes(advice: Advice) -> list[str]:
    """What should keep one from believing a number too much."""
    counts, said = advice.counts, few_tested(advice.counts.test)
    if smallest := [name for name, n in counts.classes.items() if n < FEW_LEARNED]:
        name = min(smallest, key=lambda one: counts.classes[one])
        least, others = counts.classes[name], len(smallest) - 1
        more = f" ({others} more have fewer than {FEW_LEARNED})" if others else ""
        said.append(f"class {printable(name)} has {counted(least, 'image')} to train on{more}")
    if advice.nearest:
        near = advice.nearest[0].distance
        if strangeness(advice.predictor, near) > STRANGE:
            own = distances(advice.predictor.known, advice.predictor.known).fill_diagonal_(torch.inf)
            usual = float(own.min(dim=1).values.quantile(STRANGE))
            said.append(
                f"unlike what she knows: the nearest subset is {near:.2f} away, and {STRANGE:.0%} of the"
                f" known ones have one within {usual:.2f}; take the expected score for a guess"
            )
    return said


def few_tested(n: int) -> list[str]:
    return [f"{counted(n, 'test image')}: one is worth {1 / n:.2g}"] if n < FEW_TESTED else []


def shown(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def save_picture(advice: Advice, path: str | Path) -> Path:
    """The expected score, what each hyperparameter changes of it, and the nearest known subsets."""
    free = advice.effects
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 1.9 + 0.36 * max(len(free), 6)), layout="constrained", width_ratios=(3, 2)
    )
    title = drawable(printable(advice.counts.title, 60))
    figure.suptitle(
        f"{title}: {counted(advice.counts.train, 'training image')}, {len(advice.counts.classes)} classes"
    )
    draw_effects(advice, left)
    draw_nearest(advice, right)
    return save_figure(figure, Path(path))


def draw_effects(advice: Advice, axes: Any) -> None:
    low, high = advice.interval
    axes.axvspan(low, high, color="tab:green", alpha=0.12, lw=0, label="95 % interval")
    axes.axvline(advice.predicted_f1, color="tab:green", lw=1.2, label=f"expected: {advice.predicted_f1:.2f}")
    names = []
    for row, effect in enumerate(reversed(advice.effects)):
        names.append(f"{effect.name} = {shown(effect.value)}")
        scores = [f1 for _, f1 in effect.curve]
        axes.plot([min(scores), effect.predicted_f1], [row, row], color="grey", lw=3, alpha=0.4)
        axes.plot(scores, [row] * len(scores), "|", color="grey", ms=8)
        axes.plot(effect.predicted_f1, row, "o", color="tab:blue")
        if effect.matters:
            value, f1 = effect.worst
            axes.annotate(
                shown(value), (f1, row), (-5, 0), textcoords="offset points", ha="right", va="center"
            )
    if advice.departure and advice.departure.changes:
        place = {effect.name: row for row, effect in enumerate(reversed(advice.effects))}
        changes = advice.departure.changes
        there = [(advice.predicted_f1 - one.with_the_others, place[one.name]) for one in changes]
        axes.plot(
            *zip(*there, strict=True), "D", mfc="none", color="tab:orange", label="as the fixed answer has it"
        )
    axes.set_yticks(range(len(names)), names)
    ends = [f1 for effect in advice.effects for _, f1 in effect.curve]
    least = min([low, *ends], default=low)
    axes.set(xlim=(max(least - 0.12, -0.08), 1.02), ylim=(-0.8, max(len(names), 1) - 0.2))
    axes.set(xlabel="expected macro-F1 with one of them changed", title="what moved the choice")
    # Below the axes: inside there is a row of points wherever it stands.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, fontsize=8, frameon=False)


def draw_nearest(advice: Advice, axes: Any) -> None:
    rows = list(reversed(advice.nearest))
    datasets = sorted({known.dataset for known in rows})
    colours = dict(zip(datasets, plt.get_cmap("tab10").colors, strict=False))  # type: ignore[attr-defined]
    axes.barh(
        range(len(rows)),
        [known.distance for known in rows],
        color=[colours.get(known.dataset, "grey") for known in rows],
        height=0.6,
    )
    labels = [known_words(known).replace(f", distance {known.distance:.2f}", "") for known in rows]
    axes.set_yticks(range(len(rows)), [label.replace(" (", "\n(") for label in labels], fontsize=8)
    axes.set(xlabel="distance (mean standard deviations)", title="nearest known subsets", xlim=(0, None))
