"""What a match shows in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ohlora.battle.contestants.base import Contestant, MatchContext
from ohlora.battle.phrases import literal, plain, say
from ohlora.battle.referee import FRESH_SEEDS, Watch
from ohlora.battle.result import MatchResult
from ohlora.battle.training_thread import Curve, Show
from ohlora.battle.verdict import shown_difference
from ohlora.datasets.subset import Subset
from ohlora.progress import progress
from ohlora.provenance import pasted, program
from ohlora.space import Value


class Screen:
    """Prints a match in one language; `free`: the hyperparameters that can be chosen."""

    def __init__(self, language: str, free: Iterable[str]) -> None:
        self.language = language
        self.free = tuple(free)
        self.console = Console(highlight=False)

    def say(self, key: str, style: str | None = None, **values: object) -> None:
        """Print a phrase; long paths and commands stay whole."""
        self.console.print(say(key, self.language, **values), style=style, soft_wrap=True)

    def introduce(self, subset: Subset, sheet: Path) -> None:
        counts = ", ".join(f"{n}: {c}" for n, c in zip(subset.class_names, subset.class_counts, strict=True))
        self.say("hello", title=subset.title)
        self.say("subset", n=len(subset.train), k=len(subset.class_names), counts=counts)
        self.say("sheet", path=str(sheet))

    def watch(self, context: MatchContext) -> Watch:
        """Shows trainings on `context`: a bar on a terminal, a line at once and one a minute elsewhere."""

        @contextmanager
        def training(contestant: Contestant, number: int, fresh: int, steps: int) -> Iterator[Show]:
            key = "scoring" if fresh else "training"
            name = contestant.title(context, self.language)
            text = plain(key, self.language, name=name, number=fresh or number, n=len(FRESH_SEEDS))
            if not self.console.is_terminal:
                self.console.print(literal(text), style="dim", soft_wrap=True)
            shown = 0
            with progress(steps, text) as advance:

                def show(step: int, curve: Curve) -> None:
                    nonlocal shown
                    advance(step - shown)
                    shown = step

                yield show
                show(steps, ())  # it may stop early

        return training

    def show(self, result: MatchResult, theirs: str, line: str) -> None:
        """Scores, verdicts, who won and what Oh-LoRA says of it; `theirs` is the challenger's title."""
        self.console.print(self.table(result, theirs))
        if result.predicted_f1 is not None:
            self.say("predicted", f1=result.predicted_f1, sd=result.predicted_sd)
        for number, (attempt, verdict) in enumerate(
            zip(result.challenger, result.verdicts, strict=True), start=1
        ):
            difference = shown_difference(attempt.test_f1, result.ohlora.test_f1)
            told = say(verdict.value, self.language, d=difference)
            if len(result.challenger) > 1:
                told = say(f"verdict_{number}", self.language, verdict=told)
            self.console.print(told)
        self.say(f"won_{result.outcome}", style="bold", name=theirs)
        self.console.print(f"[magenta]{say('ohlora', self.language)}:[/magenta] {literal(line)}")

    def table(self, result: MatchResult, theirs: str) -> Table:
        """Every attempt's hyperparameters and scores, a column each."""
        lang = self.language
        table = Table(title=say("result", lang), title_justify="left")
        table.add_column(say("hyperparameter", lang))
        table.add_column(say("ohlora", lang), justify="right")
        name = literal(theirs)
        for number in range(1, len(result.challenger) + 1):
            table.add_column(f"{name} {number}" if len(result.challenger) > 1 else name, justify="right")
        for param in self.free:
            table.add_row(param, *(shown(attempt.params[param]) for attempt in result.attempts))
        table.add_section()
        val = [f"{attempt.val_f1:.3f}" for attempt in result.attempts]
        table.add_row(f"[bold]{say('val', lang)}[/bold]", *val)
        best = max(attempt.test_f1 for attempt in result.attempts)
        test = [
            f"[bold green]{score:.3f}[/bold green]" if score == best else f"{score:.3f}"
            for score in (attempt.test_f1 for attempt in result.attempts)
        ]
        table.add_row(f"[bold]{say('test', lang)}[/bold]", *test)
        return table

    def again(self, seed: int) -> None:
        self.say("again", style="dim", command=again(seed))


def shown(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def again(seed: int) -> str:
    """The command that plays this subset once more, quoted so that it can be pasted."""
    kept = [argument for argument in sys.argv[1:] if not argument.lstrip("+").startswith("subset.seed=")]
    return pasted([*program(), *kept, f"subset.seed={seed}"])
