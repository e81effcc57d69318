"""Look at faces: python -m ohlora contact-sheet face=7 resolution=512."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ohlora.datasets.pictures import to_picture
from ohlora.errors import OhloraError
from ohlora.face.acting.expression import NEUTRAL
from ohlora.face.acting.person import DrawnPerson, Person, cast
from ohlora.face.drawing.classes import PALETTE
from ohlora.face.drawing.generator import Generator, Picture, ShowsSome
from ohlora.face.drawing.population import Draws
from ohlora.laboratory.sheets.jobs import ContactSheets, Sheet
from ohlora.laboratory.sources.defects import spoil
from ohlora.precision import one_thread

MARGIN, HEADER, GAP = 118, 16, 2  # pixels, around what is shown
TOGETHER = 16  # pictures drawn at once: bounds the memory


@dataclass(frozen=True)
class Sitters:
    """Whom a sheet shows, one row each."""

    latents: Tensor  # [sitters, latent_dim]
    wanted: Tensor  # [sitters, properties and controls], raw
    draws: Draws | None  # of a population; None: of a bank

    def __len__(self) -> int:
        return len(self.latents)

    def take(self, rows: Tensor) -> Sitters:
        """Some of them, in the order of `rows`."""
        draws = None if self.draws is None else self.draws.take(rows)
        return Sitters(self.latents[rows], self.wanted[rows], draws)

    def repeated(self, count: int) -> Sitters:
        """The first of them, some times."""
        return self.take(torch.zeros(count, dtype=torch.long))

    def asked(self, column: int, values: Tensor | float) -> Sitters:
        """The same people but for one property or control."""
        wanted = self.wanted.clone()
        wanted[:, column] = values
        return replace(self, wanted=wanted)


class Studio:
    """A job's generator, and the people it draws."""

    def __init__(self, job: ContactSheets) -> None:
        self.job = job
        self.generator: Generator
        self.generator, self.her = cast(job, job.face)
        self.axes = self.generator.properties

    def everybody(self) -> Sitters:
        """Many people, each in a photo of her own; of a bank, as many as it has."""
        job = self.job
        if isinstance(job.person, DrawnPerson):
            return self.drawn(job.population.indices(job.seed, job.people, women=job.women))
        return self.banked(job.people)

    def her_alone(self) -> Sitters:
        """`face` as a population or a bank has her; Oh-LoRA where none is asked for."""
        job = self.job
        if isinstance(job.person, DrawnPerson) and job.face is not None:
            return self.in_mood(self.drawn([job.face]), job.expressions.moods[NEUTRAL])
        return self.people([self.her])

    def her_and_others(self, count: int) -> Sitters:
        """Her, and the next women."""
        job = self.job
        if not isinstance(job.person, DrawnPerson):
            return self.banked(count)
        face = job.person.face if job.face is None else job.face
        others = job.population.indices(job.seed, count - 1, women=True, first=face + 1)
        return self.drawn([face, *others.tolist()])

    def drawn(self, indices: Sequence[int] | np.ndarray) -> Sitters:
        """People of a population; their controls are at rest."""
        draws = self.job.population.sample(self.job.seed, indices)
        resting = torch.zeros(len(draws), len(self.axes) - draws.properties.shape[1])
        return Sitters(draws.latents, torch.cat([draws.properties, resting], dim=1), draws)

    def banked(self, count: int) -> Sitters:
        """The first people of a bank at rest."""
        found: list[Person] = []
        for number in range(count):
            try:
                found.append(self.job.person.load(number))
            except OhloraError:
                if not found:
                    raise
                break  # a smaller bank
        return self.people(found)

    def people(self, them: Sequence[Person]) -> Sitters:
        """People at rest."""
        resting = [person.at_rest(self.job.expressions)[: len(self.axes)] for person in them]
        wanted = torch.from_numpy(np.array(resting, dtype=np.float32))
        return Sitters(torch.from_numpy(np.stack([person.latents for person in them])), wanted, None)

    def in_mood(self, sitters: Sitters, values: Mapping[str, float]) -> Sitters:
        """The same people in a mood, as far as the generator knows it."""
        for column, name in enumerate(self.axes):
            if name in values:
                sitters = sitters.asked(column, values[name])
        return sitters

    def pictures(self, sitters: Sitters) -> Picture:
        parts = []
        with torch.inference_mode(), one_thread():
            for rows in torch.arange(len(sitters)).split(TOGETHER):
                some = sitters.take(rows)
                parts.append(self.generator.picture(self.generator.mapping(some.latents, some.wanted)))
        images, maps, hair = zip(*((one.images, one.label_maps, one.hair) for one in parts), strict=True)
        return Picture(torch.cat(images).cpu(), torch.cat(maps).cpu(), torch.cat(hair).cpu())

    def photos(self, sitters: Sitters) -> Tensor:
        """Images uint8 [sitters, 3, rows, columns], with the population's defects where those are wanted."""
        images = self.pictures(sitters).images
        return spoil(images, sitters.draws) if self.job.spoilt and sitters.draws is not None else images

    def maps(self, sitters: Sitters) -> Tensor:
        """Label maps as colours, uint8 [sitters, 3, rows, columns]."""
        labels = self.pictures(sitters).label_maps
        return torch.tensor(PALETTE, dtype=torch.uint8)[labels.long()].permute(0, 3, 1, 2)


def write_sheets(job: ContactSheets) -> None:
    """Write the sheets and print where they are."""
    studio = Studio(job)
    for name in job.sheets:
        path = Path(job.output_dir) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        SHEETS[name](studio).save(path)
        print(path)


def people_sheet(studio: Studio) -> Image.Image:
    """Many people, each in a photo of her own."""
    return sheet(studio, studio.photos(studio.everybody()), [])


def label_maps_sheet(studio: Studio) -> Image.Image:
    """The maps of the same photos: exact ones of a drawing, a network's own of a network."""
    return sheet(studio, studio.maps(studio.everybody()), [])


def properties_sheet(studio: Studio) -> Image.Image:
    """One person with everything she can be asked for from one end of its range to the other."""
    shown = studio.generator.shown if isinstance(studio.generator, ShowsSome) else studio.axes
    her, steps = studio.her_alone(), studio.job.steps
    rows, names = [], []
    for column, (name, axis) in enumerate(studio.axes.items()):
        if name in shown:
            values = torch.tensor([axis.at(step / (steps - 1)) for step in range(steps)])
            rows.append(studio.photos(her.repeated(steps).asked(column, values)))
            names.append(f"{name}\n{axis}")
    return sheet(studio, torch.cat(rows), names, steps)


def twins_sheet(studio: Studio) -> Image.Image:
    """Two twins to each property, and three times the difference between them."""
    her = studio.her_alone()
    rows, names = [], []
    for column, (name, axis) in enumerate(studio.job.expressions.properties.items()):
        pair = her.repeated(2).asked(column, torch.tensor([axis.at(0.2), axis.at(0.8)]))
        photos = studio.photos(pair)
        difference = (photos[0].int() - photos[1].int()).abs().mul(3).clamp_max(255).byte()
        rows.append(torch.cat([photos, studio.maps(pair), difference[None]]))
        names.append(f"{name}\n{axis.at(0.2):.2f} | {axis.at(0.8):.2f}")
    return sheet(studio, torch.cat(rows), names, 5)


def moods_sheet(studio: Studio) -> Image.Image:
    """`face` and the next women in every mood."""
    moods = studio.job.expressions.moods
    people = studio.her_and_others(studio.job.columns)
    rows = [studio.photos(studio.in_mood(people, values)) for values in moods.values()]
    return sheet(studio, torch.cat(rows), list(moods), len(people))


def sheet(studio: Studio, photos: Tensor, names: Sequence[str], columns: int | None = None) -> Image.Image:
    """Photos in rows, one name before each row where there are names."""
    job = studio.job
    columns = columns or job.columns
    cell = photos.shape[-1] * job.zoom + GAP
    margin = MARGIN if names else 0
    rows = -(-len(photos) // columns)
    sheet = Image.new("RGB", (margin + columns * cell, HEADER + rows * cell), "white")
    draw = ImageDraw.Draw(sheet)
    whose = f", seed {job.seed}" if isinstance(job.person, DrawnPerson) else ", of a bank"
    face = f", face {job.face}" if names and job.face is not None else ""
    draw.text((4, 2), f"drawn faces{whose}{face}", fill="grey")
    for row, name in enumerate(names):
        draw.text((4, HEADER + row * cell + cell // 2 - 12), name, fill="black")
    for place, photo in enumerate(photos):
        picture = to_picture(photo).resize((cell - GAP, cell - GAP), Image.Resampling.NEAREST)
        sheet.paste(picture, (margin + place % columns * cell, HEADER + place // columns * cell))
    return sheet


SHEETS: dict[Sheet, Callable[[Studio], Image.Image]] = {
    "people": people_sheet,
    "properties": properties_sheet,
    "label_maps": label_maps_sheet,
    "twins": twins_sheet,
    "moods": moods_sheet,
}
