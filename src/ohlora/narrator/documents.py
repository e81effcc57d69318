"""The documents a small language model is pretrained on, read from tables and conversations."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import pandas as pd
import yaml

from ohlora.errors import OhloraError
from ohlora.narrator.corpus import Conversations, TextSource, TextTable


def read_table(source: TextTable) -> Iterator[str]:
    """Every row of a table as a document, its parts divided by line breaks."""
    path = Path(source.path)
    if not path.is_file():
        raise OhloraError(f"{source.name}: no file {path} (OHLORA_DATA says where text/ko lies)")
    table = pd.read_csv(path, sep=source.separator, quoting=0 if source.quoted else 3, encoding="utf-8-sig")
    if missing := sorted(set(source.columns) - set(table.columns)):
        raise OhloraError(f"{path} has no column {', '.join(missing)}; it has {', '.join(table.columns)}")
    for row in table[list(source.columns)].dropna().astype(str).itertuples(index=False):
        yield "\n".join(row)


def read_conversations(source: Conversations) -> Iterator[str]:
    """Every conversation as a document, its turns divided by line breaks."""
    try:
        folder = files("chatterbot_corpus").joinpath("data", source.language)
    except ModuleNotFoundError:
        raise OhloraError(f'{source.name} needs its package: pip install "ohlora[pretraining]"') from None
    if not folder.is_dir():
        raise OhloraError(f"{source.name}: no language {source.language} in chatterbot_corpus")
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
