"""Lines of every case, raw and shown, counted."""

from __future__ import annotations

import random
import re
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from ohlora.battle.verdict import Verdict
from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.narrator.facts import LANGUAGES, Language
from ohlora.narrator.language_model import LanguageModelNarrator
from ohlora.narrator.measure import Measure, Narrator
from ohlora.narrator.training import CASES, HALVES, HELD_OUT, Row, draw_match, examples, read_rows
from ohlora.narrator.voice import EMOJI
from ohlora.progress import Advance, progress
from ohlora.tracking import log_table

Spoken = Mapping[str, Any]  # one line, with what it was said of and what is wrong with it


def measure(job: Measure) -> float:
    """Return the share of the first narrator's raw lines with a known contradiction, 0 to 1."""
    out = Path(job.output_dir)
    asked = dict(job.narrators)
    if job.base:
        asked["base"] = untuned(next(iter(asked.values())), job.base)
    narrators = {name: in_both_languages(narrator) for name, narrator in once_each(asked).items()}
    for narrator in (one for by_language in narrators.values() for one in by_language.values()):
        narrator.check()
    rows, _ = examples(1, job.lessons.splices, job.lessons.held_out, job.seed)
    cases = CASES[:: job.every]
    with progress(len(narrators) * len(LANGUAGES) * len(cases) * job.matches, "matches") as advance:
        spoken = {
            name: [*listen(by_language, cases, job.matches, job.seed, advance)]
            for name, by_language in narrators.items()
        }
    report = {name: counts(lines, rows, job.lessons.held_out) for name, lines in spoken.items()}
    write_json(out / "report.json", report)
    for name, lines in spoken.items():
        shown = [line for line in lines if line["shown"]]
        picked = random.Random(job.seed).sample(shown, min(job.sample, len(shown)))
        write_json(out / f"sample_{name}.json", picked)
        shorter = [{**line, "verdicts": " ".join(line["verdicts"])} for line in picked]
        log_table(job.logger, f"lines_{name}", pd.DataFrame(shorter))
    table, first = Table("", *report), next(iter(report))
    for key in report[first]:
        table.add_row(key, *(as_text(numbers[key]) for numbers in report.values()))
    console = Console(highlight=False)
    console.print(table)
    console.print(f"report: {out}", markup=False, soft_wrap=True)
    rows = [{"quantity": key, **{name: one[key] for name, one in report.items()}} for key in report[first]]
    log_table(job.logger, "measured", pd.DataFrame(rows))
    job.logger.log_metrics(
        {
            f"{name}/{key}": value
            for name, numbers in report.items()
            for key, value in numbers.items()
            if value is not None
        }
    )
    return report[first]["raw lines with a known contradiction"] or 0.0


def once_each(narrators: Mapping[str, Narrator]) -> dict[str, Narrator]:
    """Each narrator under the first of its names."""
    found: dict[str, Narrator] = {}
    for name, narrator in narrators.items():
        if narrator not in found.values():
            found[name] = narrator
    return found


def in_both_languages(narrator: Narrator) -> dict[Language, Narrator]:
    return {language: replace(narrator, language=language) for language in LANGUAGES}


def untuned(narrator: Narrator, base: str) -> LanguageModelNarrator:
    """The same narrator with the model it was tuned from."""
    if not isinstance(narrator, LanguageModelNarrator):
        raise OhloraError("base is the model before fine-tuning: the first narrator must be a language model")
    return replace(narrator, model=base, adapter=None)


def listen(
    by_language: Mapping[Language, Narrator],
    cases: Sequence[tuple[Verdict, ...]],
    matches: int,
    seed: int,
    advance: Advance,
) -> Iterator[Spoken]:
    """Every line, raw and shown, of every match."""
    for language, narrator in by_language.items():
        for case in cases:
            for number in range(matches):
                match = draw_match(case, language, random.Random(f"{seed} {number} {' '.join(case)}"))
                about = {
                    "language": language,
                    "verdicts": [verdict.value for verdict in case],
                    "held_out": case in HELD_OUT,
                }
                started = time.perf_counter()
                if isinstance(narrator, LanguageModelNarrator):
                    drawn = [*narrator.draw(match, 0)]
                    for draw in drawn:
                        yield {
                            **about,
                            "raw": draw.raw,
                            "line": draw.line,
                            "contradictions": draw.contradictions,
                            "faults": draw.faults,
                            "says_who_won": draw.says_who_won,
                            "shown": False,
                        }
                    spoken = narrator.tell(match, drawn)
                else:
                    spoken = narrator.tell(match)
                yield {
                    **about,
                    "line": spoken.line,
                    "refused": len(spoken.refused),
                    "written": spoken.written,
                    "seconds": round(time.perf_counter() - started, 3),
                    "shown": True,
                }
                advance()


def counts(lines: Sequence[Spoken], rows: Sequence[Row], held_out: bool) -> dict[str, float | None]:
    """Shares (0 to 1) and means over a narrator's lines; None where it has no raw ones."""
    raw = [line for line in lines if not line["shown"]]
    shown = [line for line in lines if line["shown"]]
    written = {plain(row["completion"]) for row in read_rows()}
    seen = {plain(row["completion"]) for row in rows}
    halves = {plain(half) for row in read_rows() for half in halves_of(row["completion"])}
    held = [line for line in raw if line["held_out"] and held_out]
    numbers: dict[str, float | None] = {
        "raw lines": len(raw),
        "raw lines with a known contradiction": share(map(contradicts, raw)),
        "of held-out cases": share(map(contradicts, held)),
        "raw lines that do not say who won": share(not line["says_who_won"] for line in raw),
        "raw lines not in her voice": share(bool(line["faults"]) for line in raw),
        "raw lines copied from written ones": share(plain(line["raw"]) in written for line in raw),
        "raw lines seen in training": share(plain(line["raw"]) in seen for line in raw),
        "shown lines": len(shown),
        "raw lines made of two written halves": share(of_written_halves(line["raw"], halves) for line in raw),
        "shown lines that are written ones, as no raw one passed": share(line["written"] for line in shown),
        "lines refused before one was shown": mean(line["refused"] for line in shown),
        "first line, seconds": shown[0]["seconds"],
        "a line, seconds": mean(line["seconds"] for line in shown[1:]),
    }
    for language in LANGUAGES:
        said = [line["line"] for line in shown if line["language"] == language]
        rough = [line for line in raw if line["language"] == language]
        numbers |= {
            f"{language}: raw lines with a known contradiction": share(map(contradicts, rough)),
            f"{language}: raw lines copied": share(plain(line["raw"]) in written for line in rough),
            f"{language}: distinct-2": distinct(said),
            f"{language}: characters": mean(map(len, said)),
            f"{language}: emoji": mean(emoji_in(line) for line in said),
            f"{language}: different lines": share_of_different(said),
        }
    return numbers


def halves_of(line: str) -> tuple[str, ...]:
    """What stands before a line's middle emoji, and after it; the whole where there is none."""
    found = HALVES.fullmatch(line)
    return found.groups() if found else (line,)


def of_written_halves(line: str, halves: set[str]) -> bool:
    """Whether a line is written halves put together: new as a whole, its words are the authors'."""
    return all(plain(half) in halves for half in halves_of(line))


def contradicts(line: Spoken) -> bool:
    return bool(line["contradictions"])


def plain(line: str) -> str:
    """A line's letters and slots alone: a copy with another emoji is still a copy."""
    return re.sub(r"[^\w{}]", "", line.lower())


def distinct(lines: Sequence[str]) -> float | None:
    """distinct-2 (arXiv:1510.03055): different pairs of neighbouring words over all pairs."""
    pairs = [pair for line in lines for pair in zip(line.split(), line.split()[1:], strict=False)]
    return len(set(pairs)) / len(pairs) if pairs else None


def share_of_different(lines: Sequence[str]) -> float | None:
    return len(set(lines)) / len(lines) if lines else None


def emoji_in(line: str) -> int:
    return len(re.findall(EMOJI, line))


def share(flags: Iterable[bool]) -> float | None:
    found = list(flags)
    return sum(found) / len(found) if found else None


def mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return statistics.fmean(found) if found else None


def as_text(value: float | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"
