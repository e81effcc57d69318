"""Mistakes in phrases of words.json: English here, and in its reader's language on a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from ohlora.errors import OhloraError, Part
from ohlora.web.pages import page

OTHER = "other_mistake"  # of what has no phrase of its own: its message is the gap


@cache
def table() -> dict[str, dict[str, str]]:
    return json.loads(page("words.json"))


def phrase(language: str, key: str, **values: object) -> str:
    """A phrase of the pages in `language` (ko | en), its gaps filled."""
    return table()[key][language].format(**values)


def english(part: Part) -> str:
    key, values = part
    return phrase("en", key, **values)


class Phrased(OhloraError):
    """A mistake as one or more phrases; its message is the English of them."""

    def __init__(self, *parts: Part) -> None:
        super().__init__("; ".join(map(english, parts)), *parts)


def told(error: Exception) -> dict[str, Any]:
    """A mistake as every answer and event holds it for a page: `error` in English, `phrases` to be said."""
    return as_told(str(error), getattr(error, "parts", ()))


def as_told(message: str, parts: tuple[Part, ...] = ()) -> dict[str, Any]:
    return {"error": message, "phrases": list(parts) or [(OTHER, {"message": message})]}


def of_told(content: Mapping[str, Any]) -> OhloraError:
    """The mistake that `told` described."""
    return OhloraError(content["error"], *((key, values) for key, values in content["phrases"]))
