"""What a run was made from and what it made: models and tables on disk, told apart by their content.

Whatever reads or writes such files says so here (`read`, `made`); `recorded` collects it while a job runs.
W&B refuses `use_artifact` without a network, so the digests are what its lineage is built from later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["model", "table"]
LINEAGE = "lineage.json"  # in the folder of every run that read or made a model or a table


@dataclass(frozen=True)
class Asset:
    """A model or a table: its digest is of the file that holds its weights or rows."""

    kind: Kind
    name: str
    sha256: str
    files: tuple[Path, ...]  # that belong to it, a folder standing for all in it

    def as_json(self) -> dict[str, str]:
        return {"kind": self.kind, "name": self.name, "sha256": self.sha256}


@dataclass
class Lineage:
    """The inputs and outputs of a run, each once, in the order they came."""

    _read: dict[str, Asset] = field(default_factory=dict)
    _made: dict[str, Asset] = field(default_factory=dict)

    @property
    def inputs(self) -> list[Asset]:
        """What was read and not made here: a model is read once more when it has been written."""
        return [asset for digest, asset in self._read.items() if digest not in self._made]

    @property
    def outputs(self) -> list[Asset]:
        """What was made, of each name the last: a table grows while workers share it."""
        return list({(asset.kind, asset.name): asset for asset in self._made.values()}.values())

    def as_json(self) -> dict[str, list[dict[str, str]]]:
        return {
            "inputs": [asset.as_json() for asset in self.inputs],
            "outputs": [asset.as_json() for asset in self.outputs],
        }


_open: list[Lineage] = []


@contextmanager
def recorded(known: Lineage | None = None) -> Iterator[Lineage]:
    """Collect what is read and made until the end of the block, by all threads of this process.

    It begins with what is `known` to have been read.
    """
    lineage = Lineage(dict(known._read) if known else {})
    _open.append(lineage)
    try:
        yield lineage
    finally:
        _open.remove(lineage)


def read(kind: Kind, name: str, file: Path, sha256: str | None = None) -> None:
    """A run has read a model or a table; `sha256` of `file` where it is known already."""
    for lineage in _open:
        asset = Asset(kind, name, sha256 or digest(file), (file,))
        lineage._read.setdefault(asset.sha256, asset)


def made(kind: Kind, name: str, file: Path, *others: Path, sha256: str | None = None) -> None:
    """A run has written a model or a table: the file that tells it apart, and what else belongs to it."""
    for lineage in _open:
        asset = Asset(kind, name, sha256 or digest(file), (file, *others))
        lineage._made.pop(asset.sha256, None)  # the same once more: it is the last now
        lineage._made[asset.sha256] = asset


def digest(file: Path) -> str:
    """SHA-256 of a file, as hex."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
