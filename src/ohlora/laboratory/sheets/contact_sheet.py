"""Look at faces: python -m ohlora contact-sheet face=7 renderer.resolution=128."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ohlora.face.drawing.population import Draws

SHEETS = ("people", "properties", "label_maps", "twins", "moods")
MARGIN, HEADER, GAP = 118, 16, 2  # pixels, around what is shown


@dataclass(frozen=True)
class ContactSheets:
    """Write each of `sheets` as a PNG."""

    renderer: Any
    population: Any
    moods: Mapping[str, Mapping[str, float]]
    sheets: Sequence[str]
    seed: int
    face: int
    people: int
    columns: int
    steps: int
    women: bool
    spoilt: bool
    zoom: int
    output_dir: str

    def run(self) -> None:
        """Write the sheets and print where they are."""
        from pathlib import Path

        self.check()
        for name in self.sheets:
            path = Path(self.output_dir) / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            getattr(self, f"{name}_sheet")().save(path)
            print(path)

    def check(self) -> None:
        """Every setting that cannot be shown, at once."""
        from ohlora.errors import OhloraError, nearest

        faults = [
            f"sheets={name} is not one of {' | '.join(SHEETS)}{nearest(name, SHEETS)}"
            for name in self.sheets
            if name not in SHEETS
        ]
        faults += [
            f"{name}={value} is not a whole number from {low} to {high}"
            for name, value, low, high in (
                ("seed", self.seed, 0, 2**31 - 1),
                ("face", self.face, 0, 2**31 - 1),
                ("people", self.people, 1, 10_000),
                ("columns", self.columns, 1, 100),
                ("steps", self.steps, 2, 100),
                ("zoom", self.zoom, 1, 16),
            )
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high
        ]
        for mood, values in self.moods.items():
            for name, value in values.items():
                axis = self.renderer.properties.get(name)
                if axis and (fault := axis.fault(value)):
                    faults.append(f"moods.{mood}.{name}{fault}")
        if faults:
            raise OhloraError("; ".join(faults))

    def people_sheet(self) -> Image:
        """Many people, each in a photo of her own."""
        return self.sheet(self.photos(self.everybody()), [])

    def label_maps_sheet(self) -> Image:
        """The exact maps of the same photos."""
        return self.sheet(self.maps(self.everybody()), [])

    def properties_sheet(self) -> Image:
        """One person with every property from one end of its range to the other."""
        import torch

        rows, names = [], []
        for column, (name, axis) in enumerate(self.renderer.properties.items()):
            values = torch.tensor([axis.at(step / (self.steps - 1)) for step in range(self.steps)])
            rows.append(self.photos(self.repeated(self.steps).with_property(column, values)))
            names.append(f"{name}\n{axis}")
        return self.sheet(torch.cat(rows), names, self.steps)

    def twins_sheet(self) -> Image:
        """Two twins to each property, and three times the difference between them."""
        import torch

        from ohlora.laboratory.sources.twins import twin

        rows, names = [], []
        for name, axis in self.renderer.properties.items():
            pair = twin(
                self.repeated(2), self.renderer.properties, name, torch.tensor([axis.at(0.2), axis.at(0.8)])
            )
            photos = self.photos(pair)
            difference = (photos[0].int() - photos[1].int()).abs().mul(3).clamp_max(255).byte()
            rows.append(torch.cat([photos, self.maps(pair), difference[None]]))
            names.append(f"{name}\n{axis.at(0.2):.2f} | {axis.at(0.8):.2f}")
        return self.sheet(torch.cat(rows), names, 5)

    def moods_sheet(self) -> Image:
        """`face` and the next women in every mood."""
        import torch

        indices = self.population.indices(self.seed, self.columns - 1, women=True, first=self.face + 1)
        people = self.population.sample(self.seed, [self.face, *indices.tolist()])
        rows = [self.photos(self.in_mood(people, values)) for values in self.moods.values()]
        return self.sheet(torch.cat(rows), list(self.moods), self.columns)

    def everybody(self) -> Draws:
        indices = self.population.indices(self.seed, self.people, women=self.women)
        return self.population.sample(self.seed, indices)

    def repeated(self, count: int) -> Draws:
        """The same photo of `face` some times, in the first mood of conf."""
        import torch

        draws = self.population.sample(self.seed, [self.face]).take(torch.zeros(count, dtype=torch.long))
        return self.in_mood(draws, next(iter(self.moods.values())))

    def in_mood(self, draws: Draws, values: Mapping[str, float]) -> Draws:
        for column, name in enumerate(self.renderer.properties):
            if name in values:
                draws = draws.with_property(column, values[name])
        return draws

    def photos(self, draws: Draws) -> Tensor:
        from ohlora.laboratory.sources.faces import render

        if self.spoilt:
            return render(self.renderer, draws).images
        return self.renderer.picture(self.renderer.mapping(draws.latents, draws.properties)).images

    def maps(self, draws: Draws) -> Tensor:
        """Label maps as colours, uint8 [faces, 3, rows, columns]."""
        import torch

        from ohlora.face.drawing.classes import PALETTE

        labels = self.renderer.picture(self.renderer.mapping(draws.latents, draws.properties)).label_maps
        return torch.tensor(PALETTE, dtype=torch.uint8)[labels.long().cpu()].permute(0, 3, 1, 2)

    def sheet(self, photos: Tensor, names: Sequence[str], columns: int | None = None) -> Image:
        """Photos in rows, one name before each row where there are names."""
        from PIL import Image, ImageDraw

        from ohlora.datasets.pictures import to_picture

        columns = columns or self.columns
        cell = photos.shape[-1] * self.zoom + GAP
        margin = MARGIN if names else 0
        rows = -(-len(photos) // columns)
        sheet = Image.new("RGB", (margin + columns * cell, HEADER + rows * cell), "white")
        draw = ImageDraw.Draw(sheet)
        draw.text(
            (4, 2),
            f"rendered faces, seed {self.seed}" + (f", face {self.face}" if names else ""),
            fill="grey",
        )
        for row, name in enumerate(names):
            draw.text((4, HEADER + row * cell + cell // 2 - 12), name, fill="black")
        for place, photo in enumerate(photos.cpu()):
            picture = to_picture(photo).resize((cell - GAP, cell - GAP), Image.Resampling.NEAREST)
            sheet.paste(picture, (margin + place % columns * cell, HEADER + place // columns * cell))
        return sheet
