"""The text a small language model learns to speak from, read from tables and conversations."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Protocol

import pandas as pd
import yaml

from ohlora.errors import OhloraError


class TextSource(Protocol):
    """Somewhere documents come from."""

    name: str
    licence: str
    times: int  # it is trained on

    def read(self) -> Iterator[str]:
        """Every document, its parts divided by line breaks."""
        ...


@dataclass(frozen=True)
class TextTable:
    """A CSV or TSV file, gzipped or not: some columns of a row make a document."""

    name: str
    licence: str
    times: int  # it is trained on
    path: str
    columns: Sequence[str]
    separator: str
    quoted: bool

    def read(self) -> Iterator[str]:
        path = Path(self.path)
        if not path.is_file():
            raise OhloraError(f"{self.name}: no file {path} (OHLORA_DATA says where text/ko lies)")
        table = pd.read_csv(path, sep=self.separator, quoting=0 if self.quoted else 3, encoding="utf-8-sig")
        if missing := sorted(set(self.columns) - set(table.columns)):
            raise OhloraError(f"{path} has no column {', '.join(missing)}; it has {', '.join(table.columns)}")
        for row in table[list(self.columns)].dropna().astype(str).itertuples(index=False):
            yield "\n".join(row)


@dataclass(frozen=True)
class Conversations:
    """The YAML conversations of one language in the chatterbot-corpus package."""

    name: str
    licence: str
    times: int  # it is trained on
    language: str

    def read(self) -> Iterator[str]:
        try:
            folder = files("chatterbot_corpus").joinpath("data", self.language)
        except ModuleNotFoundError:
            raise OhloraError(f"{self.name} needs its package: pip install 'ohlora[pretraining]'") from None
        for file in sorted(folder.iterdir(), key=lambda file: file.name):
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
            for turns in content["conversations"]:
                yield "\n".join(str(turn) for turn in turns)


def read_corpus(
    sources: Sequence[TextSource], seed: int, share: float, held_out: float
) -> tuple[list[str], list[str]]:
    """Different documents to train on, in one drawn order, and documents held out.

    `share` (0 to 1) of every source's is read and `held_out` of that kept aside; a source whose `times` is
    above 1 is trained on so often.
    """
    rng = random.Random(seed)
    train: list[str] = []
    held: list[str] = []
    for source in sources:
        found = list(dict.fromkeys(filter(None, map(clean, source.read()))))
        found = rng.sample(found, round(len(found) * share))
        cut = round(len(found) * held_out)
        held += found[:cut]
        train += found[cut:] * source.times
    rng.shuffle(train)
    return train, held


def clean(document: str) -> str:
    """One Unicode spelling (NFC), single spaces, no empty lines and no control characters."""
    lines = (" ".join(line.split()) for line in unicodedata.normalize("NFC", document).splitlines())
    text = "\n".join(filter(None, lines))
    return "".join(char for char in text if char == "\n" or unicodedata.category(char)[0] != "C")
