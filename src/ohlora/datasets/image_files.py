"""Image files as people keep them. The one place that finds them and decodes them.

For everything that reads pictures users bring (class folders, photos of faces, uploads):

- `find_images(folder)` lists the images below a folder: what Pillow reads, at any depth. Hidden files and
  folders and what systems leave behind (`.ipynb_checkpoints`, `__MACOSX`, `._*`, `Thumbs.db`) are no data.
  Links are followed; a file is listed once however many links lead to it. What was left out is counted.
- `read_image(file)` gives one picture as 8-bit RGB; it is `eight_bits(open_upright(file), ...)`.
- `open_upright(file)` gives it turned as its EXIF says, transparency laid over `GROUND`, the first frame of
  several; pictures deeper than 8 bits keep their values (mode I or F), because their scale belongs to the
  whole set: `full_scale(peak)` names it, `eight_bits(picture, scale)` applies it.

Raises UnreadableImage, and no other exception, for a file that is no image.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps

from ohlora.errors import OhloraError
from ohlora.text import printable

IMAGE_SUFFIXES = {
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".gif", ".bmp", ".dib", ".tif",
    ".tiff", ".avif", ".avifs", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".ppm", ".pgm", ".pbm",
    ".pnm", ".pfm", ".qoi", ".tga", ".ico", ".pcx", ".dds", ".psd", ".sgi",
}  # fmt: skip
# Pillow's names. Not all that it opens: EPS starts Ghostscript, others are stubs without a decoder.
FORMATS = (
    "PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PPM", "QOI", "TGA", "ICO", "PCX",
    "DDS", "PSD", "SGI",
)  # fmt: skip
SUFFIXES_SHOWN = ".png .jpg .webp .tif .bmp .gif ..."  # in messages
LEFT_BY_SYSTEMS = {
    "__macosx", "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir",
    "$recycle.bin", "system volume information", "lost+found",
}  # fmt: skip
# Mid-grey: an icon that is drawn in its alpha channel alone stays visible, be it black or white.
GROUND = (128, 128, 128)
BITS = (8, 10, 12, 14, 16, 24, 31)  # depths that cameras, scanners and scientists use


class UnreadableImage(OhloraError):
    """The file is no image, or not whole, or one that is not read; `why` goes behind its name."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} {why}")
        self.why = why


def path_of(given: object, what: str) -> Path:
    """A path that the caller of a function has given; OhloraError for something else."""
    if not isinstance(given, str | os.PathLike) or not os.fspath(given):
        raise OhloraError(f"{printable(repr(given))} is no path: name {what}")
    return Path(given).expanduser()


def is_there(path: Path) -> bool:
    """Whether something is called so; OhloraError where the system cannot look, as for a name too long."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # of a name with a NUL in it
        return False
    except OSError as error:
        raise OhloraError(f"{printable(path)}: {error.strerror}") from None
    return True


def check_folder(root: Path) -> None:
    """Raise OhloraError where there is no such folder of class folders, or where its name is not UTF-8."""
    if not is_there(root):
        raise OhloraError(f"{printable(root)}: no such folder")
    if not root.is_dir():
        raise OhloraError(f"{printable(root)} is a file; wanted: a folder with a folder of images a class")
    if not os.access(root, os.R_OK | os.X_OK):
        raise OhloraError(f"{printable(root)} may not be read (permission denied)")
    if foreign := not_utf8([root]):
        raise OhloraError(f"folders whose names are not UTF-8: {foreign[0]}; rename them")


def not_utf8(paths: Iterable[Path]) -> list[str]:
    """The paths that no text file can name, their odd bytes written out: Python has lone surrogates there."""
    names = [(str(path), str(path).encode("utf-8", "backslashreplace").decode()) for path in paths]
    return [escaped for name, escaped in names if escaped != name]


def is_leftover(name: str) -> bool:
    """Whether a file or folder of this name is hidden or a system's own, and so no data."""
    return name.startswith(".") or name.casefold() in LEFT_BY_SYSTEMS


@dataclass(frozen=True)
class FoundImages:
    """The image files below a folder, in order of their paths, and what else lies there."""

    images: list[Path]
    left_out: Counter[str]  # files of other suffixes
    dead: list[Path]  # links that lead nowhere, and what is neither a file nor a folder


def find_images(folder: Path, without: Collection[str] = ()) -> FoundImages:
    """Image files at any depth of `folder`; its subfolders named in `without` are not entered."""
    found = FoundImages([], Counter(), [])
    # Ancestors are never entered through a link: a class folder would swallow the others.
    entered = {folder.resolve(), *folder.resolve().parents}
    files: set[Path] = set()
    for path in walk(folder, entered, without):
        suffix = path.suffix.lower()
        if not path.is_file():
            found.dead.append(path)
        elif suffix not in IMAGE_SUFFIXES:
            found.left_out[suffix or "without suffix"] += 1
        elif (real := path.resolve()) not in files:
            files.add(real)
            found.images.append(path)
    found.images.sort(key=lambda path: path.parts)  # Windows would ignore capitals: another order
    return found


def walk(folder: Path, entered: set[Path], without: Collection[str] = ()) -> Iterator[Path]:
    """Files below `folder` that are data, each folder entered once, through links too."""
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if is_leftover(entry.name) or entry.name in without:
            continue
        if not entry.is_dir():
            yield entry
        elif (real := entry.resolve()) not in entered:
            entered.add(real)
            yield from walk(entry, entered)


def read_image(file: Path | IO[bytes], at_least: int | None = None) -> Image.Image:
    """One picture as 8-bit RGB; values deeper than that are scaled by the picture's own `full_scale`."""
    picture = open_upright(file, at_least)
    return picture if picture.mode == "RGB" else eight_bits(picture, full_scale(peak(picture), picture.mode))


def open_upright(file: Path | IO[bytes], at_least: int | None = None) -> Image.Image:
    """The picture, turned upright: 8-bit RGB, or mode I or F with its own values where it is deeper.

    A JPEG need not be decoded in full where `at_least` pixels a side are enough.
    """
    name = file.name if isinstance(file, Path) else "the upload"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large photos, odd palettes, torn EXIF: the pixels count
            with Image.open(file, formats=formats_here()) as image:
                if at_least:
                    image.draft("RGB", (at_least, at_least))
                return as_values(ImageOps.exif_transpose(image), name)
    except UnreadableImage:
        raise
    except PermissionError:
        raise UnreadableImage(name, "may not be read (permission denied)") from None
    except Image.DecompressionBombError as error:
        (size,) = re.findall(r"(\d+) pixels\)", str(error))
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise UnreadableImage(name, f"is too large ({int(size):,} pixels; up to {most:,} are read)") from None
    # Decoders given hostile bytes raise what they like: struct.error, IndexError, zlib.error, MemoryError ...
    except Exception as error:
        raise UnreadableImage(name, f"cannot be read as an image ({type(error).__name__})") from None


@cache
def formats_here() -> list[str]:
    """Those of FORMATS that this Pillow was built with."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def as_values(image: Image.Image, name: str) -> Image.Image:
    """RGB over the ground; or mode I or F where the pixels have more than 8 bits."""
    if image.mode == "F" or image.mode.startswith("I"):
        deep = image if image.mode == "F" else image.convert("I")
        low, high = deep.getextrema()
        if not (math.isfinite(float(low)) and np.isfinite(np.asarray(deep)).all()):  # type: ignore[arg-type]
            raise UnreadableImage(name, "has values that are not finite")
        if float(low) < 0:  # type: ignore[arg-type]
            why = f"has values below 0 ({low:g} to {high:g}); save it as 8 or 16 bits"
            raise UnreadableImage(name, why)
        return deep
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (*GROUND, 255)), image).convert("RGB")
    return image.convert("RGB")


def peak(picture: Image.Image) -> float:
    """The largest value of a picture in mode I or F."""
    return float(picture.getextrema()[1])  # type: ignore[arg-type]


def full_scale(largest: float, mode: str) -> float:
    """The value that becomes 255, of pictures in mode I or F whose largest value is this.

    Of whole numbers the greatest of the fewest bits that hold it (8, 10, 12, 14, 16, 24, 31): a 12-bit
    camera's 16-bit files are not nearly black. Of floats 1 where none is above it.
    """
    if mode == "F" and largest <= 1:
        return 1.0
    return next((2.0**bits - 1 for bits in BITS if largest < 2**bits), max(largest, 1.0))


def eight_bits(picture: Image.Image, scale: float) -> Image.Image:
    """A picture in mode I or F as 8-bit RGB, `scale` becoming 255."""
    values = np.asarray(picture, dtype=np.float64) * (255 / scale)
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).convert("RGB")
