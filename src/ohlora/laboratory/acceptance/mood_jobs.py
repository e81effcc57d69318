"""What `python -m ohlora mood-report` runs, as settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from annotated_types import Ge

from ohlora.config import Count, Name, compared, config, deferred
from ohlora.face.acting.expression import Expressions
from ohlora.face.acting.person import DrawnPerson, Number, PersonSettings
from ohlora.face.drawing.generator import GeneratorSettings
from ohlora.face.drawing.ombre import Ombre
from ohlora.face.drawing.population import Population
from ohlora.loggers import LoggerChoice


@config
class MoodReport:
    """Train a judge of moods on other people, and count how often it names hers."""

    generator: GeneratorSettings
    person: PersonSettings
    population: Population
    expressions: Expressions
    ombre: Ombre
    looks: Mapping[Name, float]  # of everybody, but for those that are drawn
    seed: Number
    people: Annotated[int, Ge(8)]
    judged: Count
    frames: Count
    epochs: Count
    folder: Name
    logger: LoggerChoice | None  # None: what lies in the folder is all

    run = deferred("ohlora.laboratory.acceptance.mood_report", "report_moods")

    @compared
    def _others_can_be_drawn(self) -> None:
        if not isinstance(self.person, DrawnPerson):
            raise ValueError("the others are people of the population: drawn_by=portrait | renderer")
