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
    open_upright,
    peak,
)
from ohlora.datasets.images import ImageData, Split, stratified_halves
from ohlora.datasets.readers import Folder
from ohlora.datasets.split_names import Layout, children, find_layout
from ohlora.errors import OhloraError, joined
from ohlora.processes import is_main
from ohlora.progress import progress
from ohlora.text import printable

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
    if not root.is_dir():
        raise OhloraError(f"dataset.root={printable(reader.root)} is not a directory")
    layout = find_layout(root)
    notes = list(layout.notes)
    classes, listings = list_images(root, layout, notes)
    images, scales = read_all(root, listings, reader.image_size, notes)
    data = assemble(root, classes, listings, images, scales, notes)
    if is_main():
        for note in notes:
            log.warning("%s: %s", printable(root.name), note)
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


def counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def list_images(root: Path, layout: Layout, notes: list[str]) -> tuple[list[str], dict[str, Listing]]:
    """Class names, and the image files of each split; OhloraError with all that is wrong with them."""
    faults: list[OhloraError] = []
    found = {role: list_classes(root, folder, faults, notes) for role, folder in layout.folders.items()}
    classes = sorted(found["train"])
    for role, of_class in found.items():
        check_classes(role, classes, of_class, faults)
    if not faults:
        check_counts(layout, found, faults)
    if faults:
        allowed = f"(allowed: one folder a class, image files such as {SUFFIXES_SHOWN})"
        raise joined(faults, f"{printable(root)}: ", f" {allowed}")
    listings = {}
    for role, of_class in found.items():
        listings[role] = listing = Listing()
        for label, name in enumerate(classes):
            listing.paths += of_class.get(name, [])
            listing.labels += [label] * len(of_class.get(name, []))
    return classes, listings


def list_classes(
    root: Path, folder: Path, faults: list[OhloraError], notes: list[str]
) -> dict[str, list[Path]]:
    """Image files by class. A class is named in one Unicode form: NFC, whichever system wrote the folder."""
    of_class: dict[str, list[Path]] = {}
    twice, foreign = [], []
    for path in children(folder):
        name = unicodedata.normalize("NFC", path.name)
        if not is_utf8(name):
            foreign.append(path.name.encode("utf-8", "backslashreplace").decode())
            continue
        if name in of_class:
            twice.append(name)
        found = find_images(path)
        of_class.setdefault(name, []).extend(found.images)
        if found.dead:
            dead = some(path.relative_to(root) for path in found.dead)
            faults.append(fault("links that lead nowhere, or no files", "folder_dead", dead))
        if left := found.left_out.total():
            kinds = ", ".join(f"{printable(suffix)} {n}" for suffix, n in found.left_out.most_common(SHOWN))
            notes.append(
                f"{counted(left, 'file')} in {printable(name)} left out, no images by suffix: {kinds}"
            )
    loose = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not is_leftover(p.name)]
    if loose and of_class:
        notes.append(
            f"{counted(len(loose), 'image')} in no class folder left out: {some(p.name for p in loose)}"
        )
    if twice:
        faults.append(
            fault("class folders of one name in two Unicode spellings", "folder_twice", some(twice))
        )
    if foreign:
        part = ("folder_foreign", {"names": some(foreign)})
        message = f"class folders whose names are not UTF-8: {some(foreign)}; rename them"
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
    few = {name: len(paths) for name, paths in found["train"].items() if len(paths) < least}
    if few:
        named = some(f"{name} {n}" for name, n in few.items())
        part = ("folder_few", {"least": least, "names": named})
        faults.append(OhloraError(f"classes with fewer than {least} images to learn from: {named}", part))


def read_all(
    root: Path, listings: Mapping[str, Listing], image_size: int, notes: list[str]
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The images of each split, uint8 [n, 3, image_size, image_size]; what became white of deeper ones."""
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
                    broken.append((path.relative_to(root).as_posix(), str(error)))
                    continue
                finally:
                    advance()
                if picture.mode != "RGB":
                    peaks.setdefault(picture.mode, []).append(peak(picture))
                square = picture.resize((image_size, image_size), Image.Resampling.BILINEAR)
                pictures[role].append(square)
    if broken:
        why = unreadable(broken)
        raise OhloraError(f"{printable(root)}: {why}", ("folder_unreadable", {"why": why}))
    scales = {mode: full_scale(max(values), mode) for mode, values in peaks.items()}
    for mode, values in peaks.items():
        notes.append(f"{counted(len(values), 'picture')} deeper than 8 bits: {scales[mode]:g} becomes white")
    arrays = {
        role: np.stack([pixels(picture, scales) for picture in squares]) for role, squares in pictures.items()
    }
    return arrays, scales


def unreadable(broken: list[tuple[str, str]]) -> str:
    """The files that cannot be read, and why where that is not that they are no images."""
    reasons = {name: why.split(" ", 1)[-1] for name, why in broken if "cannot be read" not in why}
    plain = [name for name, _ in broken if name not in reasons]
    faults = [f"{counted(len(plain), 'file')} cannot be read as images: {some(plain)}"] if plain else []
    if reasons:
        faults.append(some(f"{name} {why}" for name, why in reasons.items()))
    return "; ".join(faults)


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
    notes: list[str],
) -> FolderData:
    """The dataset, and notes on pictures that stand on both sides or show nothing."""
    grey = all(bool((array == array[:, :1]).all()) for array in images.values())
    kept = slice(0, 1) if grey else slice(None)

    def joined(*roles: str) -> tuple[Split, list[Path]]:
        there = [role for role in roles if role in listings]
        array = np.concatenate([images[role][:, kept] for role in there])
        labels = np.concatenate([np.array(listings[role].labels, dtype=np.int64) for role in there])
        paths = [path.relative_to(root) for role in there for path in listings[role].paths]
        return Split(torch.from_numpy(array), torch.from_numpy(labels)), paths

    learn, learn_paths = joined("train", "val")
    val_rows = None
    if "val" in listings:
        val_rows = np.arange(len(listings["train"].paths), len(learn))
        notes.append(
            f"val ({counted(len(val_rows), 'image')}) validates with subset=none; other subsets draw"
            " their validation images from train and val together"
        )
    if "test" in listings:
        test, test_paths = joined("test")
    else:
        rows, held_out = stratified_halves(learn.labels.numpy(), second_share=0.2)
        test, test_paths = learn.take(held_out), [learn_paths[row] for row in held_out]
        learn, learn_paths = learn.take(rows), [learn_paths[row] for row in rows]
    notes += look_over(learn, learn_paths, test, test_paths)
    name = "".join(c if c.isalnum() else "_" for c in unicodedata.normalize("NFC", root.resolve().name))
    title, identified = f"folder {name}", identity(name, learn, test, val_rows)
    return FolderData(
        identified, title, tuple(classes), learn, test, val_rows, test_files=tuple(test_paths), scales=scales
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


def look_over(learn: Split, learn_paths: list[Path], test: Split, test_paths: list[Path]) -> list[str]:
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
    return [
        f"{what}: {len(found)} ({some(found)})"
        for found, what in (
            (both_sides, "the test score flatters; pictures to test on that are also learned from"),
            (two_classes, "the same picture in two classes"),
            (flat, "pictures that show hardly more than one colour"),
        )
        if found
    ]


def is_utf8(name: str) -> bool:
    """Python carries the bytes of other names as lone surrogates."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
