"""Try her voice: python -m ohlora say 'verdicts=[lost_by_far,won_clearly]' language=ko."""

from __future__ import annotations

import random
from typing import Annotated

from annotated_types import MaxLen, MinLen
from pydantic import Strict, field_validator
from rich.console import Console
from rich.text import Text

from ohlora.battle.narration import Narrator
from ohlora.battle.verdict import Verdict
from ohlora.config import Index, config
from ohlora.errors import nearest
from ohlora.narrator.facts import Facts, Language
from ohlora.narrator.prompt import narrator_prompt
from ohlora.narrator.training import draw_match


@config
class Say:
    """Draw a match that ended as `verdicts` say, and say one line about it."""

    narrator: Narrator
    verdicts: Annotated[tuple[str, ...], Strict(False), MinLen(1), MaxLen(2)]  # of the challenger's attempts
    language: Language
    seed: Index

    @field_validator("verdicts", mode="before")
    @classmethod
    def one_is_a_list_too(cls, verdicts: object) -> object:
        return (verdicts,) if isinstance(verdicts, str) else verdicts

    @field_validator("verdicts")
    @classmethod
    def they_are_verdicts(cls, verdicts: tuple[str, ...]) -> tuple[str, ...]:
        options = [verdict.value for verdict in Verdict]
        if wrong := [name for name in verdicts if name not in options]:
            hints = ", ".join(f"{name}{nearest(name, options)}" for name in wrong)
            raise ValueError(f"not one of {' | '.join(options)}: {hints}")
        return verdicts

    def run(self) -> None:
        """Print the match as the narrator reads it, and her line."""
        self.narrator.check()
        match = draw_match(tuple(map(Verdict, self.verdicts)), self.language, random.Random(self.seed))
        spoken = self.narrator.tell(match)
        console = Console(highlight=False)
        console.print(Text(narrator_prompt(Facts.read(match), self.language), style="dim"))
        for line in spoken.refused:
            console.print(Text(f"refused: {line!r}", style="dim"), soft_wrap=True)
        console.print(Text("Oh-LoRA: ", style="magenta") + Text(spoken.line, style="default"), soft_wrap=True)
        if spoken.written:
            console.print(Text("(a written line)", style="dim"))
