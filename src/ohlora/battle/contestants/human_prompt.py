"""A human who is asked in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ohlora.battle.contestants.asked_human import AskedHuman
from ohlora.battle.contestants.base import Attempts, MatchContext
from ohlora.battle.contestants.human_file import PlayerName
from ohlora.battle.phrases import meaning, plain, range_text, say
from ohlora.config import config
from ohlora.errors import OhloraError
from ohlora.space import Axis, Choice, Params, Real, Space, Value

BACK = {"back", "b", "뒤로"}


@config
class HumanPrompt(AskedHuman):
    """Asks for one hyperparameter after the other; Enter keeps what is shown."""

    name: PlayerName
    start: Any  # hyperparameter -> what Enter keeps; one that is missing or not allowed: the middle
    language: Literal["ko", "en"]

    def attempts(self, context: MatchContext) -> Attempts:
        start = self.start if isinstance(self.start, Mapping) else {}
        yield from ask_attempts(context.space, start, self.language, Console(highlight=False))


def ask_attempts(space: Space, start: Mapping[str, Any], language: str, console: Console) -> Attempts:
    """Two attempts, the second after the first one's score is told; one where the terminal closes after it.

    Raises OhloraError where it closes before.
    """
    console.print(rules_card(space, language))
    console.print(say("training_meanwhile", language), style="dim")
    middle = space.at([0.5] * len(space.free))
    kept = middle | {
        name: axis.read(start[name])
        for name, axis in space.free.items()
        if axis.fault(start.get(name)) is None
    }
    for number in (1, 2):
        forget_typed()
        console.print(say("attempt", language, number=number))
        try:
            kept = ask(space, kept, language, console)
        except EOFError:
            console.print()
            if number == 1:
                raise OhloraError(plain("no_attempt", language)) from None
            return
        score = yield kept
        if number == 1:
            console.print(say("your_val", language, score=score))


def ask(space: Space, kept: Params, language: str, console: Console) -> Params:
    """Each free hyperparameter in turn. Raises EOFError where the terminal closes."""
    chosen = dict(kept)
    names = list(space.free)
    at = 0
    while at < len(names):
        name = names[at]
        axis = space.free[name]
        shown = f"{chosen[name]:.4g}" if isinstance(axis, Real) else str(chosen[name])
        answer = console.input(
            f"  {name} [dim]({numbered(axis, language)})[/dim] {escape(f'[{shown}]')}: "
        ).strip()
        if answer.lower() in BACK:
            at = max(at - 1, 0)
        elif answer == "?":
            console.print(f"    {meaning(name, language)} ({range_text(axis, language)})")
        elif not answer:
            at += 1
        elif axis.fault(value := parse(answer, axis)) is None:
            chosen[name] = axis.read(value)
            at += 1
        else:
            fault = say(
                "not_allowed", language, name=name, answer=answer[:40], range=range_text(axis, language)
            )
            console.print(f"  [red]{fault}[/red]")
    return space.check(chosen)


def numbered(axis: Axis, language: str) -> str:
    """A range; options that are words with the number that stands for each: `1 relu | 2 leaky_relu`."""
    if isinstance(axis, Choice) and not axis.ordered:
        return " | ".join(f"{number} {option}" for number, option in enumerate(axis.options, start=1))
    return range_text(axis, language)


def parse(answer: str, axis: Axis) -> Value:
    """What was typed: of words an option's number, any capitals and a beginning will do; else a number."""
    if isinstance(axis, Choice) and not axis.ordered:
        options = [str(option) for option in axis.options]
        if answer.isdecimal() and 1 <= int(answer) <= len(options):
            return options[int(answer) - 1]
        word = answer.lower()
        begun = [option for option in options if option.lower().startswith(word)]
        return word if word in options or len(begun) != 1 else begun[0]
    for kind in (int, float):
        try:
            return kind(answer.replace(",", ".", 1))
        except ValueError:
            continue
    return answer


def forget_typed() -> None:
    """Drop what was typed before the question: it answers none."""
    try:
        if not sys.stdin.isatty():
            return
        if sys.platform == "win32":
            import msvcrt

            while msvcrt.kbhit():
                msvcrt.getwch()
        else:
            import termios

            termios.tcflush(sys.stdin, termios.TCIFLUSH)
    except (OSError, ValueError, AttributeError):  # no terminal after all
        return


def rules_card(space: Space, language: str) -> Table:
    """Every hyperparameter one may choose, with its range."""
    card = Table(title=say("rules_card", language), title_justify="left")
    for column in ("hyperparameter", "range", "meaning"):
        card.add_column(say(column, language))
    for name, axis in space.free.items():
        card.add_row(name, range_text(axis, language), meaning(name, language))
    for name, value in space.fixed.items():
        card.add_row(f"[dim]{name}[/dim]", f"[dim]= {value}[/dim]", "")
    return card
