"""The acceptance table: python -m ohlora face-report paths.face=my_face."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ohlora.laboratory.acceptance.stages import Evaluation
    from ohlora.laboratory.acceptance.table import Criterion, Row


WIDTH = 140  # of a table that goes into a file


@dataclass(frozen=True)
class Report:
    """Measure what the networks of a folder reach, and print it beside what they must."""

    dataset: Any
    networks: str  # a folder
    generator: str  # its name there
    beside: Sequence[str] | None  # other generators there, for a table side by side; None: all
    stages: Sequence[str] | None  # None: all
    acceptance: Mapping[str, Mapping[str, Any]]  # stage -> quantity -> gate and target
    counts: Any
    screenings: Mapping[str, Any]
    expressions: Any
    ombre: Any
    rest: Mapping[str, float]
    seed: int
    hardware: Any
    output_dir: str
    logger: Any

    def run(self) -> float:
        """Print the table and keep it; return the share of gated rows that were measured and hold, 0 to 1."""
        from pathlib import Path

        from rich.console import Console

        from ohlora.durable import write_json, write_text
        from ohlora.laboratory.acceptance.table import (
            markdown,
            not_measured,
            rich_side_by_side,
            rich_table,
            summary,
        )

        criteria, evaluation = self.checked()
        rows, header, folder = self.rows(criteria, evaluation), self.header(evaluation), Path(self.output_dir)
        beside = self.rows_beside(criteria, evaluation, rows)
        told = {"rows": [row.plain for row in rows], "beside": [row.plain for row in beside]}
        write_json(folder / "report.json", {"header": header, **told})
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
        self.logger.log_metrics(values)
        gated = [row.verdict in ("target", "gate") for row in rows if row.criterion.gate is not None]
        return sum(gated) / max(1, len(gated))

    def rows(self, criteria: Mapping[str, Mapping[str, Criterion]], evaluation: Evaluation) -> list[Row]:
        """Every row of the table, in its order."""
        from ohlora.laboratory.acceptance.stages import subjects

        return self.measured(criteria, evaluation, subjects(evaluation))

    def rows_beside(
        self, criteria: Mapping[str, Mapping[str, Criterion]], evaluation: Evaluation, rows: Sequence[Row]
    ) -> list[Row]:
        """Rows of every generator to stand side by side, that of the table last; none where it is alone."""
        from ohlora.laboratory.acceptance.model_folder import GENERATOR
        from ohlora.laboratory.acceptance.stages import of_generator

        names = evaluation.models.names(GENERATOR) if self.beside is None else self.beside
        others = [evaluation.of(name) for name in names if name != self.generator]
        found = [row for other in others for row in self.measured(criteria, other, of_generator(other))]
        stages = {row.stage for row in found}
        return [*found, *(row for row in rows if row.subject == self.generator and row.stage in stages)]

    def measured(
        self,
        criteria: Mapping[str, Mapping[str, Criterion]],
        evaluation: Evaluation,
        subjects: Iterable[tuple[str, str, Callable[[], Mapping[str, float]]]],
    ) -> list[Row]:
        """Rows of those subjects whose stage is asked for."""
        from ohlora.laboratory.acceptance.model_folder import Missing
        from ohlora.laboratory.acceptance.table import rows_of
        from ohlora.progress import progress

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

    def header(self, evaluation: Evaluation) -> list[str]:
        """What the numbers are of, and what they are not."""
        from pathlib import Path

        device, _ = self.hardware.resolve()
        there = "" if Path(self.networks).is_dir() else " (no such folder)"
        return [
            f"domain: {evaluation.source.domain}",
            "Drawn faces are far easier than photos: these numbers must not be set beside the original's.",
            f"networks: {self.networks}{there}, {evaluation.source.resolution} px, on {device}",
            "measured on: " + ", ".join(f"{name} {n}" for name, n in asdict(evaluation.counts).items()),
        ]

    def checked(self) -> tuple[dict[str, dict[str, Criterion]], Evaluation]:
        """Criteria of the stages asked for, and the evaluation; OhloraError with every fault there is."""
        from pathlib import Path

        import torch

        from ohlora.errors import OhloraError, nearest, whole_fault
        from ohlora.face.acting.person import HIGHEST, Person
        from ohlora.laboratory.acceptance.model_folder import GENERATOR, ModelFolder
        from ohlora.laboratory.acceptance.stages import STAGES, Evaluation
        from ohlora.laboratory.acceptance.table import criterion
        from ohlora.laboratory.sources.dataset import RenderedFaces

        if not isinstance(self.dataset, RenderedFaces):
            raise OhloraError(
                "the acceptance table is of rendered faces, whose truth is known: dataset=faces"
            )
        faults = list(self.counts.faults())
        for place, names in (("stages", self.stages or []), ("acceptance", self.acceptance)):
            faults += [
                f"{place}: {name} is not one of {' | '.join(STAGES)}{nearest(name, STAGES)}"
                for name in names
                if name not in STAGES
            ]
        criteria: dict[str, dict[str, Criterion]] = {}
        for stage, quantities in self.acceptance.items():
            for name, told in quantities.items():
                try:
                    made = criterion(f"acceptance.{stage}.{name}", told)
                except OhloraError as error:
                    faults.append(str(error))
                else:
                    if self.stages is None or stage in self.stages:
                        criteria.setdefault(stage, {})[name] = made
        for place, names in (("generator", [self.generator]), ("beside", self.beside or [])):
            faults += [
                f"{place}={name} is no generator's name ({GENERATOR}ours)"
                for name in names
                if not str(name).startswith(GENERATOR)
            ]
        if fault := whole_fault("seed", self.seed, 0, HIGHEST):
            faults.append(fault)
        if fault := Person(torch.zeros(0), self.rest).fault(self.dataset.properties):
            faults.append(fault)
        if faults:
            raise OhloraError("; ".join(faults))
        self.hardware.use_threads()
        device, _ = self.hardware.resolve()
        source = replace(self.dataset, spoilt=False)  # who is judged on spoilt photos gets them
        models = ModelFolder(Path(self.networks), self.generator, source.resolution, device, source.domain)
        evaluation = Evaluation(
            models, source, self.counts, self.screenings, self.expressions, self.ombre, self.rest, self.seed
        )
        return criteria, evaluation
