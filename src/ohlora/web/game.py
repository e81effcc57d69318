"""What the page is told of the game once: hyperparameters, datasets, limits."""

from __future__ import annotations

from typing import Any

from ohlora.battle.contestants.human_file import NAME_LENGTH
from ohlora.battle.phrases import meaning
from ohlora.datasets.titles import TITLES
from ohlora.loggers import WandbLogs
from ohlora.space import Axis, Real
from ohlora.web.battle_job import ServeBattle

GIVEN = "given"  # the dataset of the command line where it is none of those offered


def offered(job: ServeBattle) -> list[str]:
    """Names of the datasets to choose from, the one of the command line first."""
    asked = [name for name, reader in job.datasets.items() if reader == job.dataset]
    first = asked[:1] or [GIVEN]
    return [*first, *(name for name in job.datasets if name not in first)]


def describe_game(job: ServeBattle) -> dict[str, Any]:
    """For /game."""
    start = job.first
    return {
        "language": job.language,
        "datasets": [{"name": name, "title": title_of(job, name)} for name in offered(job)],
        "axes": [
            {
                "name": name,
                "start": start[name],
                "meaning": {language: meaning(name, language) for language in ("en", "ko")},
                **describe_axis(axis),
            }
            for name, axis in job.space.free.items()
        ],
        "fixed": job.space.fixed,
        "seed": job.seed,
        "player": job.player,
        "name_length": NAME_LENGTH,
        "upload_mb": job.web.upload_mb,
        "images": job.web.images,
        "wandb": isinstance(job.logs, WandbLogs),  # results leave this machine
    }


def describe_axis(axis: Axis) -> dict[str, Any]:
    if isinstance(axis, Real):
        return {"low": axis.low, "high": axis.high, "log": axis.log}
    return {"options": list(axis.options)}


def title_of(job: ServeBattle, name: str) -> str:
    """What people read; of a folder of the command line its name."""
    if name == GIVEN:
        root = str(getattr(job.dataset, "root", "") or "")
        return root.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or GIVEN
    return TITLES.get(name, name)
