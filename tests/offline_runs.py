"""Offline W&B runs read back, as `wandb leet inspect --json` tells them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ohlora.dashboards.panels import SECTIONS, needed
from ohlora.loggers import WandbLogs


@dataclass
class OfflineRun:
    """What a `.wandb` file holds."""

    about: dict[str, Any] = field(default_factory=dict)  # job_type, group, tags, display_name, ...
    config: dict[str, Any] = field(default_factory=dict)
    history: dict[str, list[Any]] = field(default_factory=dict)  # by key; of media what they are
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)  # by name
    tables: dict[str, list[str]] = field(default_factory=dict)  # by key: the files of each W&B Table
    exits: list[int] = field(default_factory=list)

    @property
    def keys(self) -> set[str]:
        """What a panel can show: logged keys, and settings as `config:NAME`."""
        return {*self.history, *(f"config:{name}" for name in dotted(self.config))}


def records(file: Path) -> list[dict]:
    """As `wandb leet inspect --json FILE` prints them, less the second that its Python takes."""
    core = pytest.importorskip("wandb.util", reason='pip install "ohlora[wandb]"').get_core_path()
    command = [core, "leet", "inspect", "--no-observability", "--json", "--run-file", str(file)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    return [json.loads(line) for line in told.splitlines() if line.startswith("{")]


def read_run(file: Path) -> OfflineRun:
    found = OfflineRun()
    for record in records(file):
        what, content = record["type"], record.get(record["type"], {})
        if what == "run":
            found.about = {name: value for name, value in content.items() if name != "config"}
        elif what == "config":
            found.config |= content.get("update", {})
        elif what == "history":
            for name, value in content["item"].items():
                key, _, part = name.partition(".")
                if part in ("", "_type"):
                    found.history.setdefault(key, []).append(value)
        elif what == "artifact":
            paths = [one["path"] for one in content["manifest"]["contents"]]
            if content["type"] == "run_table":
                found.tables[content["name"].split("-", 2)[2]] = paths
                continue
            about = {"type": content["type"], "metadata": json.loads(content["metadata"]), "paths": paths}
            found.artifacts[content["name"]] = about
        elif what == "exit":
            found.exits.append(content.get("exit_code", 0))
    return found


def only_run(folder: Path) -> OfflineRun:
    """The one run below a folder, finished once."""
    pytest.importorskip("wandb", reason='pip install "ohlora[wandb]"')
    (file,) = folder.rglob("*.wandb")
    found = read_run(file)
    assert len(found.exits) == 1, "a run that was not finished, or twice"
    return found


def shows(folder: Path, title: str) -> OfflineRun:
    """The one run below a folder, which must fill every panel of the dashboards' section `title`."""
    (section,) = [one for one in SECTIONS if one.title == title]
    found = only_run(folder)
    empty = {*needed(section)} - found.keys
    assert not empty, f"panels of {title} would stay empty: nobody logs {sorted(empty)}"
    assert found.about["job_type"] == section.job_type
    assert found.exits == [0]
    return found


def offline_logger(folder: Path, job_type: str) -> Any:
    """The logger that logger=wandb makes of a job without a network."""
    pytest.importorskip("wandb", reason='pip install "ohlora[wandb]"')
    return WandbLogs(
        str(folder), "ohlora", None, job_type, "digits", "smoke", None, (), mode="offline"
    ).make()


def dotted(nested: dict[str, Any], before: str = "") -> set[str]:
    names = set()
    for name, value in nested.items():
        names.add(f"{before}{name}")
        if isinstance(value, dict):
            names |= dotted(value, f"{before}{name}.")
    return names
