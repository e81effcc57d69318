"""Look at faces: python -m ohlora contact-sheet face=7 renderer.resolution=128."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ohlora.datasets.pictures import to_picture
from ohlora.face.drawing.classes import PALETTE
from ohlora.face.drawing.population import Draws
from ohlora.laboratory.sheets.jobs import ContactSheets, Sheet
from ohlora.laboratory.sources.faces import render
from ohlora.laboratory.sources.twins import twin

MARGIN, HEADER, GAP = 118, 16, 2  # pixels, around what is shown


def write_sheets(job: ContactSheets) -> None:
    """Write the sheets and print where they are."""
    for name in job.sheets:
        path = Path(job.output_dir) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        SHEETS[name](job).save(path)
        print(path)


def people_sheet(job: ContactSheets) -> Image.Image:
    """Many people, each in a photo of her own."""
    return sheet(job, photos_of(job, everybody(job)), [])


def label_maps_sheet(job: ContactSheets) -> Image.Image:
    """The exact maps of the same photos."""
    return sheet(job, maps_of(job, everybody(job)), [])


def properties_sheet(job: ContactSheets) -> Image.Image:
    """One person with every property from one end of its range to the other."""
    rows, names = [], []
    for column, (name, axis) in enumerate(job.renderer.properties.items()):
        values = torch.tensor([axis.at(step / (job.steps - 1)) for step in range(job.steps)])
        rows.append(photos_of(job, repeated(job, job.steps).with_property(column, values)))
        names.append(f"{name}\n{axis}")
    return sheet(job, torch.cat(rows), names, job.steps)


def twins_sheet(job: ContactSheets) -> Image.Image:
    """Two twins to each property, and three times the difference between them."""
    rows, names = [], []
    for name, axis in job.renderer.properties.items():
        pair = twin(
            repeated(job, 2), job.renderer.properties, name, torch.tensor([axis.at(0.2), axis.at(0.8)])
        )
        photos = photos_of(job, pair)
        difference = (photos[0].int() - photos[1].int()).abs().mul(3).clamp_max(255).byte()
        rows.append(torch.cat([photos, maps_of(job, pair), difference[None]]))
        names.append(f"{name}\n{axis.at(0.2):.2f} | {axis.at(0.8):.2f}")
    return sheet(job, torch.cat(rows), names, 5)


def moods_sheet(job: ContactSheets) -> Image.Image:
    """`face` and the next women in every mood."""
    indices = job.population.indices(job.seed, job.columns - 1, women=True, first=job.face + 1)
    people = job.population.sample(job.seed, [job.face, *indices.tolist()])
    rows = [photos_of(job, in_mood(job, people, values)) for values in job.moods.values()]
    return sheet(job, torch.cat(rows), list(job.moods), job.columns)


def everybody(job: ContactSheets) -> Draws:
    indices = job.population.indices(job.seed, job.people, women=job.women)
    return job.population.sample(job.seed, indices)


def repeated(job: ContactSheets, count: int) -> Draws:
    """The same photo of `face` some times, in the first mood of conf."""
    draws = job.population.sample(job.seed, [job.face]).take(torch.zeros(count, dtype=torch.long))
    return in_mood(job, draws, next(iter(job.moods.values())))


def in_mood(job: ContactSheets, draws: Draws, values: Mapping[str, float]) -> Draws:
    for column, name in enumerate(job.renderer.properties):
        if name in values:
            draws = draws.with_property(column, values[name])
    return draws


def photos_of(job: ContactSheets, draws: Draws) -> Tensor:

    if job.spoilt:
        return render(job.renderer, draws).images
    return job.renderer.picture(job.renderer.mapping(draws.latents, draws.properties)).images


def maps_of(job: ContactSheets, draws: Draws) -> Tensor:
    """Label maps as colours, uint8 [faces, 3, rows, columns]."""
    labels = job.renderer.picture(job.renderer.mapping(draws.latents, draws.properties)).label_maps
    return torch.tensor(PALETTE, dtype=torch.uint8)[labels.long().cpu()].permute(0, 3, 1, 2)


def sheet(
    job: ContactSheets, photos: Tensor, names: Sequence[str], columns: int | None = None
) -> Image.Image:
    """Photos in rows, one name before each row where there are names."""
    columns = columns or job.columns
    cell = photos.shape[-1] * job.zoom + GAP
    margin = MARGIN if names else 0
    rows = -(-len(photos) // columns)
    sheet = Image.new("RGB", (margin + columns * cell, HEADER + rows * cell), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text(
        (4, 2),
        f"rendered faces, seed {job.seed}" + (f", face {job.face}" if names else ""),
        fill="grey",
    )
    for row, name in enumerate(names):
        draw.text((4, HEADER + row * cell + cell // 2 - 12), name, fill="black")
    for place, photo in enumerate(photos.cpu()):
        picture = to_picture(photo).resize((cell - GAP, cell - GAP), Image.Resampling.NEAREST)
        sheet.paste(picture, (margin + place % columns * cell, HEADER + place // columns * cell))
    return sheet


SHEETS: dict[Sheet, Callable[[ContactSheets], Image.Image]] = {
    "people": people_sheet,
    "properties": properties_sheet,
    "label_maps": label_maps_sheet,
    "twins": twins_sheet,
    "moods": moods_sheet,
}
