"""Gates, targets and what was measured beside them, as rows that can be printed and kept."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from rich.table import Table

from ohlora.errors import OhloraError

Verdict = Literal["target", "gate", "below", "not measured", "for comparison"]
VERDICTS: tuple[Verdict, ...] = ("target", "gate", "below", "not measured", "for comparison")
COLOURS = {"target": "green", "gate": "yellow", "below": "red"}
COLUMNS = ("stage", "quantity", "value", "95 % interval", "gate", "target", "verdict")
Range = tuple[float | None, float | None]  # its ends; None: open


@dataclass(frozen=True)
class Criterion:
    """What a quantity is, and where it must lie; None: nothing is asked of it.

    Below its gate a stage is not merged, its target is the goal.
    """

    what: str
    gate: Range | None
    target: Range | None

    def verdict(self, value: float) -> Verdict:
        """What a value reaches. Where only a target is set, missing it breaks no gate."""
        if self.gate is None and self.target is None:
            return "for comparison"
        if self.target is not None and inside(value, self.target):
            return "target"
        return "gate" if self.gate is None or inside(value, self.gate) else "below"


def inside(value: float, ends: Range) -> bool:
    low, high = ends
    return (low is None or value >= low) and (high is None or value <= high)


def shown(ends: Range | None) -> str:
    """A range as people write it."""
    low, high = ends or (None, None)
    if low is None and high is None:
        return "-"
    if high is None:
        return f">= {low:g}"
    return f"<= {high:g}" if low is None else f"{low:g} to {high:g}"


KINDS: dict[str, Callable[[Any], Range]] = {
    "least": lambda end: (end, None),
    "most": lambda end: (None, end),
    "inside": lambda ends: (ends[0], ends[1]),
}


def criterion(place: str, entry: object) -> Criterion:
    """A row of conf: `{what: ..., least | most | inside: [gate, target]}`; OhloraError where it is none.

    A bound is a number, of `inside` a pair of numbers; null: nothing is asked.
    """
    if not isinstance(entry, Mapping) or not isinstance(entry.get("what"), str):
        raise OhloraError(f"{place} does not say what it is (what: ...)")
    kinds = [key for key in entry if key != "what"]
    if not kinds:
        return Criterion(entry["what"], None, None)
    kind, bounds = kinds[0], entry[kinds[0]]
    if kind not in KINDS or len(kinds) > 1 or not isinstance(bounds, Sequence) or len(bounds) != 2:
        raise OhloraError(f"{place} has no single one of {' | '.join(KINDS)}: [gate, target]")
    if not all(bound is None or is_bound(kind, bound) for bound in bounds):
        raise OhloraError(f"{place}.{kind}={bounds} is not two bounds, gate and target")
    gate, target = (None if bound is None else KINDS[kind](bound) for bound in bounds)
    return Criterion(entry["what"], gate, target)


def is_bound(kind: str, bound: object) -> bool:
    """Whether a bound is of its kind: a number, or two of them."""
    ends = bound if isinstance(bound, Sequence) and not isinstance(bound, str) else [bound]
    if not all(isinstance(end, int | float) for end in ends):
        return False
    return len(ends) == 2 if kind == "inside" else ends == [bound]


@dataclass(frozen=True)
class Row:
    """One quantity of one subject."""

    stage: str  # of conf
    subject: str  # the network, or what else was measured
    name: str
    criterion: Criterion
    value: float | None
    interval: tuple[float, float] | None  # 95 %, by bootstrap over faces
    why: str | None  # it was not measured

    @property
    def verdict(self) -> Verdict:
        return "not measured" if self.value is None else self.criterion.verdict(self.value)

    @property
    def value_cell(self) -> str:
        """Its value among others'."""
        mark = " !" if self.verdict == "below" else ""
        return "-" if self.value is None else f"{self.value:.3f}{mark}"

    @property
    def cells(self) -> tuple[str, ...]:
        """In the order of COLUMNS."""
        return (
            self.subject,
            self.criterion.what,
            "-" if self.value is None else f"{self.value:.3f}",
            f"{self.interval[0]:.3f} to {self.interval[1]:.3f}" if self.interval else "-",
            shown(self.criterion.gate),
            shown(self.criterion.target),
            self.verdict if self.why is None else f"{self.verdict}: {self.why}",
        )

    @property
    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "stage": self.stage,
            "subject": self.subject,
            "name": self.name,
            "quantity": self.criterion.what,
            "value": self.value,
            "interval": self.interval,
            "gate": self.criterion.gate,
            "target": self.criterion.target,
            "verdict": self.verdict,
            "why": self.why,
        }


def rows_of(
    stage: str, subject: str, criteria: Mapping[str, Criterion], scores: Mapping[str, float] | str, size: int
) -> list[Row]:
    """A row to each criterion: `scores[name]` with `name_low` and `name_high`; or why there are no scores.

    `size` is that of the faces measured, pixels a side.
    """
    rows = []
    for name, one in criteria.items():
        value, interval, why = None, None, scores if isinstance(scores, str) else None
        if not isinstance(scores, str):
            found = scores.get(name)
            if found is None or not math.isfinite(found):
                why = f"{subject} gives no {name} at {size} px"
            else:
                value, ends = found, [scores.get(f"{name}_{end}", math.nan) for end in ("low", "high")]
                interval = (ends[0], ends[1]) if all(map(math.isfinite, ends)) else None
        rows.append(Row(stage, subject, name, one, value, interval, why))
    return rows


def lines(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """Cells of each line; neighbours that the same thing kept from being measured share one."""
    for (subject, why), some in groupby(rows, lambda row: (row.subject, row.why)):
        group = list(some)
        if why is None or len(group) == 1:
            yield from (row.cells for row in group)
        else:
            summary = f"{len(group)} quantities: {', '.join(row.name for row in group)}"
            yield subject, summary, "-", "-", "-", "-", f"not measured: {why}"


def rich_table(rows: Sequence[Row]) -> Table:
    """What was measured, in colours."""
    table = Table(*COLUMNS, header_style="bold")
    for row in rows:
        if row.why is None:
            table.add_row(*row.cells, style=COLOURS.get(row.verdict, "dim"))
    return table


def not_measured(rows: Sequence[Row]) -> list[str]:
    """What was not, a line to each reason of a subject."""
    missing = lines([row for row in rows if row.why is not None])
    return [f"{subject}, {what}: {why}" for subject, what, *_, why in missing]


def side_by_side(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Names first, then a line to each quantity: what every subject reaches, `!` where it breaks its gate."""
    subjects = list(dict.fromkeys(row.subject for row in rows))
    quantities: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        quantities.setdefault((row.stage, row.name), {})[row.subject] = row
    table = [("quantity", *subjects, "gate")]
    for some in quantities.values():
        asked = next(iter(some.values())).criterion
        values = [some[subject].value_cell if subject in some else "-" for subject in subjects]
        table.append((asked.what, *values, shown(asked.gate)))
    return table


def rich_side_by_side(rows: Sequence[Row]) -> Table:
    names, *body = side_by_side(rows)
    table = Table(*names, header_style="bold", title="generators side by side; !: breaks its gate")
    for cells in body:
        table.add_row(*cells)
    return table


def markdown(rows: Sequence[Row], header: Sequence[str], beside: Sequence[Row] = ()) -> str:
    """The same as a page, one line of the header a paragraph; then generators side by side."""
    page = ["# Acceptance of her face", *header, pipes([COLUMNS, *lines(rows)]), summary(rows)]
    if beside:
        page += ["## Generators side by side", "!: breaks its gate", pipes(side_by_side(beside))]
    return "\n\n".join(page) + "\n"


def pipes(table: Sequence[Sequence[str]]) -> str:
    """A table of Markdown; its first line is the head."""
    head, *body = table
    return "\n".join(
        f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
        for cells in (head, ["---"] * len(head), *body)
    )


def summary(rows: Sequence[Row]) -> str:
    """How many rows reached what."""
    counts = Counter(row.verdict for row in rows)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
