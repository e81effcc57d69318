"""See that a folder of photos is read rightly: python -m ohlora photo-sheet dataset.root=my_photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

    from ohlora.laboratory.sources.photos import PhotoPart

CAPTION = 26  # pixels below a photo


@dataclass(frozen=True)
class PhotoSheet:
    """Write photos beside their label maps as a PNG, and tell what is known of them."""

    dataset: Any
    shown: int
    columns: int
    zoom: int
    output_dir: str

    def run(self) -> None:
        """Read the photos, print what was found, write the sheet."""
        from pathlib import Path

        import torch

        from ohlora.errors import OhloraError
        from ohlora.laboratory.sources.photos import PhotoFaces, PhotoPart

        source = self.dataset
        if not isinstance(source, PhotoFaces):
            raise OhloraError("dataset is not one of faces_folder | faces_ffhq | faces_celebamask")
        faults = [
            f"{name}={value} is not a whole number from 1 to {high}"
            for name, value, high in (
                ("shown", self.shown, 1000),
                ("columns", self.columns, 100),
                ("zoom", self.zoom, 16),
            )
            if type(value) is not int or not 1 <= value <= high
        ]
        if faults:
            raise OhloraError("; ".join(faults))
        counts = source.split_of.bincount(minlength=len(source.splits)).tolist()
        print(
            f"{len(source.pixels)} photos: "
            + ", ".join(f"{n} {name}" for name, n in zip(source.splits, counts, strict=True))
        )
        for name, origin in source.provenance.items():
            print(f"  {name}: {origin}")
        if source.provenance["label_maps"] == "missing":
            print("  without label maps no segmenter can be trained; one trained on renders fails on photos:")
            print("  use dataset=faces_celebamask, or give dataset.parser a pretrained one")
        part = PhotoPart(source, "", torch.arange(min(self.shown, len(source.photos))))
        self.tell_yaw(part)
        path = Path(self.output_dir) / "photos.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.sheet(part).save(path)
        print(path)

    def tell_yaw(self, part: PhotoPart) -> None:
        """Whether the set's yaw and the nose's place in the map turn the same way."""
        import torch

        from ohlora.face.drawing.generator import to_network
        from ohlora.laboratory.measures.scores import SOFT_SCORES, one_hot, soft_scores

        yaw = part.told("yaw")
        faces = part.whole()
        if yaw is None or faces.label_maps is None or len(part) < 3:
            return
        scored = soft_scores(one_hot(faces.label_maps), to_network(faces.images))[:, SOFT_SCORES.index("yaw")]
        known = ~yaw.isnan()
        pair = torch.stack([part.source.yaw_sign * yaw[known], scored[known]])
        print(f"  yaw of the pose file with the nose's offset: r = {float(torch.corrcoef(pair)[0, 1]):.2f}")

    def sheet(self, part: PhotoPart) -> Image:
        """Each photo with its map on its right, and its name, split, gender and quality below."""
        import torch
        from PIL import Image, ImageDraw

        from ohlora.datasets.pictures import to_picture
        from ohlora.face.drawing.classes import PALETTE

        faces, source = part.whole(), part.source
        side = source.resolution * self.zoom
        width, height = 2 * side + 6, side + CAPTION
        rows = -(-len(part) // self.columns)
        sheet = Image.new("RGB", (min(self.columns, len(part)) * width, rows * height), "white")
        draw = ImageDraw.Draw(sheet)
        colours = torch.tensor(PALETTE, dtype=torch.uint8)
        for place in range(len(part)):
            left, top = place % self.columns * width, place // self.columns * height
            pictures = [faces.images[place]]
            if faces.label_maps is not None:
                pictures.append(colours[faces.label_maps[place].long()].permute(2, 0, 1))
            for column, picture in enumerate(pictures):
                shown = to_picture(picture).resize((side, side), Image.Resampling.NEAREST)
                sheet.paste(shown, (left + column * side, top))
            split = list(source.splits)[int(source.split_of[place])]
            known = [
                f"{name[0]} {values[place]:.1f}"
                for name, values in (("gender", faces.gender), ("quality", faces.quality))
                if values is not None
            ]
            caption = f"{source.photos[place].name[-14:]}\n{' '.join([split, *known])}"
            draw.multiline_text((left + 2, top + side), caption, fill="black", font_size=10, spacing=1)
        return sheet
