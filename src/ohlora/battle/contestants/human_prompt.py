"""A human who is asked in the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console
from rich.table import Table

from ohlora.battle.contestants.base import Attempts, Kind, MatchContext, Rules
from ohlora.battle.phrases import say
from ohlora.errors import OhloraError
from ohlora.space import Params, Real, Space, Value


@dataclass(frozen=True)
class HumanPrompt:
    """Asks for one hyperparameter after the other; Enter keeps what is shown."""

    name: str
    language: str
    trials: ClassVar[int] = 2
    kind: ClassVar[Kind] = "human"
    rules: ClassVar[Rules] = "house"

    def title(self, context: MatchContext, language: str) -> str:
        return say("you", language) if self.name == "you" else self.name

    def check(self, space: Space) -> None: ...

    def attempts(self, context: MatchContext) -> Attempts:
        yield from ask_attempts(context.space, self.language, Console())


def ask_attempts(space: Space, language: str, console: Console) -> Attempts:
    """Two attempts, the second after the first one's score is told."""
    console.print(rules_card(space, language))
    kept = space.at([0.5] * len(space.free))
    for number in (1, 2):
        console.print(say("attempt", language, number=number))
        kept = ask(space, kept, console)
        score = yield kept
        if number == 1:
            console.print(say("your_val", language, score=score))


def ask(space: Space, kept: Params, console: Console) -> Params:
    """Each free hyperparameter in turn."""
    chosen: dict[str, Value] = {}
    for name, axis in space.free.items():
        shown = f"{kept[name]:.4g}" if isinstance(axis, Real) else str(kept[name])
        while True:
            try:
                answer = console.input(f"  {name} [dim]({axis})[/dim] \\[{shown}]: ").strip()
            except EOFError:
                raise OhloraError("the terminal closed before every hyperparameter was chosen") from None
            value = parse(answer) if answer else kept[name]
            fault = axis.fault(value)
            if fault is None:
                chosen[name] = value
                break
            console.print(f"  [red]{name}{fault}[/red]", highlight=False)
    return space.check(chosen)


def parse(answer: str) -> Value:
    """What was typed as a number where it is one."""
    kinds: tuple[Callable[[str], Value], ...] = (int, float)
    for kind in kinds:
        try:
            return kind(answer)
        except ValueError:
            continue
    return answer


def rules_card(space: Space, language: str) -> Table:
    """Every hyperparameter one may choose, with its range."""
    card = Table(title=say("rules_card", language), title_justify="left")
    card.add_column(say("hyperparameter", language))
    card.add_column(say("range", language))
    for name, text in space.describe():
        card.add_row(name, text)
    for name, value in space.fixed.items():
        card.add_row(f"[dim]{name}[/dim]", f"[dim]= {value}[/dim]")
    return card
