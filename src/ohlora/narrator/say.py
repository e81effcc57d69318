"""Try her voice: python -m ohlora.narrator.say 'verdicts=[lost_by_far,won_clearly]' language=ko."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ohlora.door import open_door


@dataclass(frozen=True)
class Say:
    """Draw a match that ended as told and say one line about it."""

    narrator: Any
    verdicts: str | Sequence[str]  # of the challenger's attempts: one or two
    language: str
    seed: int

    def run(self) -> None:
        """Print the match as the narrator reads it, and her line."""
        from rich.console import Console
        from rich.text import Text

        from ohlora.battle.verdict import Verdict
        from ohlora.errors import OhloraError, nearest
        from ohlora.narrator.facts import Facts
        from ohlora.narrator.prompt import narrator_prompt
        from ohlora.narrator.training import draw_match

        names = [self.verdicts] if isinstance(self.verdicts, str) else list(self.verdicts)
        options = [verdict.value for verdict in Verdict]
        faults = [
            f"verdicts={name} is not one of {' | '.join(options)}{nearest(str(name), options)}"
            for name in names
            if name not in options
        ]
        if len(names) not in (1, 2):
            faults.append(f"verdicts has {len(names)} entries, a match one or two attempts")
        if faults:
            raise OhloraError("; ".join(faults))
        match = draw_match([Verdict(name) for name in names], self.language, random.Random(self.seed))
        told = self.narrator.tell(match)
        console = Console(highlight=False)
        console.print(Text(narrator_prompt(Facts.read(match), self.language), style="dim"))
        for line in told.refused:
            console.print(Text(f"refused: {line!r}", style="dim"), soft_wrap=True)
        console.print(Text("Oh-LoRA: ", style="magenta") + Text(told.line, style="default"), soft_wrap=True)
        if told.written:
            console.print(Text("(a written line)", style="dim"))


if __name__ == "__main__":
    open_door("say")
