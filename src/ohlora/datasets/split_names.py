"""Is a folder's child a class, or a split (train, val, test) that holds the class folders?"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from ohlora.datasets.image_files import is_leftover
from ohlora.datasets.images import Note
from ohlora.errors import OhloraError
from ohlora.text import printable

TRAIN, VAL, TEST = "train", "val", "test"
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "trn", "훈련", "학습"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "development", "검증"), VAL),
    **dict.fromkeys(
        ("test", "testing", "tst", "holdout", "eval", "evaluation", "시험", "테스트", "평가"), TEST
    ),
}
FILLERS = {
    "set",
    "data",
    "dataset",
    "split",
    "images",
    "imgs",
    "image",
    "img",
    "samples",
    "examples",
    "데이터",
    "용",
}


@dataclass(frozen=True)
class Layout:
    """The folders that hold class folders; without splits `train` is the whole folder."""

    train: Path
    val: Path | None
    test: Path | None
    notes: tuple[Note, ...] = ()

    @property
    def folders(self) -> dict[str, Path]:
        return {role: path for role in (TRAIN, VAL, TEST) if (path := getattr(self, role))}


def split_role(name: str) -> tuple[str, str] | None:
    """(train | val | test, the rest of the name) where it names a split in any usual spelling, else None.

    `Train`, `training_set`, `hold-out`, `01_val`; `seg_train` has the rest `seg`.
    """
    name = unicodedata.normalize("NFC", name).casefold()
    words = re.split(r"[\W_]+", re.sub(r"h[oe]ld[\W_]*out", "holdout", name))
    words = [word for word in words if word and word not in FILLERS and not word.isdecimal()]
    words = [re.sub(rf"(?<=\w)({'|'.join(sorted(FILLERS))})$", "", word) for word in words]
    roles = [SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS]
    if len(roles) != 1:
        return None
    return roles[0], " ".join(word for word in words if word not in SPLIT_WORDS)


def children(folder: Path) -> list[Path]:
    """The folders in a folder that are data; links back to it or above it are not."""
    above = {folder.resolve(), *folder.resolve().parents}
    return sorted(
        (
            path
            for path in folder.iterdir()
            if not is_leftover(path.name) and path.is_dir() and path.resolve() not in above
        ),
        key=lambda path: path.name,
    )


def find_layout(root: Path) -> Layout:
    """Which folders hold the class folders; OhloraError where splits cannot be told from classes."""
    folders = children(root)
    named: dict[str, dict[str, list[Path]]] = {}  # by the rest of the name, then by role
    for path in folders:
        if found := split_role(path.name):
            role, rest = found
            named.setdefault(rest, {}).setdefault(role, []).append(path)
    for rest, roles in sorted(named.items()):  # plain names first
        inside = [path for paths in roles.values() for path in paths]
        others = [path for path in folders if path not in inside]
        holds_classes = any(children(path) for path in inside)
        whole = TRAIN in roles and (len(roles) > 1 or (not others and holds_classes))
        if not holds_classes and (rest or others or len(roles) == 1):
            continue  # classes that happen to be called so
        if whole or (not rest and not others and len(roles) > 1):
            return split_layout(root, roles, others)
    return Layout(root, None, None)


def split_layout(root: Path, roles: dict[str, list[Path]], others: list[Path]) -> Layout:
    """The layout of folders that are splits; says what becomes of each."""
    roles = {role: roles[role] for role in (TRAIN, VAL, TEST) if role in roles}
    names = ", ".join(printable(path.name) for paths in roles.values() for path in paths)
    looks = f"{printable(root)}: {names} look like splits of one dataset, not like classes"
    part = ("folder_splits", {"names": names})
    if twice := [role for role, paths in roles.items() if len(paths) > 1]:
        raise OhloraError(f"{looks}, and there are several for {' and '.join(twice)}: keep one of each", part)
    if TRAIN not in roles:
        raise OhloraError(f"{looks}, but there is none to learn from (train)", part)
    if bare := [path for paths in roles.values() for path in paths if not children(path)]:
        raise OhloraError(
            f"{looks}, but no class folders are in {', '.join(printable(path.name) for path in bare)}"
            " (wanted: train/<class>/image)",
            part,
        )
    train, val, test = (roles[role][0] if role in roles else None for role in (TRAIN, VAL, TEST))
    assert train is not None
    learned, notes = printable(train.name), []
    if others:
        beside = ", ".join(printable(path.name) for path in others)
        part = ("note_beside", {"train": learned, "names": beside})
        notes.append(Note(f"folders beside {learned} are left out: {beside}", part))
    if test is None and val is not None:
        tested = printable(val.name)
        part = ("note_val_tests", {"val": tested})
        notes.append(Note(f"no test folder: {tested} is what is tested on", part))
        val, test = None, val
    elif test is None:
        part = ("note_held_out", {"train": learned})
        notes.append(Note(f"no test folder: a fifth of {learned} is held out to test on", part))
    return Layout(train, val, test, tuple(notes))
