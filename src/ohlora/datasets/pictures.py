"""A subset for human eyes: PNG folders and a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

from ohlora.datasets.subset import Subset


def to_picture(image: Tensor) -> Image.Image:
    """A PIL image of a uint8 tensor [channels, height, width]."""
    array = image.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def save_images(subset: Subset, folder: Path, splits: Sequence[str] = ("train", "val", "test")) -> Path:
    """Write splits as `folder/<split>/<class>/0000.png`."""
    for name in splits:
        split = getattr(subset, name)
        for label, class_name in enumerate(subset.class_names):
            place = folder / name / "".join(c if c.isalnum() else "_" for c in class_name)
            place.mkdir(parents=True, exist_ok=True)
            for i, row in enumerate((split.labels == label).nonzero().flatten().tolist()):
                to_picture(split.images[row]).save(place / f"{i:04d}.png")
    return folder


def save_contact_sheet(subset: Subset, path: Path, per_class: int = 14) -> Path:
    """One PNG, a row a class: its name, its number of training images, the first of them."""
    _, height, width = subset.image_shape
    zoom = max(1, round(48 / max(height, width)))
    cell_h, cell_w = height * zoom + 4, width * zoom + 4
    margin = 150
    sheet = Image.new("RGB", (margin + per_class * cell_w, len(subset.class_names) * cell_h + 24), "white")
    draw = ImageDraw.Draw(sheet)
    recipe = subset.recipe
    draw.text(
        (6, 6),
        f"{subset.title}  subset={recipe.family} seed={recipe.seed}  {len(subset.train)} images",
        fill="black",
    )
    for label, (name, count) in enumerate(zip(subset.class_names, subset.class_counts, strict=True)):
        top = 24 + label * cell_h
        draw.text((6, top + cell_h // 2 - 12), name[:22], fill="black")
        draw.text((6, top + cell_h // 2), f"{count} images", fill="grey")
        rows = (subset.train.labels == label).nonzero().flatten().tolist()[:per_class]
        for column, row in enumerate(rows):
            picture = to_picture(subset.train.images[row]).convert("RGB")
            picture = picture.resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
            sheet.paste(picture, (margin + column * cell_w, top))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return path
