"""See that a folder of photos is read rightly: python -m ohlora photo-sheet dataset.root=my_photos."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image, ImageDraw

from ohlora.datasets.pictures import to_picture
from ohlora.face.drawing.classes import PALETTE
from ohlora.face.drawing.generator import to_network
from ohlora.laboratory.measures.scores import SOFT_SCORES, one_hot, soft_scores
from ohlora.laboratory.sheets.jobs import PhotoSheet
from ohlora.laboratory.sources.photos import PhotoPart

CAPTION = 26  # pixels below a photo


def write_sheet(job: PhotoSheet) -> None:
    """Read the photos, print what was found, write the sheet."""
    source = job.dataset
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
    part = PhotoPart(source, "", torch.arange(min(job.shown, len(source.photos))))
    tell_yaw(part)
    path = Path(job.output_dir) / "photos.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet(job, part).save(path)
    print(path)


def tell_yaw(part: PhotoPart) -> None:
    """Whether the set's yaw and the nose's place in the map turn the same way."""
    yaw = part.label("yaw")
    faces = part.whole()
    if yaw is None or faces.label_maps is None or len(part) < 3:
        return
    scored = soft_scores(one_hot(faces.label_maps), to_network(faces.images))[:, SOFT_SCORES.index("yaw")]
    known = ~yaw.isnan()
    pair = torch.stack([part.source.yaw_sign * yaw[known], scored[known]])
    print(f"  yaw of the pose file with the nose's offset: r = {float(torch.corrcoef(pair)[0, 1]):.2f}")


def sheet(job: PhotoSheet, part: PhotoPart) -> Image.Image:
    """Each photo with its map on its right, and its name, split, gender and quality below."""
    faces, source = part.whole(), part.source
    side = source.resolution * job.zoom
    width, height = 2 * side + 6, side + CAPTION
    rows = -(-len(part) // job.columns)
    sheet = Image.new("RGB", (min(job.columns, len(part)) * width, rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    colours = torch.tensor(PALETTE, dtype=torch.uint8)
    for place in range(len(part)):
        left, top = place % job.columns * width, place // job.columns * height
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
