"""What `python -m ohlora contact-sheet` and `photo-sheet` run, as settings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MinLen
from pydantic import BeforeValidator, Strict

from ohlora.config import Name, compared, config, deferred
from ohlora.face.acting.expression import Expressions
from ohlora.face.acting.person import DrawnPerson, Number, PersonSettings
from ohlora.face.drawing.generator import GeneratorSettings
from ohlora.face.drawing.population import Population
from ohlora.laboratory.sources.settings import PhotoFaces, Seed

Sheet = Literal["people", "properties", "label_maps", "twins", "moods"]
Columns = Annotated[int, Ge(1), Le(100)]
Zoom = Annotated[int, Ge(1), Le(16)]


def _photos(dataset: Any) -> Any:
    if not isinstance(dataset, PhotoFaces):
        raise ValueError("not one of faces_folder | faces_ffhq | faces_celebamask")
    return dataset


@config
class ContactSheets:
    """Write each of `sheets` as a PNG."""

    generator: GeneratorSettings
    person: PersonSettings
    population: Population
    expressions: Expressions
    sheets: Annotated[tuple[Sheet, ...], Strict(False), MinLen(1)]
    seed: Seed  # of the world that people of a population are in
    face: Number | None  # her number there, or in a bank; None: Oh-LoRA
    people: Annotated[int, Ge(1), Le(10_000)]
    columns: Columns
    steps: Annotated[int, Ge(2), Le(100)]
    women: bool
    spoilt: bool
    zoom: Zoom
    output_dir: Name

    run = deferred("ohlora.laboratory.sheets.contact_sheet", "write_sheets")

    @compared
    def _is_somebody_to_be_spoilt(self) -> None:
        if self.spoilt and not isinstance(self.person, DrawnPerson):
            raise ValueError("spoilt=true is of a population's photos: drawn_by=portrait | renderer")


@config
class PhotoSheet:
    """Write photos beside their label maps as a PNG, and tell what is known of them."""

    dataset: Annotated[PhotoFaces, BeforeValidator(_photos)]
    shown: Annotated[int, Ge(1), Le(1000)]
    columns: Columns
    zoom: Zoom
    output_dir: Name

    run = deferred("ohlora.laboratory.sheets.photo_sheet", "write_sheet")
