"""Twitter's emoji by Unicode category, in colour: meaning rather than form, few images a class."""

from __future__ import annotations

import json
from pathlib import Path

from ohlora.datasets.builders.build import Arrays, divided
from ohlora.datasets.builders.packages import files_in, npm_archives, small_picture

VERSION = 1
TITLE = "emoji"
CLASSES = (
    "Smileys & Emotion", "People & Body", "Animals & Nature", "Food & Drink", "Travel & Places", "Activities",
    "Objects", "Symbols", "Flags",
)  # fmt: skip
SIDE = 48
PACKAGE = "emoji-datasource-twitter@16.0.0"


def build(data_dir: Path) -> tuple[Arrays, Arrays]:
    (archive,) = npm_archives(TITLE, data_dir, PACKAGE)

    def wanted(name: str) -> bool:
        return name == "package/emoji.json" or name.startswith("package/img/twitter/64/")

    files = dict(files_in(archive, wanted))
    found = []
    for one in json.loads(files["package/emoji.json"]):
        # Skin tones of one emoji are one emoji: all of them in training, or all in test.
        for form in (one, *one.get("skin_variations", {}).values()):
            content = files.get(f"package/img/twitter/64/{form['image']}")
            if content and one["category"] in CLASSES:
                label = CLASSES.index(one["category"])
                found.append((one["short_name"], small_picture(content, "RGB", SIDE), label))
    return divided(found)
