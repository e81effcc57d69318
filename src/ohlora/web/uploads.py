"""A zip of images from a page, unpacked safely: nothing outside its folder, nor more than is allowed.

What is asked of a zip is asked before anything is unpacked, and all that is wrong is told at once. Whether
its images can be read, and are enough, datasets/folder.py says.
"""

from __future__ import annotations

import re
import stat
import struct
import unicodedata
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

from ohlora.datasets.image_files import IMAGE_SUFFIXES, formats_here, is_leftover
from ohlora.errors import Part
from ohlora.text import printable
from ohlora.web.phrases import Phrased

MB = 1_000_000
PIECE = 2**20  # bytes
DEEPEST = 8  # folders below each other
LONGEST = 200  # bytes of a name; most file systems end at 255
SHOWN = 3  # names in a message
NAME_BYTES = 1024  # of the directory at a zip's end, an image; 46 and two copies of the name are usual
FIRST_ENTRY = b"PK\x03\x04"  # how a zip begins
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
# What zipfile raises, and names that only this machine's file system takes for one.
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError),
    *(FileExistsError, NotADirectoryError),
)
NO_NAME = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f]')  # on Windows; of these \ leads elsewhere
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class UploadLimits:
    """How much a page may send."""

    unpacked_mb: int  # of all images together
    images: int
    megapixels: int  # of one image


def unpack(archive: Path, folder: Path, limits: UploadLimits) -> Path:
    """Unpack the images of a zip below `folder`; return the folder of class folders.

    Raises Phrased with all that is wrong. `folder` is new; what is in it then, if anything, is to be
    deleted.
    """
    check_directory(archive, limits)
    try:
        with zipfile.ZipFile(archive, metadata_encoding=name_encoding(archive)) as opened:
            entries = images_of(opened, limits)
            folder.mkdir(parents=True)
            written = 0
            for entry in entries:
                written += extract(opened, entry, folder, limits.unpacked_mb * MB - written)
    except DAMAGED:
        raise Phrased(("zip_damaged", {})) from None
    except UnicodeDecodeError:
        raise Phrased(("zip_names", {})) from None
    check_sizes([folder / name_of(entry) for entry in entries], folder, limits)
    return below_single_folder(folder)


def check_directory(archive: Path, limits: UploadLimits) -> None:
    """The size of the directory at the end, before it is read whole: millions of names are memory, too."""
    with archive.open("rb") as file:
        begins = file.read(len(FIRST_ENTRY))
        size = file.seek(0, 2)
        file.seek(max(0, size - 22 - 65_535))  # the end record and the longest comment behind it
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        raise Phrased(("zip_damaged" if begins == FIRST_ENTRY else "zip_none", {}))
    entries, directory_bytes = struct.unpack_from("<HL", tail, at + 10)
    if directory_bytes > limits.images * NAME_BYTES or entries == 0xFFFF > limits.images:
        raise Phrased(("zip_files", {"most": limits.images}))


def name_encoding(archive: Path) -> str:
    """How names are written where no flag says UTF-8: some write that all the same, Korean Windows CP949."""
    with zipfile.ZipFile(archive) as opened:
        names = [one.orig_filename.encode("cp437") for one in opened.infolist() if not one.flag_bits & 0x800]
    for encoding in ("utf-8", "cp949"):
        try:
            b"\n".join(names).decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "cp437"


def images_of(opened: zipfile.ZipFile, limits: UploadLimits) -> list[zipfile.ZipInfo]:
    """The entries that are images by their names; Phrased with every fault of any entry."""
    entries = [entry for entry in opened.infolist() if not entry.is_dir()]
    faults: list[Part] = []

    def fault(what: str, which: list[zipfile.ZipInfo]) -> None:
        if which:
            faults.append((what, {"names": some([entry.filename for entry in which])}))

    fault("zip_slip", [entry for entry in entries if leads_out(entry.filename)])
    fault("zip_links", [entry for entry in entries if not is_plain(entry)])
    fault("zip_encrypted", [entry for entry in entries if entry.flag_bits & 0x1])
    images = [entry for entry in entries if is_image(entry.filename)]
    fault("zip_bad_names", [entry for entry in images if not can_be_written(entry.filename)])
    fault("zip_packed", [entry for entry in images if entry.compress_type not in METHODS])
    fault("zip_twice", clashing(images))
    total = sum(entry.file_size for entry in images)
    if total > limits.unpacked_mb * MB:
        faults.append(("zip_unpacked", {"mb": f"{total / MB:,.0f}", "most": limits.unpacked_mb}))
    if len(images) > limits.images:
        faults.append(("zip_images", {"images": len(images), "most": limits.images}))
    if not images and not faults:
        faults.append(("no_images", {}))
    if faults:
        raise Phrased(*faults)
    return images


def clashing(entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """Those whose name, or that of a folder on the way, is one with another name on some system."""
    taken: dict[str, str] = {}  # how a file, or a folder with a / behind it, was spelled first
    found = []
    for entry in entries:
        file = name_of(entry)
        folders = [f"{folder.as_posix()}/" for folder in PurePosixPath(file).parents[:-1]]
        alike = [taken.setdefault(spelled_alike(folder), folder) == folder for folder in folders]
        if spelled_alike(file) in taken or not all(alike):
            found.append(entry)
        taken.setdefault(spelled_alike(file), file)
    return found


def spelled_alike(place: str) -> str:
    """What names have in common that are one on Windows or macOS, a file's and a folder's alike."""
    return unicodedata.normalize("NFC", place.rstrip("/")).casefold()


def some(names: list[str]) -> str:
    """The first few names, fit to be shown."""
    shown = ", ".join(printable(name, 60) for name in names[:SHOWN])
    return f"{shown}{' …' * (len(names) > SHOWN)}"


def leads_out(name: str) -> bool:
    """Whether a name, on any system, is another place than one below the folder ("zip slip")."""
    parts = re.split(r"[/\\]", name)
    return not name or name[0] in "/\\" or ".." in parts or bool(re.match(r"[A-Za-z]:", name)) or "\0" in name


def is_plain(entry: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return kind in (0, stat.S_IFREG)


def is_image(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES and not any(map(is_leftover, parts))


def can_be_written(name: str) -> bool:
    """Whether every file system takes it."""
    parts = PurePosixPath(name).parts
    return len(parts) <= DEEPEST and all(
        len(part.encode("utf-8", "replace")) <= LONGEST
        and not NO_NAME.search(part)
        and not RESERVED.fullmatch(part)
        and part == part.rstrip(" .")
        for part in parts
    )


def name_of(entry: zipfile.ZipInfo) -> str:
    return PurePosixPath(entry.filename).as_posix()


def extract(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, room: int) -> int:
    """Write one file, of at most `room` bytes whatever the zip says of it; return its size."""
    place = folder / name_of(entry)
    place.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with opened.open(entry) as source, place.open("xb") as target:
        while piece := source.read(PIECE):
            size += len(piece)
            if size > room:
                raise Phrased(("zip_more", {}))
            target.write(piece)
    return size


def check_sizes(paths: list[Path], folder: Path, limits: UploadLimits) -> None:
    """Images that say they are larger than is allowed, by their first bytes; what is none is told later."""
    large = []
    for path in paths:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(path, formats=formats_here()) as image:
                    pixels = image.width * image.height
        except Exception as error:  # decoders given hostile bytes raise what they like
            pixels = 0 if "bomb" not in type(error).__name__.lower() else limits.megapixels * MB + 1
        if pixels > limits.megapixels * MB:
            large.append(path.relative_to(folder).as_posix())
    if large:
        raise Phrased(("zip_large", {"most": limits.megapixels, "names": some(large)}))


def below_single_folder(folder: Path) -> Path:
    """Into the one folder that holds all others, as a zip of a folder has it."""
    while True:
        inside = list(folder.iterdir())
        if len(inside) != 1 or not inside[0].is_dir() or not any(one.is_dir() for one in inside[0].iterdir()):
            return folder
        folder = inside[0]
