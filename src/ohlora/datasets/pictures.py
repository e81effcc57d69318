"""A subset for human eyes: PNG folders and a contact sheet."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

from ohlora.datasets.image_files import is_leftover
from ohlora.datasets.lettering import write
from ohlora.datasets.subset import Subset
from ohlora.durable import replacing, write_json
from ohlora.errors import OhloraError
from ohlora.text import printable

SPLITS = ("train", "val", "test")
WHOSE = "subset.json"  # says which subset the pictures beside it are
NO_FILE_NAME = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')  # not on Windows
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
LONGEST = 200  # bytes of a folder's name; most file systems end at 255


def to_picture(image: Tensor) -> Image.Image:
    """A PIL image of a uint8 tensor [channels, height, width]."""
    array = image.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def folder_names(class_names: Sequence[str]) -> list[str]:
    """A folder name for each class, as near to it as every file system allows, no two alike.

    Names that differ in capitals or Unicode form only are one folder on Windows and macOS: numbered.
    """
    names: list[str] = []
    taken: set[str] = set()
    for class_name in class_names:
        name = NO_FILE_NAME.sub("_", unicodedata.normalize("NFC", class_name)).strip(" ").rstrip(".") or "_"
        if is_leftover(name) or RESERVED.fullmatch(name):  # hidden, or a device of Windows
            name = f"_{name}"
        name = name.encode("utf-8", "replace")[:LONGEST].decode("utf-8", "ignore").rstrip(" .")
        free, number = name, 1
        while free.casefold() in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free.casefold())
        names.append(free)
    return names


def save_images(subset: Subset, folder: Path, splits: Sequence[str] = SPLITS) -> Path:
    """Write the splits as `folder/<split>/<class>/0000.png`.

    Raises OhloraError where other pictures lie there: two subsets in one folder would be neither.
    """
    folder = folder.expanduser()
    whose = {**asdict(subset.recipe), "classes": list(subset.class_names), "images": len(subset.train)}
    if any((folder / split).exists() for split in SPLITS) and read_whose(folder) != whose:
        raise OhloraError(
            f"subset.save={printable(folder)} holds other pictures ({' '.join(SPLITS)}): name a new folder"
        )
    write_json(folder / WHOSE, whose)
    for name in splits:
        split = getattr(subset, name)
        for label, class_folder in enumerate(folder_names(subset.class_names)):
            place = folder / name / class_folder
            place.mkdir(parents=True, exist_ok=True)
            for i, row in enumerate((split.labels == label).nonzero().flatten().tolist()):
                to_picture(split.images[row]).save(place / f"{i:04d}.png")
    return folder


def read_whose(folder: Path) -> object:
    try:
        return json.loads((folder / WHOSE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def save_contact_sheet(subset: Subset, path: Path, per_class: int = 14) -> Path:
    """One PNG, a row a class: its name, its number of training images, the first of them."""
    _, height, width = subset.image_shape
    zoom = max(1, round(48 / max(height, width)))
    cell_h, cell_w = max(height * zoom, 26) + 4, width * zoom + 4
    margin = 150
    sheet = Image.new("RGB", (margin + per_class * cell_w, len(subset.class_names) * cell_h + 24), "white")
    draw = ImageDraw.Draw(sheet)
    recipe = subset.recipe
    title = f"{subset.title}  subset={recipe.family} seed={recipe.seed}  {len(subset.train)} images"
    write(draw, (6, 12), title, "black", most=sheet.width - 12, anchor="lm")
    for label, (name, count) in enumerate(zip(subset.class_names, subset.class_counts, strict=True)):
        top = 24 + label * cell_h
        write(draw, (6, top + cell_h // 2 - 8), printable(name), "black", most=margin - 12, anchor="lm")
        write(draw, (6, top + cell_h // 2 + 7), f"{count} images", "grey", size=11, anchor="lm")
        rows = (subset.train.labels == label).nonzero().flatten().tolist()[:per_class]
        for column, row in enumerate(rows):
            picture = to_picture(subset.train.images[row]).convert("RGB")
            picture = picture.resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
            sheet.paste(picture, (margin + column * cell_w, top))
    with replacing(path, f".part{path.suffix}") as part:
        sheet.save(part)
    return path
