"""The human: attempts written in a file, or asked for in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Console
from rich.table import Table as RichTable

from ohlora.battle.contestants import Attempt, Kind, Table
from ohlora.battle.phrases import say
from ohlora.errors import OhloraError
from ohlora.space import Params, Real, Space, Value


class WrittenPlayer:
    """Plays what was written, one or two attempts."""

    kind: Kind = "human"

    def __init__(self, name: str, attempts: list[Params]) -> None:
        self.name, self.trials = name, len(attempts)
        self._attempts = attempts

    def propose(self, history: Sequence[Attempt]) -> Params:
        return self._attempts[len(history)]


@dataclass(frozen=True)
class WrittenHuman:
    """conf/human/my_hp.yaml: both attempts known before the match; `second` may be left out."""

    name: str
    first: Mapping[str, Any]
    second: Mapping[str, Any] | None
    language: Literal["ko", "en"]
    rules: Literal["house", "fair"] = "house"

    def check(self, space: Space) -> None:
        self._attempts(space)

    def _attempts(self, space: Space) -> list[Params]:
        attempts, faults = [], []
        for which, given in (("first", self.first), ("second", self.second)):
            if given is None and which == "second":
                continue
            try:
                attempts.append(space.check(given or {}))
            except OhloraError as error:
                faults.append(f"{which} attempt: {error}")
        if faults:
            raise OhloraError("; ".join(faults))
        return attempts

    def sit_down(self, table: Table) -> WrittenPlayer:
        return WrittenPlayer(self.name, self._attempts(table.space))


class AskedPlayer:
    """Asks for one hyperparameter after the other; Enter keeps what is shown."""

    kind: Kind = "human"
    trials = 2

    def __init__(self, name: str, space: Space, language: str, console: Console) -> None:
        self.name = name
        self._space, self._language, self._console = space, language, console

    def propose(self, history: Sequence[Attempt]) -> Params:
        c, lang = self._console, self._language
        if not history:
            c.print(rules_card(self._space, lang))
        else:
            c.print(say("your_val", lang, score=history[-1].val_f1))
        c.print(say("attempt", lang, number=len(history) + 1))
        kept = history[-1].params if history else self._space.at([0.5] * len(self._space.free))
        chosen: dict[str, Value] = {}
        for name, axis in self._space.free.items():
            shown = f"{kept[name]:.4g}" if isinstance(axis, Real) else str(kept[name])
            while True:
                try:
                    answer = c.input(f"  {name} [dim]({axis})[/dim] \\[{shown}]: ").strip()
                except EOFError:
                    raise OhloraError("the terminal closed before every hyperparameter was chosen") from None
                if not answer:
                    chosen[name] = kept[name]
                    break
                value = parse(answer)
                fault = axis.fault(value)
                if fault is None:
                    chosen[name] = value
                    break
                c.print(f"  [red]{name}{fault}[/red]", highlight=False)
        return self._space.check(chosen)


@dataclass(frozen=True)
class AskedHuman:
    """conf/human/prompt.yaml"""

    name: str
    language: Literal["ko", "en"]
    rules: Literal["house", "fair"] = "house"

    def check(self, space: Space) -> None: ...

    def sit_down(self, table: Table) -> AskedPlayer:
        return AskedPlayer(self.name, table.space, self.language, Console())


def parse(answer: str) -> Value:
    """What was typed as a number where it is one."""
    for kind in (int, float):
        try:
            return kind(answer)
        except ValueError:
            continue
    return answer


def rules_card(space: Space, language: str) -> RichTable:
    """Every hyperparameter one may choose, with its range."""
    card = RichTable(title=say("rules_card", language), title_justify="left")
    card.add_column(say("hyperparameter", language))
    card.add_column(say("range", language))
    for name, text in space.describe():
        card.add_row(name, text)
    for name, value in space.fixed.items():
        card.add_row(f"[dim]{name}[/dim]", f"[dim]= {value}[/dim]")
    return card
