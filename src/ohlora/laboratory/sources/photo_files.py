"""Where the photos of a set lie and what its files say of them. Every fault of a set is told at once."""

from __future__ import annotations

import csv
import json
import math
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ohlora.datasets.image_files import IMAGE_SUFFIXES, SUFFIXES_SHOWN, find_images
from ohlora.errors import OhloraError, nearest
from ohlora.laboratory.sources.parsing import PARTS
from ohlora.text import printable

UNKNOWN = math.nan
SHOWN = 5  # names in a message
COLUMNS = ("file", "gender", "quality", "split", "identity")  # of labels.csv
NOT_TRAINING = ("val", "test_a", "test_b")
TESTS = ("test_a", "test_b")
FOLDER_SPLITS = {**{name: (name,) for name in ("train", *NOT_TRAINING)}, "test": TESTS}
CELEBA_LAST = (162_770, 182_637)  # the last number CelebA trains on, and the last it validates on


@dataclass(frozen=True)
class Photo:
    """One photo and what its set says of it, before a pixel is read."""

    name: str  # of the file within its set, without suffix
    image: Path
    masks: Mapping[str, Path] = field(default_factory=dict)  # by part; "" is a whole map
    gender: float = UNKNOWN  # 0 a man to 1 a woman
    quality: float = UNKNOWN  # 0 bad to 1 good
    young: float = UNKNOWN  # 0 or 1
    glasses: float = UNKNOWN
    yaw: float = UNKNOWN  # rad
    identity: int | None = None
    splits: tuple[str, ...] = ()  # the set's own: one of these; empty: any


def some(names: Iterable[object]) -> str:
    """The first few names, and how many there are."""
    listed = [str(name) for name in names]
    return f"{len(listed)} ({', '.join(listed[:SHOWN])}{', …' if len(listed) > SHOWN else ''})"


def images_below(folder: Path, without: str = "") -> list[Path]:
    """Image files at any depth, in order; not those of its folder `without`. Others are counted aloud."""
    found = find_images(folder, [without] if without else [])
    ours = {".csv", ".json", ".txt"}
    if others := [f"{suffix} {count}" for suffix, count in found.left_out.items() if suffix not in ours]:
        print(
            f"ohlora: left out in {printable(folder)}: {printable(', '.join(sorted(others)))}",
            file=sys.stderr,
        )
    if found.dead:
        print(f"ohlora: lead nowhere in {printable(folder)}: {printable(some(found.dead))}", file=sys.stderr)
    return found.images


def key_of(path: Path, root: Path) -> str:
    """The name of a photo: its path within the set, without suffix, the same on every system."""
    return composed(path.relative_to(root).with_suffix("").as_posix())


def composed(name: str) -> str:
    """A name as it is typed: macOS takes Hangul syllables and accented letters of file names apart."""
    return unicodedata.normalize("NFC", name)


def labelled(photos: list[Photo], root: Path, faults: list[str]) -> list[Photo]:
    """Photos with what the user's labels.csv says of them; what it leaves empty stays missing."""
    path = root / "labels.csv"
    if not path.is_file():
        return photos
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header, rows = list(reader.fieldnames or []), list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        faults.append(f"labels.csv cannot be read ({error})")
        return photos
    strange = [f"{name}{nearest(name, COLUMNS)}" for name in header if name not in COLUMNS]
    if strange or "file" not in header:
        faults.append(
            f"labels.csv has unknown columns: {', '.join(strange) or 'no file'}; known: {', '.join(COLUMNS)}"
        )
        return photos
    known = {photo.name: place for place, photo in enumerate(photos)}
    photos, seen = list(photos), set()
    absent, twice, wrong = [], [], []
    for line, row in enumerate(rows, start=2):
        name = composed((row["file"] or "").strip().replace("\\", "/"))
        if Path(name).suffix.lower() in IMAGE_SUFFIXES:
            name = Path(name).with_suffix("").as_posix()
        if name not in known:
            absent.append(row["file"])
            continue
        if name in seen:
            twice.append(row["file"])
        seen.add(name)
        cells = {key: (row.get(key) or "").strip() for key in header if key != "file"}
        values, bad = read_row({key: value for key, value in cells.items() if value})
        wrong += [f"line {line} {fault}" for fault in bad]
        photos[known[name]] = replace(photos[known[name]], **values)
    for what, found in (
        ("names files that are not there", absent),
        ("names files twice", twice),
        (f"has values that are not allowed (0 to 1; {' | '.join(FOLDER_SPLITS)}; a whole number)", wrong),
    ):
        if found:
            faults.append(f"labels.csv {what}: {some(found)}")
    unknown = [photo.name for photo in photos if photo.identity is None]
    if "identity" in header and unknown and len(unknown) < len(photos):
        faults.append(f"labels.csv has an identity for some photos only; without: {some(unknown)}")
    return photos


def read_row(cells: Mapping[str, str]) -> tuple[dict[str, object], list[str]]:
    """The values of one line of labels.csv, and those that are not allowed."""
    values: dict[str, object] = {}
    bad = []
    for key, text in cells.items():
        try:
            if key == "split":
                values["splits"] = FOLDER_SPLITS[text]
            elif key == "identity":
                values[key] = person(text)
            else:
                values[key] = float(text)
                if not 0 <= float(text) <= 1:
                    bad.append(f"{key}={text}")
        except (ValueError, KeyError):
            bad.append(f"{key}={text}")
    return values, bad


def person(text: str) -> int:
    """The number of a person; ValueError where it is none that a tensor holds."""
    if not -(2**63) <= (number := int(text)) < 2**63:
        raise ValueError(f"{text} is beyond 64 bits")
    return number


def find_folder(root: Path, resolution: int, faults: list[str]) -> list[Photo]:
    """Any folder: images at any depth, `maps/<the same path>.png` and `labels.csv` where the user has them.

    Images in folders train, val, test, test_a and test_b are split so; the others by a hash of their name.
    """
    images = images_below(root, without="maps")
    photos = [Photo(key_of(path, root), path, splits=own_split(path, root)) for path in images]
    names = [photo.name for photo in photos]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        faults.append(f"images that differ in their suffix only: {some(twice)}")
    if (root / "maps").is_dir():
        maps = {key_of(path, root / "maps"): path for path in images_below(root / "maps")}
        without = [name for name in names if name not in maps]
        strangers = sorted(set(maps) - set(names))
        if without:
            faults.append(f"images without a map in maps/: {some(without)}")
        if strangers:
            faults.append(f"maps of no image: {some(strangers)}")
        photos = [
            replace(photo, masks={"": maps[photo.name]} if photo.name in maps else {}) for photo in photos
        ]
    return labelled(photos, root, faults)


def own_split(path: Path, root: Path) -> tuple[str, ...]:
    return FOLDER_SPLITS.get(path.relative_to(root).parts[0], ())


def find_ffhq(root: Path, resolution: int, faults: list[str]) -> list[Photo]:
    """`thumbnails128x128` or `images1024x1024`, flat or in folders of a thousand; the small ones if they do.

    `ffhq-dataset-v2.json`, where it is there, says which are for training; `labels.csv` is the user's own.
    """
    folders = [root / "thumbnails128x128", root / "images1024x1024"]
    there = [folder for folder in folders if folder.is_dir()]
    if not there:
        faults.append(f"{root} has neither {folders[0].name} nor {folders[1].name}")
        return []
    folder = there[0] if len(there) == 1 or resolution <= 128 else there[1]
    photos = [Photo(path.stem, path) for path in images_below(folder)]
    misnamed = [photo.image.name for photo in photos if not photo.name.isdecimal()]
    if misnamed:
        faults.append(f"{folder.name} has files not named by a number: {some(misnamed)}")
        return []
    path = root / "ffhq-dataset-v2.json"
    if path.is_file():
        try:
            category = {
                int(key): entry["category"] for key, entry in json.loads(path.read_text("utf-8")).items()
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            faults.append(f"{path.name} is damaged: not a list of numbers with a category each")
            return photos
        of = {"training": ("train",), "validation": NOT_TRAINING}
        strange = [photo.name for photo in photos if category.get(int(photo.name)) not in of]
        if strange:
            faults.append(f"{path.name} has no category training or validation for: {some(strange)}")
            return photos
        photos = [replace(photo, splits=of[category[int(photo.name)]]) for photo in photos]
    return labelled(photos, root, faults)


def find_celebamask(root: Path, resolution: int, faults: list[str]) -> list[Photo]:
    """`CelebA-HQ-img/<n>.jpg`, its masks and its attribute, pose, mapping and identity files."""
    images, masks = root / "CelebA-HQ-img", root / "CelebAMask-HQ-mask-anno"
    absent = [folder.name for folder in (images, masks) if not folder.is_dir()]
    if absent:
        faults.append(f"{root} has no {' and no '.join(absent)}")
        return []
    paths = images_below(images)
    misnamed = [path.name for path in paths if not path.stem.isdecimal()]
    if misnamed:
        faults.append(f"{images.name} has files not named by a number: {some(misnamed)}")
        return []
    found: dict[int, dict[str, Path]] = {}
    strange = []
    for path in images_below(masks):
        number, _, part = path.stem.partition("_")
        if number.isdecimal() and part in PARTS:
            found.setdefault(int(number), {})[part] = path
        else:
            strange.append(path.name)
    if strange:
        faults.append(f"{masks.name} has files of no known part: {some(strange)}; known: {', '.join(PARTS)}")
    photos = [
        Photo(path.stem, path, found.get(int(path.stem), {}))
        for path in sorted(paths, key=lambda path: int(path.stem))
    ]
    without = [photo.image.name for photo in photos if not photo.masks]
    if without:
        faults.append(f"photos without any mask: {some(without)}")
    attributes = table(root / "CelebAMask-HQ-attribute-anno.txt", photos, faults)
    poses = table(root / "CelebAMask-HQ-pose-anno.txt", photos, faults)
    numbers = celeba_numbers(root / "CelebA-HQ-to-CelebA-mapping.txt", faults)
    people = identities(root / "identity_CelebA.txt", faults) if numbers else {}
    return [
        replace(
            photo,
            gender=share(attributes.get(photo.name, {}).get("Male"), turned=True),
            quality=share(attributes.get(photo.name, {}).get("Blurry"), turned=True),
            young=share(attributes.get(photo.name, {}).get("Young")),
            glasses=share(attributes.get(photo.name, {}).get("Eyeglasses")),
            yaw=math.radians(poses.get(photo.name, {}).get("Yaw", UNKNOWN)),
            splits=celeba_split(numbers.get(photo.name)),
            identity=people.get(numbers.get(photo.name, 0)),
        )
        for photo in photos
    ]


def share(value: float | None, turned: bool = False) -> float:
    """An attribute of -1 or 1 as 0 or 1, the other way round where `turned`."""
    return UNKNOWN if value is None else (1 - value if turned else 1 + value) / 2


def celeba_split(number: int | None) -> tuple[str, ...]:
    """CelebA's own partition, which no person crosses; its test part is ours in two."""
    if number is None:
        return ()
    return ("train",) if number <= CELEBA_LAST[0] else ("val",) if number <= CELEBA_LAST[1] else TESTS


def table(path: Path, photos: Sequence[Photo], faults: list[str]) -> dict[str, dict[str, float]]:
    """CelebAMask-HQ's table: a count, the columns' names, a photo a line. Empty where there is none."""
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    names = lines[1].split() if len(lines) > 1 else []
    rows: dict[str, dict[str, float]] = {}
    broken = []
    for number, line in enumerate(lines[2:], start=3):
        name, *values = line.split() or [""]
        try:
            rows[Path(name).stem] = dict(zip(names, map(float, values), strict=True))
        except ValueError:
            broken.append(f"line {number}")
    broken += [
        f"{name} {key}={value:g}"
        for name, row in rows.items()
        for key, value in row.items()
        if not math.isfinite(value) or ("attribute" in path.name and abs(value) != 1)
    ]
    without = [photo.image.name for photo in photos if photo.name not in rows]
    if broken:
        faults.append(f"{path.name} is damaged at {some(broken)}")
    elif without:
        faults.append(f"{path.name} says nothing of {some(without)}")
    return rows


def celeba_numbers(path: Path, faults: list[str]) -> dict[str, int]:
    """CelebA's number, from 1, of each photo of CelebA-HQ. Empty where the file is not there."""
    if not path.is_file():
        return {}
    rows = [line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()[1:]]
    try:
        return {row[0]: int(Path(row[2]).stem) for row in rows if row}
    except (IndexError, ValueError):
        faults.append(f"{path.name} is damaged: a line has a photo, its index and its file in CelebA")
        return {}


def identities(path: Path, faults: list[str]) -> dict[int, int]:
    """Who is in each photo of CelebA. Empty where the user has no such list."""
    if not path.is_file():
        return {}
    rows = [line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    try:
        return {int(Path(row[0]).stem): person(row[1]) for row in rows if row}
    except (IndexError, ValueError):
        faults.append(f"{path.name} is damaged: a line has a photo and the number of a person")
        return {}


LAYOUTS = {"folder": find_folder, "ffhq": find_ffhq, "celebamask": find_celebamask}


def find_photos(layout: str, root: str | None, resolution: int) -> list[Photo]:
    """The photos of a set, in order; OhloraError with all that is wrong with its files."""
    if layout not in LAYOUTS:
        raise OhloraError(f"layout={layout} is not one of {' | '.join(LAYOUTS)}{nearest(layout, LAYOUTS)}")
    if not root:
        raise OhloraError(f"dataset.root=DIR is missing: the folder of the photos (layout={layout})")
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise OhloraError(f"dataset.root={root} is not a folder")
    faults: list[str] = []
    photos = LAYOUTS[layout](folder, resolution, faults)
    if not photos and not faults:
        faults.append(f"no images in {folder} ({SUFFIXES_SHOWN})")
    if faults:
        raise OhloraError(f"{folder} as layout={layout}: {'; '.join(faults)}")
    return photos
