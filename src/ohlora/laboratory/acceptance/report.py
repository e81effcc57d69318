"""The acceptance table: python -m ohlora face-report paths.face=my_face."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from ohlora.durable import write_json, write_text
from ohlora.errors import OhloraError
from ohlora.face.acting.person import Person
from ohlora.laboratory.acceptance.jobs import GENERATOR, Report
from ohlora.laboratory.acceptance.model_folder import Missing, ModelFolder
from ohlora.laboratory.acceptance.stages import Evaluation, of_generator, subjects
from ohlora.laboratory.acceptance.table import (
    COLUMNS,
    Criterion,
    Row,
    markdown,
    not_measured,
    rich_side_by_side,
    rich_table,
    rows_of,
    summary,
)
from ohlora.progress import progress
from ohlora.tracking import log_table

Criteria = Mapping[str, Mapping[str, Criterion]]
WIDTH = 140  # of a table that goes into a file


def print_report(job: Report) -> float:
    """Print the table and keep it; return the share of gated rows that were measured and hold, 0 to 1."""
    criteria, evaluation = checked(job)
    folder, header = Path(job.output_dir), header_of(job, evaluation)
    rows = rows_of_table(job, criteria, evaluation)
    beside = rows_beside(job, criteria, evaluation, rows)
    tables = {"rows": [row.plain for row in rows], "beside": [row.plain for row in beside]}
    write_json(folder / "report.json", {"header": header, **tables})
    write_text(folder / "report.md", markdown(rows, header, beside))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print("\n".join(header), markup=False)
    console.print(rich_table(rows))
    if beside:
        console.print(rich_side_by_side(beside))
    for line in [*not_measured([*rows, *beside]), summary(rows), str(folder / "report.md")]:
        console.print(line, markup=False, soft_wrap=True)
    values = {f"{row.stage}/{row.subject}/{row.name}": row.value for row in rows if row.value is not None}
    job.logger.log_metrics(values)
    cells = [(row.stage, *row.cells) for row in rows]
    log_table(job.logger, "acceptance", pd.DataFrame(cells, columns=pd.Index(["kind", *COLUMNS])))
    gated = [row.verdict in ("target", "gate") for row in rows if row.criterion.gate is not None]
    return sum(gated) / max(1, len(gated))


def rows_of_table(job: Report, criteria: Criteria, evaluation: Evaluation) -> list[Row]:
    """Every row of the table, in its order."""
    return measured(job, criteria, evaluation, subjects(evaluation))


def rows_beside(
    job: Report,
    criteria: Criteria,
    evaluation: Evaluation,
    rows: Sequence[Row],
) -> list[Row]:
    """Rows of every generator to stand side by side, that of the table last; none where it is alone."""
    names = evaluation.models.names(GENERATOR) if job.beside is None else job.beside
    others = [evaluation.of(name) for name in names if name != job.generator]
    found = [row for other in others for row in measured(job, criteria, other, of_generator(other))]
    stages = {row.stage for row in found}
    return [*found, *(row for row in rows if row.subject == job.generator and row.stage in stages)]


def measured(
    job: Report,
    criteria: Criteria,
    evaluation: Evaluation,
    subjects: Iterable[tuple[str, str, Callable[[], Mapping[str, float]]]],
) -> list[Row]:
    """Rows of those subjects whose stage is asked for."""
    rows = []
    wanted = [one for one in subjects if one[0] in criteria]
    with progress(len(wanted), "measures") as advance:
        for stage, subject, measure in wanted:
            advance(0, note=f"{stage} of {subject}")
            try:
                scores: Mapping[str, float] | str = measure()
            except Missing as missing:
                scores = str(missing)
            rows += rows_of(stage, subject, criteria[stage], scores, evaluation.source.resolution)
            advance()
    return rows


def header_of(job: Report, evaluation: Evaluation) -> list[str]:
    """What the numbers are of, and what they are not."""
    device, _ = job.hardware.resolve()
    there = "" if Path(job.networks).is_dir() else " (no such folder)"
    return [
        f"domain: {evaluation.source.domain}",
        "Drawn faces are far easier than photos: these numbers must not be set beside the original's.",
        f"networks: {job.networks}{there}, {evaluation.source.resolution} px, on {device}",
        "measured on: " + ", ".join(f"{name} {n}" for name, n in asdict(evaluation.counts).items()),
    ]


def checked(job: Report) -> tuple[dict[str, dict[str, Criterion]], Evaluation]:
    """Criteria of the stages asked for, and the evaluation; OhloraError where her looks cannot be."""
    if fault := Person(np.zeros(0), job.rest).fault(job.dataset.properties):
        raise OhloraError(fault)
    job.hardware.use_threads()
    device, _ = job.hardware.resolve()
    source = replace(job.dataset, spoilt=False)  # who is judged on spoilt photos gets them
    models = ModelFolder(Path(job.networks), job.generator, source.resolution, device, source.domain)
    evaluation = Evaluation(
        models,
        source,
        job.counts,
        job.screenings,
        job.expressions,
        job.ombre,
        job.portrait,
        job.rest,
        job.seed,
    )
    return job.criteria, evaluation
