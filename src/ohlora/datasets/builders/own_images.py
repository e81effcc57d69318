"""Class folders in a zip, as people keep their own images."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ohlora.datasets.builders.build import Arrays, divided
from ohlora.datasets.builders.packages import files_in, require, small_picture

SUFFIXES = (".png", ".jpg")


def divided_zip(
    title: str, classes: tuple[str, ...], archive: Path, mode: str, side: int
) -> tuple[Arrays, Arrays]:
    """`archive/<folder>/<class>/<image>` as training and test images."""
    require(title, [archive], "it comes with this project's own test data")
    found = []
    for name, content in files_in(archive, lambda name: name.endswith(SUFFIXES)):
        label = classes.index(PurePosixPath(name).parent.name)
        found.append((name, small_picture(content, mode, side), label))
    return divided(found)
