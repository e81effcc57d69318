"""Mistakes in phrases of words.json: English here, and in its reader's language on a page."""

from __future__ import annotations

import json
from functools import cache

from ohlora.errors import OhloraError
from ohlora.web.pages import page

Part = tuple[str, dict[str, str | int]]  # a key of words.json, and what fills its gaps


@cache
def table() -> dict[str, dict[str, str]]:
    return json.loads(page("words.json"))


class Phrased(OhloraError):
    """A mistake as one or more phrases, which the answer to a page holds as `phrases`."""

    def __init__(self, *parts: Part) -> None:
        super().__init__("; ".join(table()[key]["en"].format(**values) for key, values in parts))
        self.parts = parts
