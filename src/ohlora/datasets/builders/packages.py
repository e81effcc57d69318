"""Files inside an archive below `data_dir`, read without unpacking it."""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ohlora.datasets.readers import DatasetUnavailable
from ohlora.errors import OhloraError
from ohlora.text import printable


def files_in(
    title: str, archive: Path, how: str, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the files of a .tgz or .zip whose name is wanted, in the archive's order.

    DatasetUnavailable where the archive is missing, `how` saying where it comes from; OhloraError where it
    is damaged.
    """
    if not archive.is_file():
        raise DatasetUnavailable(f"{title} need {printable(archive)}, which is not there: {how}")
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as file:
                yield from ((name, file.read(name)) for name in file.namelist() if wanted(name))
            return
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and wanted(member.name):
                    yield member.name, tar.extractfile(member).read()  # type: ignore[union-attr]
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise OhloraError(f"{printable(archive)} is damaged ({type(error).__name__}: {error})") from None


def npm_archive(data_dir: Path, package: str, version: str) -> tuple[Path, str]:
    """Where `npm pack` leaves a package, and how to say so."""
    stem = package.removeprefix("@").replace("/", "-")
    return data_dir / f"{stem}-{version}.tgz", f"run `npm pack {package}@{version}` in that folder"


def small_picture(content: bytes, mode: str, side: int, paper: int = 255) -> np.ndarray:
    """A picture file as uint8 [side, side] (mode L) or [side, side, 3] (RGB); what is clear shows paper."""
    picture = Image.open(io.BytesIO(content)).convert("RGBA")
    ground = Image.new("RGBA", picture.size, (paper, paper, paper, 255))
    return np.asarray(
        Image.alpha_composite(ground, picture).convert(mode).resize((side, side), Image.Resampling.BOX)
    )
