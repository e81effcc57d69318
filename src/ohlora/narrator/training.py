"""The training text: hand-written lines and the matches they were written for, as rows of JSON lines.

`python -m ohlora.narrator.training` writes training_lines.jsonl from training_lines.yaml, the one home of
every line. A row's match is drawn from its line, so a line that is added or mended moves no other row.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, TypedDict

import yaml

from ohlora.battle.verdict import Verdict
from ohlora.narrator.facts import Facts
from ohlora.narrator.prompt import narrator_prompt
from ohlora.narrator.slots import fill, slots_of
from ohlora.narrator.template import all_lines
from ohlora.narrator.voice import EMOJI

SOURCE, ROWS = "training_lines.yaml", "training_lines.jsonl"
# Every way a human's match can end: one attempt, or two.
CASES: list[tuple[Verdict, ...]] = [*((verdict,) for verdict in Verdict), *product(Verdict, repeat=2)]
# A tenth of the cases, whole: no line of them is trained on. Every verdict, order and winner is in another.
HELD_OUT = {
    (Verdict.LOST_BY_FAR, Verdict.LOST_NARROWLY),
    (Verdict.LOST_NARROWLY, Verdict.LOST_CLEARLY),
    (Verdict.LOST_CLEARLY, Verdict.WON_BY_FAR),
    (Verdict.DRAW, Verdict.LOST_BY_FAR),
    (Verdict.WON_NARROWLY, Verdict.WON_CLEARLY),
    (Verdict.WON_BY_FAR, Verdict.DRAW),
}
NEAR = 0.4  # two lines that share this much of their three-letter pieces are near copies
# Gaps in macro-F1 well inside each margin: three decimals never round one across its boundary.
GAPS = {"none": (0, 0), "narrow": (0.002, 0.019), "clear": (0.021, 0.149), "far": (0.151, 0.36)}
DATASETS = {
    "mnist": "MNIST",
    "fashion": "Fashion-MNIST",
    "cifar10": "CIFAR-10 (JPEG)",
    "digits": "Digits",
}
YOURS = ("my_images", "flowers", "고양이", "receipts 2024")  # stand for the folders that people bring
OPTIMIZERS = ("adam", "adamw")
SCHEDULERS = ("exp_80", "exp_90", "exp_95", "exp_98", "cosine")


class Row(TypedDict):
    """One row of training_lines.jsonl."""

    prompt: str
    completion: str
    language: str
    verdicts: list[str]


@dataclass(frozen=True)
class Line:
    """A line as it was written, and what its match must hold for it to be true."""

    text: str  # with slots
    language: str
    verdicts: tuple[Verdict, ...]
    needs: Mapping[str, str]  # rate, second, dataset, optimizer, scheduler, her_optimizer, her_scheduler

    def match(self, draw: int = 0) -> dict[str, Any]:
        """A match this line is true of, as match.json holds one: the same for the same line and draw."""
        rng = random.Random(" ".join([*self.verdicts, self.language, self.text, *([str(draw)] if draw else [])]))
        gaps = [rng.uniform(*GAPS[verdict.margin]) for verdict in self.verdicts]
        if self.needs.get("second") and self.verdicts[0] is self.verdicts[-1]:
            falling = (self.needs["second"] == "better") == (self.verdicts[0].outcome == "lost")
            gaps.sort(reverse=falling)
        signs = [{"won": 1, "draw": 0, "lost": -1}[verdict.outcome] for verdict in self.verdicts]
        steps = [round(gap * sign, 4) for gap, sign in zip(gaps, signs, strict=True)]
        own = round(rng.uniform(max(0.4, 0.1 - min(steps)), min(0.93, 0.98 - max(steps))), 4)
        rates = [self.rate(rng, 0)] + [self.rate(rng, self.sign) for _ in steps]
        dataset = self.needs.get("dataset") or rng.choice([*DATASETS, *(YOURS if draw else ())])
        attempts = [
            {
                "kind": "human" if place else "ohlora",
                "contestant": "human" if place else "Oh-LoRA",
                "params": self.params(rng, rate, "" if place else "her_"),
                "test_f1": round(own + step, 4),
            }
            for place, (step, rate) in enumerate(zip([0.0, *steps], rates, strict=True))
        ]
        return {
            "dataset": {"name": dataset, "title": DATASETS.get(dataset, dataset)},
            "attempts": attempts,
            "language": self.language,
        }

    @property
    def sign(self) -> int:
        """Where the challenger's learning rates must lie beside hers: 1 above, -1 below, 0 anywhere."""
        return {None: 0, "high": 1, "low": -1}[self.needs.get("rate")]

    def rate(self, rng: random.Random, sign: int) -> float:
        """A learning rate; one that must be high or low is well outside the middle, where hers is then."""
        low, high = {1: (-2.6, -2.25), -1: (-4.6, -3.8), 0: (-3.5, -2.85) if self.sign else (-4.6, -2.25)}[
            sign
        ]
        return float(f"{10 ** rng.uniform(low, high):.2g}")

    def params(self, rng: random.Random, rate: float, whose: str) -> dict[str, Any]:
        return {
            "learning_rate": rate,
            "optimizer": self.needs.get(f"{whose}optimizer") or rng.choice(OPTIMIZERS),
            "scheduler": self.needs.get(f"{whose}scheduler") or rng.choice(SCHEDULERS),
        }

    def spoken(self, match: Mapping[str, Any]) -> str:
        """The line with the facts of `match` in its slots."""
        line = fill(self.text, slots_of(Facts.read(match)))
        if line is None:
            raise ValueError(f"a slot has no answer in {self.verdicts}: {self.text}")
        return line

    def row(self, draw: int = 0) -> Row:
        """The line and the prompt that asks for it."""
        return Row(
            prompt=narrator_prompt(Facts.read(self.match(draw)), self.language),
            completion=self.text,
            language=self.language,
            verdicts=[verdict.value for verdict in self.verdicts],
        )


@cache
def read_source() -> tuple[Line, ...]:
    """Every line of training_lines.yaml, in the order of the file."""
    content = yaml.safe_load(files("ohlora.narrator").joinpath(SOURCE).read_text(encoding="utf-8"))
    lines = []
    for case, languages in content.items():
        verdicts = tuple(map(Verdict, case.split()))
        for language, entries in languages.items():
            for entry in entries:
                text, needs = (entry, {}) if isinstance(entry, str) else entry
                lines.append(Line(text, language, verdicts, needs))
    return tuple(lines)


def read_rows() -> list[Row]:
    """The rows of training_lines.jsonl, trained on or not."""
    text = files("ohlora.narrator").joinpath(ROWS).read_text(encoding="utf-8")
    return [json.loads(row) for row in text.splitlines()]


def split(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows to train on, and those of the held-out cases."""
    held = {tuple(verdict.value for verdict in case) for case in HELD_OUT}
    train = [row for row in rows if tuple(row["verdicts"]) not in held]
    return train, [row for row in rows if tuple(row["verdicts"]) in held]


def pieces(line: str) -> set[str]:
    """Runs of three letters of a line without spaces, signs, digits and emoji."""
    text = re.sub(rf"\{{\w+\}}|{EMOJI}|[\W\d_]", "", line.lower())
    return {text[i : i + 3] for i in range(len(text) - 2)}


def near_copies(language: str, threshold: float = NEAR) -> Iterator[tuple[float, str, str]]:
    """Pairs of written lines too alike; of the template narrator's lines each is set beside these only."""
    own = [line.text for line in read_source() if line.language == language]
    cut = [(line, pieces(line)) for line in [*own, *all_lines(language)]]
    for place in range(len(own)):
        line, found = cut[place]
        for other, against in cut[place + 1 :]:
            shared = len(found & against)
            if shared >= threshold * (len(found) + len(against) - shared):
                yield shared / (len(found) + len(against) - shared), line, other


def write_rows(path: Path) -> int:
    """Write every row, one JSON object a line; return how many."""
    rows = [line.row() for line in read_source()]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return len(rows)


if __name__ == "__main__":
    print(write_rows(Path(__file__).with_name(ROWS)), "rows")
