"""What `python -m ohlora face-report` runs, as settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from annotated_types import Ge
from pydantic import AfterValidator, BeforeValidator

from ohlora.config import Count, Many, Name, Positive, compared, config, deferred
from ohlora.errors import OhloraError
from ohlora.face.acting.expression import Expressions
from ohlora.face.drawing.ombre import Ombre
from ohlora.face.drawing.portrait.settings import Portrait
from ohlora.hardware import Hardware
from ohlora.laboratory.acceptance.table import Criterion, criterion
from ohlora.laboratory.measures.settings import Screening
from ohlora.laboratory.sources.settings import RenderedFaces, Seed
from ohlora.loggers import LoggerChoice

GENERATOR = "generator_"  # how the names of generators begin
Stage = Literal[
    "renderer",
    "segmenter",
    "scores",
    "regressor",
    "gender",
    "quality",
    "filter",
    "embedder",
    "generator",
    "identity",
    "samples",
    "likeness",
    "untrained",
    "directions",
    "pass_test",
    "bank",
    "expression",
    "animation",
    "start_up",
]
STAGES: tuple[Stage, ...] = get_args(Stage)
AtLeast8 = Annotated[int, Ge(8)]


def _rendered(dataset: Any) -> Any:
    if not isinstance(dataset, RenderedFaces):
        raise ValueError("the acceptance table is of rendered faces, whose truth is known: dataset=faces")
    return dataset


def _of_a_generator(name: str) -> str:
    if not name.startswith(GENERATOR):
        raise ValueError(f"no generator's name ({GENERATOR}ours)")
    return name


GeneratorName = Annotated[Name, AfterValidator(_of_a_generator)]


@config
class Counts:
    """How many of what the table rests on."""

    renders: AtLeast8
    faces: AtLeast8  # before segmenters, regressors and the embedder
    unlabelled: AtLeast8  # before gender and quality ensembles
    asked: AtLeast8  # of a generator
    compared: AtLeast8  # made and real pictures, each
    swept: Count  # along each direction
    steps: Annotated[int, Ge(3)]  # of a sweep
    reach: Positive  # largest weight of a sweep
    candidates: Count  # for the pass test
    frames: Annotated[int, Ge(4)]  # timed


@config
class Report:
    """Measure what the networks of a folder reach, and print it beside what they must."""

    dataset: Annotated[RenderedFaces, BeforeValidator(_rendered)]
    networks: Name  # a folder
    generator: GeneratorName  # its name there
    beside: Many[GeneratorName] | None  # other generators there, for a table side by side; None: all
    stages: Many[Stage] | None  # None: all
    acceptance: Mapping[Stage, Mapping[str, Any]]  # by quantity: gate and target
    counts: Counts
    screenings: Mapping[str, Screening]
    expressions: Expressions
    ombre: Ombre
    portrait: Portrait  # whose frames are timed beside the renderer's and the network's
    rest: Mapping[str, float]
    seed: Seed
    hardware: Hardware
    output_dir: Name
    logger: LoggerChoice

    run = deferred("ohlora.laboratory.acceptance.report", "print_report")
    checked = deferred("ohlora.laboratory.acceptance.report", "checked")

    @compared
    def _rows_say_what_must_be_reached(self) -> None:
        faults = []
        for stage, quantities in self.acceptance.items():
            for name, entry in quantities.items():
                try:
                    criterion(f"acceptance.{stage}.{name}", entry)
                except OhloraError as error:
                    faults.append(str(error))
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def criteria(self) -> dict[str, dict[str, Criterion]]:
        """Of the stages asked for."""
        return {
            stage: {
                name: criterion(f"acceptance.{stage}.{name}", entry) for name, entry in quantities.items()
            }
            for stage, quantities in self.acceptance.items()
            if self.stages is None or stage in self.stages
        }
