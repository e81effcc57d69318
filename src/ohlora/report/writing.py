"""Collect results below folders, write the page."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ohlora.durable import write_text
from ohlora.errors import OhloraError
from ohlora.lineage import LINEAGE
from ohlora.provenance import current_commit
from ohlora.report.job import WriteReport
from ohlora.report.page import page
from ohlora.report.reading import DAMAGED, SECTIONS, read_folder
from ohlora.report.results import Fault, Result

# Folders that belong to a run and hold no results of their own.
INSIDE = {"checkpoints", "wandb", "tensorboard", "journal", "claims", ".hydra", "member"}


def write_report(job: WriteReport) -> None:
    """Write the file and say where it lies. Raises OhloraError where there is nothing to report on."""
    folders = [Path(folder).expanduser() for folder in job.folders]
    if missing := [folder for folder in folders if not folder.is_dir()]:
        raise OhloraError(f"{', '.join(map(str, missing))}: no such folder")
    with tempfile.TemporaryDirectory() as work:
        found, faults, made_by = collect(folders, Path(work))
        if not found:
            why = f"; not read: {faults[0].path} ({faults[0].why})" if faults else ""
            raise OhloraError(f"no results below {', '.join(map(str, folders))}{why}")
        count = sum(map(len, found.values()))
        about = (
            f"{count} results below {', '.join(map(str, folders))};"
            f" {datetime.now().astimezone():%Y-%m-%d %H:%M}, commit {current_commit()}"
        )
        out = Path(job.out).expanduser()
        write_text(out, page(found, made_by, faults, about, job.most))
    kinds = ", ".join(f"{len(results)} {title.lower()}" for title, results in found.items())
    print(f"{kinds}\nreport: {out} ({out.stat().st_size / 1e6:.1f} MB, opens without a network)")


def collect(
    folders: Sequence[Path], work: Path
) -> tuple[dict[str, list[Result]], list[Fault], dict[str, Result]]:
    """Results by section, the newest first; what could not be read; and who has made what, by digest."""
    found: dict[str, list[Result]] = {title: [] for title in SECTIONS}
    faults: list[Fault] = []
    made_by: dict[str, Result] = {}
    for folder, names in places(folders):
        try:
            read = read_folder(folder, names, work)
            inputs, outputs = lineage(folder)
        except DAMAGED as error:
            faults.append(Fault(folder, f"{type(error).__name__}: {error}"))
            continue
        if read is None:
            continue
        section, result = read[0], replace(read[1], inputs=inputs)
        found[section].append(result)
        made_by |= dict.fromkeys(outputs, result)
    for results in found.values():
        results.sort(key=lambda one: -one.when)
    return {title: results for title, results in found.items() if results}, faults, made_by


def places(folders: Sequence[Path]) -> Iterator[tuple[Path, set[str]]]:
    """Every folder below these, once, with the names of what lies in it."""
    seen = set()
    for top in folders:
        for place, inside, names in os.walk(top):
            everything = {*inside, *names}
            inside[:] = sorted(name for name in inside if name not in INSIDE and not name.startswith("csv"))
            folder = Path(place)
            if (where := folder.resolve()) not in seen:
                seen.add(where)
                yield folder, everything


def lineage(folder: Path) -> tuple[list[dict[str, str]], list[str]]:
    """What a run was made from, and the digests of what it has made."""
    path = folder / LINEAGE
    if not path.is_file():
        return [], []
    content = json.loads(path.read_text(encoding="utf-8"))
    return content["inputs"], [one["sha256"] for one in content["outputs"]]
