"""How true, how fresh and how fast a narrator is: python -m ohlora.narrator.measure (conf/measure.yaml)."""

from __future__ import annotations

import random
import re
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ohlora.door import open_door


@dataclass(frozen=True)
class Measure:
    """Every way a human's match can end, in both languages: raw lines, shown lines, what is wrong."""

    narrators: Mapping[str, Mapping[str, Any]]  # by name: one of each language
    base: str | None  # the first one's model before it was tuned: measured beside it
    matches: int  # of each case and language
    sample: int  # shown lines set aside to be read by a person
    lessons: Any  # Lessons: what the fine-tuned one was trained on
    seed: int
    output_dir: str
    logger: Any

    def run(self) -> float:
        """Return the share of the first narrator's raw lines that contradict their match, 0 to 1."""
        from rich.console import Console
        from rich.table import Table

        from ohlora.durable import write_json
        from ohlora.narrator.training import examples

        out = Path(self.output_dir)
        rows, _ = examples(1, self.lessons.splices, self.lessons.held_out, self.seed)
        narrators = dict(self.narrators)
        if self.base:
            tuned = next(iter(narrators.values()))
            narrators["base"] = {
                language: replace(narrator, model=self.base, adapter=None)
                for language, narrator in tuned.items()
            }
        spoken = {name: [*self.listen(by_language)] for name, by_language in narrators.items()}
        report = {name: self.judge(lines, rows) for name, lines in spoken.items()}
        write_json(out / "report.json", report)
        for name, lines in spoken.items():
            shown = [line for line in lines if line["shown"]]
            picked = random.Random(self.seed).sample(shown, min(self.sample, len(shown)))
            write_json(out / f"sample_{name}.json", picked)
        table = Table("", *report)
        for key in next(iter(report.values())):
            table.add_row(key, *(as_text(numbers[key]) for numbers in report.values()))
        console = Console(highlight=False)
        console.print(table)
        console.print(f"report: {out}", soft_wrap=True)
        first = next(iter(report.values()))
        self.logger.log_metrics({key: value for key, value in first.items() if value is not None})
        return first["raw lines that contradict"] or 0.0

    def listen(self, by_language: Mapping[str, Any]) -> Any:
        """Every line, raw and shown, of every match."""
        from ohlora.narrator.template import TemplateNarrator
        from ohlora.narrator.training import CASES, HELD_OUT, draw_match

        for language, narrator in by_language.items():
            for case in CASES:
                for number in range(self.matches):
                    rng = random.Random(f"{self.seed} {number} {' '.join(case)}")
                    match = draw_match(case, language, rng)
                    about = {
                        "language": language,
                        "verdicts": [verdict.value for verdict in case],
                        "held_out": case in HELD_OUT,
                    }
                    if not isinstance(narrator, TemplateNarrator):
                        for draw in narrator.draw(match, 0):
                            yield {
                                **about,
                                "raw": draw.raw,
                                "line": draw.line,
                                "contradictions": draw.contradictions,
                                "faults": draw.faults,
                                "shown": False,
                            }
                    started = time.perf_counter()
                    told = narrator.tell(match)
                    yield {
                        **about,
                        "line": told.line,
                        "refused": len(told.refused),
                        "written": told.written,
                        "seconds": round(time.perf_counter() - started, 3),
                        "shown": True,
                    }

    def judge(
        self, lines: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
    ) -> dict[str, float | None]:
        """Shares (0 to 1) and means over a narrator's lines; None where it has no raw ones."""
        from ohlora.narrator.training import read_rows

        raw = [line for line in lines if not line["shown"]]
        shown = [line for line in lines if line["shown"]]
        written = {plain(row["completion"]) for row in read_rows()}
        seen = {plain(row["completion"]) for row in rows}
        held = [line for line in raw if line["held_out"] and self.lessons.held_out]
        numbers: dict[str, float | None] = {
            "raw lines": len(raw),
            "raw lines that contradict": share(map(false, raw)),
            "of held-out cases": share(map(false, held)),
            "raw lines not in her voice": share(bool(line["faults"]) for line in raw),
            "raw lines copied from written ones": share(plain(line["raw"]) in written for line in raw),
            "raw lines seen in training": share(plain(line["raw"]) in seen for line in raw),
            "shown lines": len(shown),
            "shown lines that are written ones": share(line["written"] for line in shown),
            "lines refused before one was shown": mean(line["refused"] for line in shown),
            "first line, seconds": shown[0]["seconds"],
            "a line, seconds": mean(line["seconds"] for line in shown[1:]),
        }
        for language in ("ko", "en"):
            said = [line["line"] for line in shown if line["language"] == language]
            rough = [line for line in raw if line["language"] == language]
            numbers |= {
                f"{language}: raw lines that contradict": share(map(false, rough)),
                f"{language}: raw lines copied": share(plain(line["raw"]) in written for line in rough),
                f"{language}: distinct-2": distinct(said),
                f"{language}: characters": mean(map(len, said)),
                f"{language}: emoji": mean(emoji_in(line) for line in said),
                f"{language}: different lines": share_of_different(said),
            }
        return numbers


def false(line: Mapping[str, Any]) -> bool:
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
    from ohlora.narrator.voice import EMOJI

    return len(re.findall(EMOJI, line))


def share(flags: Any) -> float | None:
    found = list(flags)
    return sum(found) / len(found) if found else None


def mean(values: Any) -> float | None:
    found = list(values)
    return statistics.fmean(found) if found else None


def as_text(value: float | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"


if __name__ == "__main__":
    open_door("measure")
