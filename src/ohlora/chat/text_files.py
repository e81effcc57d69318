"""The texts written for this room: persona, dialogue rows, question-memory pairs, attacks and expressions."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

Row = dict[str, Any]


@cache
def rows(name: str) -> tuple[Row, ...]:
    """The rows of texts/<name>.jsonl."""
    text = files("ohlora.chat").joinpath("texts", f"{name}.jsonl").read_text(encoding="utf-8")
    return tuple(json.loads(line) for line in text.splitlines() if line.strip())


@cache
def persona() -> dict[str, Any]:
    """Facts and rules, each by name with its text in both languages."""
    return yaml.safe_load(files("ohlora.chat").joinpath("texts", "persona.yaml").read_text(encoding="utf-8"))


def of_split(name: str, *splits: str) -> list[Row]:
    return [row for row in rows(name) if row["split"] in splits]
