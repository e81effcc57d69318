"""What `python -m ohlora contact-sheet` and `photo-sheet` run, as settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MinLen
from pydantic import BeforeValidator, Strict

from ohlora.config import Name, compared, config, deferred
from ohlora.face.drawing.population import Population
from ohlora.face.drawing.renderer import Renderer
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

    renderer: Renderer
    population: Population
    moods: Annotated[Mapping[Name, Mapping[Name, float]], MinLen(1)]
    sheets: Annotated[tuple[Sheet, ...], Strict(False), MinLen(1)]
    seed: Seed
    face: Seed  # her number
    people: Annotated[int, Ge(1), Le(10_000)]
    columns: Columns
    steps: Annotated[int, Ge(2), Le(100)]
    women: bool
    spoilt: bool
    zoom: Zoom
    output_dir: Name

    run = deferred("ohlora.laboratory.sheets.contact_sheet", "write_sheets")

    @compared
    def _moods_can_be_shown(self) -> None:
        axes = self.renderer.properties
        faults = [
            f"moods.{mood}.{name}{fault}"
            for mood, values in self.moods.items()
            for name, value in values.items()
            if name in axes and (fault := axes[name].fault(value))
        ]
        if faults:
            raise ValueError("; ".join(faults))


@config
class PhotoSheet:
    """Write photos beside their label maps as a PNG, and tell what is known of them."""

    dataset: Annotated[PhotoFaces, BeforeValidator(_photos)]
    shown: Annotated[int, Ge(1), Le(1000)]
    columns: Columns
    zoom: Zoom
    output_dir: Name

    run = deferred("ohlora.laboratory.sheets.photo_sheet", "write_sheet")
