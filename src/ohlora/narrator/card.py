"""The model card of a trained narrator (card.md) and its loss curves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ohlora.assets import command_line, library_versions
from ohlora.durable import replacing
from ohlora.narrator.lessons import Lessons, Rehearsal
from ohlora.provenance import current_commit

LIBRARIES = ("torch", "transformers", "trl", "peft")
PRETRAINING = "Pretraining"


def origin() -> dict[str, str]:
    """What was typed, and the versions of what ran."""
    libraries = ", ".join(f"{name} {version}" for name, version in library_versions(LIBRARIES).items())
    return {"command": command_line(), "commit": current_commit(), "libraries": libraries}


def history(model: str) -> dict[str, Mapping[str, Any]]:
    """Reports of the runs that led to a model, by stage, the first one first; none for one from elsewhere."""
    path = Path(model).parent / "report.json"
    if not model or not path.is_file():
        return {}
    report = json.loads(path.read_text(encoding="utf-8"))
    return {**history(report.get("model", "")), report["stage"]: report} if "stage" in report else {}


def model_card(stages: Mapping[str, Mapping[str, Any]]) -> str:
    """The card in Markdown, with the head that the Hub reads, from the reports of all stages."""
    before, tuning = stages[PRETRAINING], stages[Lessons.stage]
    card = filled(
        "card.md",
        before=before,
        before_minutes=minutes(before),
        shape=before["shape"],
        sources="\n".join(f"| {source['name']} | {source['licence']} |" for source in before["sources"]),
        tuning=tuning,
        tuning_minutes=minutes(tuning),
        adapter=tuning["adapter"],
        whole=", ".join(tuning["adapter"]["trained_whole"]) or "nothing",
        lessons=tuning["lessons"],
        held_out="the lines of six cases held out whole"
        if tuning["lessons"]["held_out"]
        else f"{tuning['held_out_rows']} spliced lines left out",
    )
    if again := stages.get(Rehearsal.stage):
        card += "\n" + filled(
            "card_rehearsal.md", again=again, minutes=minutes(again), lessons=again["lessons"]
        )
    return card


def filled(name: str, **values: Any) -> str:
    """A text of this package with its places filled."""
    return files("ohlora.narrator").joinpath(name).read_text(encoding="utf-8").format(**values)


def minutes(run: Mapping[str, Any]) -> str:
    return f"{run['elapsed_s'] / 60:.0f}" if run["elapsed_s"] else "an unknown number of"


def plot_losses(runs: Mapping[str, Mapping[str, Any]], path: Path) -> Path:
    """Loss curves of trainings, by their titles, as a PNG."""
    figure = Figure(figsize=(5 * len(runs), 3.6), layout="constrained")
    for axes, (title, run) in zip(figure.subplots(1, len(runs), squeeze=False)[0], runs.items(), strict=True):
        for name, label in (("loss", "training"), ("eval_loss", "held out")):
            if points := run["losses"][name]:
                steps, values = zip(*points, strict=True)
                axes.plot(steps, values, marker="o" if name == "eval_loss" else None, ms=3, label=label)
        axes.set(title=title, xlabel="step", ylabel="loss, nats a token")
        axes.grid(alpha=0.3)
        axes.legend()
    with replacing(path, f".part{path.suffix}") as part:
        figure.savefig(part, dpi=110)
    return path
