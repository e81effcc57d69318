"""Scores of sampled faces in a CSV file: written by a parser, or by whoever looked at the pictures."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ohlora.durable import write_text
from ohlora.errors import OhloraError, nearest
from ohlora.text import printable

ANGLES = ("roll", "yaw", "pitch")
NEEDED = ("eyes", "mouth")  # without which nobody acts
SCORED = (
    *("eyes", "hair_colour", "hair_length", "mouth", "roll", "background_mean", "background_std", "yaw"),
    "pitch",
)
KEYS = ("file", "index")
LARGEST_ANGLE = math.pi / 2
LEAST_ROWS = 40
SHOWN = 8  # faults of rows in a message


@dataclass(frozen=True)
class FaceScores:
    """What some of the samples were scored; angles in rad."""

    numbers: np.ndarray  # int [rows]: which sample, ascending
    names: tuple[str, ...]
    values: np.ndarray  # float [rows, names]


def picture_name(number: int) -> str:
    """The file of a sample."""
    return f"{number:06d}.png"


def sample_number(text: str) -> int | None:
    """The number that a file's name or an index stands for."""
    stem = Path(text.replace("\\", "/")).stem if "." in text else text
    return int(stem) if stem.isascii() and stem.isdecimal() and len(stem) <= 9 else None


def read_scores(path: Path, samples: int, in_degrees: bool = False) -> FaceScores:
    """Read scores of samples 0 to `samples` - 1; OhloraError with every fault at once, rows by their line.

    A row without any score is somebody not yet scored, and left out, as is a column without any.
    """
    header, rows = read_table(path)
    key = next((name for name in header if name in KEYS), None)
    columns = [name for name in header if name not in KEYS]
    faults = [
        f"{printable(name)!r} is not a score{nearest(name, SCORED)}" for name in columns if name not in SCORED
    ]
    faults += [f"{name} stands there twice" for name in dict.fromkeys(header) if header.count(name) > 1]
    if key is None:
        faults.append("a column file or index is missing")
    used = [name for name in columns if any((row.get(name) or "").strip() for _, row in rows)]
    faults += [f"{name} is missing" for name in NEEDED if name not in used]
    if faults:
        raise OhloraError(
            f"{printable(path)}: {'; '.join(faults)} (file or index, then {', '.join(SCORED)};"
            f" {' and '.join(NEEDED)} always)"
        )
    assert key is not None
    found, faults = scored_rows(rows, key, used, samples, math.radians(1) if in_degrees else 1.0)
    if len(found) < LEAST_ROWS and not faults:
        faults.append(f"scores of {len(found)} samples; at least {LEAST_ROWS} are needed")
    numbers = np.array(sorted(found), dtype=int)
    values = np.array([found[number] for number in numbers], dtype=float).reshape(len(numbers), len(used))
    faults += [
        f"{name} is {values[0, i]:g} throughout"
        for i, name in enumerate(used)
        if not faults and np.ptp(values[:, i]) == 0
    ]
    if faults:
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise OhloraError(f"{printable(path)}: {'; '.join(faults[:SHOWN])}{more}")
    return FaceScores(numbers, tuple(used), values)


def read_table(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Header and (line, row) of a CSV file; OhloraError where it is none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = [(name or "").strip() for name in reader.fieldnames or []]
            reader.fieldnames = header
            return header, [(reader.line_num, row) for row in reader]
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise OhloraError(f"{printable(path)} cannot be read as CSV ({printable(error)})") from None


def scored_rows(
    rows: Sequence[tuple[int, Mapping[str, str]]], key: str, names: Sequence[str], samples: int, unit: float
) -> tuple[dict[int, list[float]], list[str]]:
    """Values of each sample that was scored, and every fault there is; `unit` is that of angles, in rad."""
    found: dict[int, list[float]] = {}
    faults: list[str] = []
    for line, row in rows:
        cells = {name: (row.get(name) or "").strip() for name in names}
        if not any(cells.values()):
            continue
        said = (row.get(key) or "").strip()
        number = sample_number(said)
        place = f"line {line} ({printable(said, 40) or f'no {key}'})"
        if number is None or number >= samples:
            faults.append(f"{place} is none of the samples 0 to {samples - 1}")
        elif number in found:
            faults.append(f"{place} was scored before")
        values = []
        for name, text in cells.items():
            value = number_of(text)
            if name in ANGLES:
                value *= unit
            if not math.isfinite(value):
                faults.append(f"{place} {name}={printable(text, 40) or 'nothing'} is not a number")
            elif name in ANGLES and abs(value) > LARGEST_ANGLE:
                faults.append(
                    f"{place} {name}={printable(text, 40)} is beyond a quarter turn"
                    f"{'' if unit != 1 else ' (rad; angles=degrees reads degrees)'}"
                )
            values.append(value)
        if None not in row and number is not None:
            found[number] = values
        elif None in row:
            faults.append(f"{place} has more cells than the first line")
    return found, faults


def number_of(text: str) -> float:
    """NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def write_scores(path: Path, names: Sequence[str], rows: Mapping[int, Sequence[float] | None]) -> None:
    """The file that `read_scores` takes, to be filled in where a row is None."""
    lines = [",".join(("file", *names))]
    for number, values in sorted(rows.items()):
        cells = [""] * len(names) if values is None else [f"{value:.6g}" for value in values]
        lines.append(",".join((picture_name(number), *cells)))
    write_text(path, "\n".join(lines) + "\n")


def add_empty_rows(path: Path, samples: int) -> None:
    """Give every sample that has none a row to be filled in; rows that are there stay as they are."""
    if not path.exists():
        write_scores(path, SCORED, dict.fromkeys(range(samples)))
        return
    header, rows = read_table(path)
    key = next((name for name in header if name in KEYS), None)
    if key is None:
        return  # model=face_directions tells what is wrong with it
    there = {sample_number((row.get(key) or "").strip()) for _, row in rows}
    empty = [
        ",".join(picture_name(number) if name == key else "" for name in header)
        for number in range(samples)
        if number not in there
    ]
    text = path.read_text(encoding="utf-8-sig")
    if empty:
        write_text(path, "\n".join([text.rstrip("\n"), *empty]) + "\n")
