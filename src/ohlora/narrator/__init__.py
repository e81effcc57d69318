"""A result -> what Oh-LoRA says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ohlora.narrator.template import TemplateNarrator
from ohlora.narrator.truth import contradictions

__all__ = ["Narrator", "TemplateNarrator", "contradictions"]


class Narrator(Protocol):
    """Whoever speaks for Oh-LoRA after a match."""

    def say(self, match: Mapping[str, Any]) -> str:
        """One true line on a match, as match.json holds it."""
        ...
