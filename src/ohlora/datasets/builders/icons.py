"""Tabler's line icons by category, black on white: meaning rather than form, few images a class."""

from __future__ import annotations

import json
from pathlib import Path

from ohlora.datasets.builders.build import Arrays, divided
from ohlora.datasets.builders.packages import files_in, npm_archives, small_picture

VERSION = 1
TITLE = "icons"
CLASSES = (
    "System", "Devices", "Brand", "Design", "Arrows", "Map", "Document", "Letters", "Text", "Shapes",
)  # fmt: skip
SIDE = 32
PACKAGES = ("@tabler/icons@3.48.0", "@tabler/icons-png@3.48.0")


def build(data_dir: Path) -> tuple[Arrays, Arrays]:
    lists, pictures = npm_archives(TITLE, data_dir, *PACKAGES)
    (_, listing), *_ = files_in(lists, lambda name: name == "package/icons.json")
    category = {name: one["category"] for name, one in json.loads(listing).items()}
    found = []
    for path, content in files_in(pictures, lambda name: name.endswith(".png")):
        name = Path(path).stem
        if category.get(name) in CLASSES:
            found.append((name, small_picture(content, "L", SIDE), CLASSES.index(category[name])))
    return divided(found)
