"""What a report shows, as plain data: results with facts, charts, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """Lines over a common x, or points of groups."""

    title: str
    x: str
    lines: Mapping[str, Points]
    dots: bool = False  # points alone, no lines between them
    unit_range: bool = False  # y from 0 to 1
    log_x: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture that a run has left."""

    title: str
    path: Path


@dataclass(frozen=True)
class Table:
    """Rows of cells, a name a column; None is an empty cell."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Result:
    """What one run has left."""

    title: str
    folder: Path
    when: float  # Unix time, seconds
    summary: Mapping[str, Any]  # its row in the table of its kind
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    inputs: Sequence[Mapping[str, str]] = ()  # models and tables it was made from: kind, name, sha256


@dataclass(frozen=True)
class Fault:
    """A file that should have been a result and cannot be read."""

    path: Path
    why: str
