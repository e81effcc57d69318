"""A folder of class folders, as people keep their images -> a dataset.

`root/<class>/**/image`, or `root/train/<class>/...` with test and val folders beside it. What is wrong is
refused with every fault at once; what was left out or looks odd is said in one line each.
"""

from __future__ import annotations

import hashlib
import logging
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ohlora.datasets.image_files import (
    IMAGE_SUFFIXES,
    SUFFIXES_SHOWN,
    UnreadableImage,
    eight_bits,
    find_images,
    full_scale,
    is_leftover,
    is_there,
    not_utf8,
    open_upright,
    peak,
)
from ohlora.datasets.images import ImageData, Note, Split, stratified_halves
from ohlora.datasets.readers import Folder
from ohlora.datasets.split_names import Layout, children, find_layout
from ohlora.errors import OhloraError, joined
from ohlora.processes import is_main
from ohlora.progress import progress
from ohlora.text import counted, printable

log = logging.getLogger(__name__)

SHOWN = 5  # names in a message
FLAT = 8  # of 255: a picture whose channels vary by less shows nothing
LEAST = 3  # images of a class: one each to learn from, to validate and to test on


@dataclass(frozen=True)
class FolderData(ImageData):
    """Images of a folder, and what is needed to read further ones like them."""

    test_files: tuple[Path, ...] = ()  # below the folder, a row of `test` each
    scales: Mapping[str, float] = field(default_factory=dict)  # Pillow's mode -> the value that became white


def load_folder(reader: Folder) -> FolderData:
    """Read every image, squashed to `image_size` square; grey only if all of them are.

    Without a test folder a fifth of each class is held out; without test but with val, val is the test.
    """
    if not reader.root:
        raise OhloraError("dataset=folder needs dataset.root=DIR, a directory of class folders")
    root = Path(reader.root).expanduser()
    if not (is_there(root) and root.is_dir()):
        raise OhloraError(f"dataset.root={printable(reader.root)} is not a directory")
    layout = find_layout(root)
    notes = list(layout.notes)
    faults: list[OhloraError] = []
    classes, listings = list_images(root, layout, faults, notes)
    allowed = f" (allowed: one folder a class, image files such as {SUFFIXES_SHOWN})" if faults else ""
    squares, peaks = read_all(root, listings, reader.image_size, faults)
    if faults:
        raise joined(faults, f"{printable(root)}: ", allowed)
    images, scales = scaled(squares, peaks, notes)
    data = assemble(root, classes, listings, images, scales, notes)
    if is_main():
        for note in notes:
            log.warning("%s: %s", printable(root.name), note.text)
    return data


@dataclass
class Listing:
    """The image files of one split folder, in order, and the class of each."""

    paths: list[Path] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)


def some(names: Iterable[object]) -> str:
    """The first few names."""
    listed = [printable(name) for name in names]
    return f"{', '.join(listed[:SHOWN])}{' …' * (len(listed) > SHOWN)}"


def fault(what: str, key: str, names: str) -> OhloraError:
    """What is wrong with some names, in English and by the key of a page's phrase."""
    return OhloraError(f"{what}: {names}", (key, {"names": names}))


def list_images(
    root: Path, layout: Layout, faults: list[OhloraError], notes: list[Note]
) -> tuple[list[str], dict[str, Listing]]:
    """Class names, and the image files of each split; what is wrong with them goes to `faults`."""
    found = {role: list_classes(root, folder, faults, notes) for role, folder in layout.folders.items()}
    classes = sorted(found["train"])
    for role, of_class in found.items():
        check_classes(role, classes, of_class, faults)
    check_counts(layout, found, faults)
    listings = {}
    for role, of_class in found.items():
        listings[role] = listing = Listing()
        for label, name in enumerate(classes):
            listing.paths += of_class.get(name, [])
            listing.labels += [label] * len(of_class.get(name, []))
    return classes, listings


def list_classes(
    root: Path, folder: Path, faults: list[OhloraError], notes: list[Note]
) -> dict[str, list[Path]]:
    """Image files by class. A class is named in one Unicode form: NFC, whichever system wrote the folder."""
    of_class: dict[str, list[Path]] = {}
    twice, foreign, closed = [], [], []
    for path in children(folder):
        name = unicodedata.normalize("NFC", path.name)
        if odd := not_utf8([Path(path.name)]):
            foreign += odd
            continue
        if name in of_class:
            twice.append(name)
        try:
            found = find_images(path)
        except PermissionError as error:
            closed.append(Path(error.filename).relative_to(root))
            continue
        foreign += not_utf8(image.relative_to(folder) for image in found.images)
        of_class.setdefault(name, []).extend(found.images)
        if found.dead:
            dead = some(path.relative_to(root) for path in found.dead)
            faults.append(fault("links that lead nowhere, or no files", "folder_dead", dead))
        if left := found.left_out.total():
            kinds = ", ".join(f"{printable(suffix)} {n}" for suffix, n in found.left_out.most_common(SHOWN))
            left_out = f"{counted(left, 'file')} in {printable(name)} left out, no images by suffix: {kinds}"
            notes.append(Note(left_out, ("note_left_out", {"name": printable(name), "kinds": kinds})))
    loose = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not is_leftover(p.name)]
    if loose and of_class:
        names = some(p.name for p in loose)
        left_out = f"{counted(len(loose), 'image')} in no class folder left out: {names}"
        notes.append(Note(left_out, ("note_loose", {"n": len(loose), "names": names})))
    if twice:
        faults.append(
            fault("class folders of one name in two Unicode spellings", "folder_twice", some(twice))
        )
    if closed:
        faults.append(fault("folders that may not be read", "folder_unreadable", some(closed)))
    if foreign:
        part = ("folder_foreign", {"names": some(foreign)})
        message = f"class folders or images whose names are not UTF-8: {some(foreign)}; rename them"
        faults.append(OhloraError(message, part))
    return of_class


def check_classes(
    role: str, classes: list[str], of_class: Mapping[str, list[Path]], faults: list[OhloraError]
) -> None:
    """The classes of each split are those of train, and have images."""
    filled = [name for name, paths in of_class.items() if paths]
    empty = [name for name in classes if not of_class.get(name)]
    if role == "train":
        if len(filled) < 2:
            few = f"{counted(len(filled), 'class folder')} with images; two or more are needed"
            faults.append(OhloraError(few, ("folder_classes", {"n": len(filled)})))
        if empty:
            faults.append(fault("no images in", "folder_empty", some(empty)))
        return
    if strangers := [name for name in filled if name not in classes]:
        faults.append(fault(f"classes in {role} but not in train", "folder_strangers", some(strangers)))
    if role == "val" and not filled:
        faults.append(OhloraError("val has no images", ("folder_unvalidated", {})))
    if empty and role == "test":
        faults.append(fault("test has no images of", "folder_untested", some(empty)))


def check_counts(
    layout: Layout, found: Mapping[str, Mapping[str, list[Path]]], faults: list[OhloraError]
) -> None:
    """Every class has something to learn from, to validate on and to test on."""
    least = LEAST if layout.test is None else LEAST - 1 if layout.val is None else 1
    few = {name: len(paths) for name, paths in found["train"].items() if 0 < len(paths) < least}
    if few:
        named = some(f"{name} {n}" for name, n in few.items())
        part = ("folder_few", {"least": least, "names": named})
        faults.append(OhloraError(f"classes with fewer than {least} images to learn from: {named}", part))


def read_all(
    root: Path, listings: Mapping[str, Listing], image_size: int, faults: list[OhloraError]
) -> tuple[dict[str, list[Image.Image]], dict[str, list[float]]]:
    """The images of each split, squashed, and the largest values of deeper ones by their mode."""
    pictures: dict[str, list[Image.Image]] = {}
    broken, peaks = [], dict[str, list[float]]()
    total = sum(len(listing.paths) for listing in listings.values())
    with progress(total, f"reading {printable(root.name)}") as advance:
        for role, listing in listings.items():
            pictures[role] = []
            for path in listing.paths:
                try:
                    picture = open_upright(path)
                except UnreadableImage as error:
                    broken.append((path.relative_to(root).as_posix(), error.why))
                    continue
                finally:
                    advance()
                if picture.mode != "RGB":
                    peaks.setdefault(picture.mode, []).append(peak(picture))
                square = picture.resize((image_size, image_size), Image.Resampling.BILINEAR)
                pictures[role].append(square)
    faults += unreadable(broken)
    return pictures, peaks


def scaled(
    pictures: Mapping[str, list[Image.Image]], peaks: Mapping[str, list[float]], notes: list[Note]
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The images of each split, uint8 [n, 3, height, width]; what became white of deeper ones."""
    scales = {mode: full_scale(max(values), mode) for mode, values in peaks.items()}
    for mode, values in peaks.items():
        white = f"{scales[mode]:g}"
        deep = f"{counted(len(values), 'picture')} deeper than 8 bits: {white} becomes white"
        notes.append(Note(deep, ("note_deep", {"n": len(values), "white": white})))
    arrays = {
        role: np.stack([pixels(picture, scales) for picture in squares]) for role, squares in pictures.items()
    }
    return arrays, scales


def unreadable(broken: list[tuple[str, str]]) -> list[OhloraError]:
    """The files that cannot be read, and why where that is not that they are no images."""
    plain = [name for name, why in broken if why.startswith("cannot be read")]
    faults = []
    if plain:
        what = f"{counted(len(plain), 'file')} cannot be read as images"
        faults.append(fault(what, "folder_unreadable", some(plain)))
    for key, valued in (("folder_unreadable", False), ("folder_values", True)):
        rest = [(name, why) for name, why in broken if name not in plain]
        if of_kind := [(name, why) for name, why in rest if why.startswith("has values") == valued]:
            why = some(f"{name} {why}" for name, why in of_kind)
            faults.append(OhloraError(why, (key, {"names": some(name for name, _ in of_kind)})))
    return faults


def pixels(picture: Image.Image, scales: Mapping[str, float]) -> np.ndarray:
    """uint8 [3, height, width]."""
    rgb = picture if picture.mode == "RGB" else eight_bits(picture, scales[picture.mode])
    return np.asarray(rgb).transpose(2, 0, 1)


def assemble(
    root: Path,
    classes: list[str],
    listings: Mapping[str, Listing],
    images: Mapping[str, np.ndarray],
    scales: Mapping[str, float],
    notes: list[Note],
) -> FolderData:
    """The dataset, and notes on pictures that stand on both sides or show nothing."""
    grey = all(bool((array == array[:, :1]).all()) for array in images.values())
    kept = slice(0, 1) if grey else slice(None)

    def together(*roles: str) -> tuple[Split, list[Path]]:
        there = [role for role in roles if role in listings]
        array = np.concatenate([images[role][:, kept] for role in there])
        labels = np.concatenate([np.array(listings[role].labels, dtype=np.int64) for role in there])
        paths = [path.relative_to(root) for role in there for path in listings[role].paths]
        return Split(torch.from_numpy(array), torch.from_numpy(labels)), paths

    learn, learn_paths = together("train", "val")
    val_rows = None
    if "val" in listings:
        val_rows = np.arange(len(listings["train"].paths), len(learn))
        validates = (
            f"val ({counted(len(val_rows), 'image')}) validates with subset=none; other subsets draw"
            " their validation images from train and val together"
        )
        notes.append(Note(validates, ("note_validation", {"n": len(val_rows)})))
    if "test" in listings:
        test, test_paths = together("test")
    else:
        rows, held_out = stratified_halves(learn.labels.numpy(), second_share=0.2)
        test, test_paths = learn.take(held_out), [learn_paths[row] for row in held_out]
        learn, learn_paths = learn.take(rows), [learn_paths[row] for row in rows]
    notes += look_over(learn, learn_paths, test, test_paths)
    name = "".join(c if c.isalnum() else "_" for c in unicodedata.normalize("NFC", root.resolve().name))
    title, identified = f"folder {name}", identity(name, learn, test, val_rows)
    return FolderData(
        *(identified, title, tuple(classes), learn, test, val_rows, tuple(notes)),
        test_files=tuple(test_paths),
        scales=scales,
    )


def identity(name: str, learn: Split, test: Split, val_rows: np.ndarray | None) -> str:
    """Two folders of one name, or one that has grown, are not the same dataset in the records."""
    digest = hashlib.sha256()
    for split in (learn, test):
        digest.update(np.array(split.images.shape, dtype=np.int64).tobytes())
        digest.update(split.images.contiguous().numpy().tobytes())
        digest.update(split.labels.numpy().tobytes())
    if val_rows is not None:
        digest.update(val_rows.astype(np.int64).tobytes())
    return f"folder_{name}_{digest.hexdigest()[:8]}"


def look_over(learn: Split, learn_paths: list[Path], test: Split, test_paths: list[Path]) -> list[Note]:
    """What people should know of their pictures: on both sides, in two classes, or nothing to see."""
    seen: dict[bytes, tuple[Path, int]] = {}
    learned: set[bytes] = set()
    both_sides, two_classes, flat = [], [], []
    for split, paths in ((learn, learn_paths), (test, test_paths)):
        for array, label, path in zip(split.images.numpy(), split.labels.tolist(), paths, strict=True):
            values = array.reshape(len(array), -1)
            if int((values.max(axis=1) - values.min(axis=1)).max()) < FLAT:
                flat.append(path.as_posix())
                continue
            key = hashlib.sha256(array.tobytes()).digest()
            first, first_label = seen.setdefault(key, (path, label))
            if first_label != label:
                two_classes.append(f"{first.as_posix()} = {path.as_posix()}")
            elif split is test and key in learned:
                both_sides.append(f"{first.as_posix()} = {path.as_posix()}")
        learned = learned or set(seen)
    flatters = "the test score flatters; pictures to test on that are also learned from"
    return [
        Note(f"{what}: {len(found)} ({some(found)})", (key, {"n": len(found), "names": some(found)}))
        for what, key, found in (
            (flatters, "note_both_sides", both_sides),
            ("the same picture in two classes", "note_two_classes", two_classes),
            ("pictures that show hardly more than one colour", "note_flat", flat),
        )
        if found
    ]
