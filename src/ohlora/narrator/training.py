"""The training text: the hand-written lines of training_lines.yaml, each beside the prompt that asks for it.

A row's match is drawn from its line, so a line that is added or mended moves no other row.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice, permutations, product
from types import MappingProxyType
from typing import TypedDict

import yaml

from ohlora.battle.result import DatasetName, MatchResult, Played
from ohlora.battle.verdict import FAR, NARROW, Verdict, final
from ohlora.datasets.titles import TITLES
from ohlora.narrator.facts import LANGUAGES, Facts
from ohlora.narrator.prompt import narrator_prompt
from ohlora.narrator.slots import fill, slots_of
from ohlora.narrator.template import all_lines
from ohlora.narrator.truth import contradictions
from ohlora.narrator.voice import EMOJI, faults
from ohlora.schedules import SCHEDULES

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
EVALUATED = 0.02  # of all pairs of a case's lines: spliced to be evaluated on where no case is held out
NEAR = 0.4  # two lines that share this much of their three-letter pieces are near copies
INSIDE = 0.001  # scores are shown with three decimals: none is then rounded across a margin's boundary
# Gaps in macro-F1 by margin.
GAPS = {
    "none": (0, 0),
    "narrow": (0.002, NARROW - INSIDE),
    "clear": (NARROW + INSIDE, FAR - INSIDE),
    "far": (FAR + INSIDE, 0.36),
}
DATASETS = ("mnist", "fashion", "cifar10_jpeg", "digits")
YOURS = ("my_images", "flowers", "고양이", "receipts 2024")  # stand for the folders that people bring
OPTIMIZERS = ("adam", "adamw")  # of conf/axes/cnn.yaml, as a test makes sure; no prompt names them
SCHEDULERS = tuple(SCHEDULES)


class Row(TypedDict):
    """A line, and the prompt that asks for it."""

    prompt: str
    completion: str
    language: str
    verdicts: list[str]


def draw_match(
    verdicts: Sequence[Verdict],
    language: str,
    rng: random.Random,
    datasets: Sequence[str] = DATASETS,
    needs: Mapping[str, str] = MappingProxyType({}),
) -> MatchResult:
    """A human's match that ended as `verdicts` say and has what a line needs."""
    gaps = [rng.uniform(*GAPS[verdict.margin]) for verdict in verdicts]
    if needs.get("second") and verdicts[0] is verdicts[-1]:
        falling = (needs["second"] == "better") == (verdicts[0].outcome == "lost")
        gaps.sort(reverse=falling)
    signs = [{"won": 1, "draw": 0, "lost": -1}[verdict.outcome] for verdict in verdicts]
    steps = [round(gap * sign, 4) for gap, sign in zip(gaps, signs, strict=True)]
    own = round(rng.uniform(max(0.4, 0.1 - min(steps)), min(0.93, 0.98 - max(steps))), 4)
    # Where the challenger's learning rates must lie beside hers: 1 above, -1 below, 0 anywhere.
    sign = {None: 0, "high": 1, "low": -1}[needs.get("rate")]
    rates = [draw_rate(rng, 0, sign != 0)] + [draw_rate(rng, sign, sign != 0) for _ in steps]
    dataset = needs.get("dataset") or rng.choice(datasets)
    attempts = [
        Played(
            contestant="human" if place else "Oh-LoRA",
            kind="human" if place else "ohlora",
            params={
                "learning_rate": rate,
                "optimizer": needs.get(f"{whose}optimizer") or rng.choice(OPTIMIZERS),
                "scheduler": needs.get(f"{whose}scheduler") or rng.choice(SCHEDULERS),
            },
            val_f1=round(own + step, 4),
            test_f1=round(own + step, 4),
        )
        for place, (step, rate, whose) in enumerate(
            zip([0.0, *steps], rates, ["her_", *[""] * len(steps)], strict=True)
        )
    ]
    return MatchResult(
        dataset=DatasetName(dataset, TITLES.get(dataset, dataset)),
        subset=None,
        rules="house",
        attempts=tuple(attempts),
        verdicts=tuple(verdicts),
        winner=final(verdicts),
        predicted_f1=None,
        predicted_sd=None,
        seal=None,
        language=language,
        commit="",
    )


def draw_rate(rng: random.Random, sign: int, apart: bool) -> float:
    """A learning rate: with `apart`, hers (sign 0) in the middle, high (1) and low (-1) ones well outside."""
    low, high = {1: (-2.6, -2.25), -1: (-4.6, -3.8), 0: (-3.5, -2.85) if apart else (-4.6, -2.25)}[sign]
    return float(f"{10 ** rng.uniform(low, high):.2g}")


@dataclass(frozen=True)
class Line:
    """A line as it was written, and what its match must hold for it to be true."""

    text: str  # with slots
    language: str
    verdicts: tuple[Verdict, ...]
    needs: Mapping[str, str]  # rate, second, dataset, optimizer, scheduler, her_optimizer, her_scheduler

    def match(self, draw: int = 0) -> MatchResult:
        """A match this line is true of: the same for the same line and draw."""
        text = " ".join([*self.verdicts, self.language, self.text, *([str(draw)] if draw else [])])
        datasets = [*DATASETS, *(YOURS if draw else ())]
        return draw_match(self.verdicts, self.language, random.Random(text), datasets, self.needs)

    def spoken(self, match: MatchResult) -> str:
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
    content = yaml.safe_load(
        files("ohlora.narrator").joinpath("training_lines.yaml").read_text(encoding="utf-8")
    )
    lines = []
    for case, languages in content.items():
        verdicts = tuple(map(Verdict, case.split()))
        for language, entries in languages.items():
            for entry in entries:
                text, needs = (entry, {}) if isinstance(entry, str) else entry
                lines.append(Line(text, language, verdicts, needs))
    return tuple(lines)


def read_rows() -> list[Row]:
    """Every written line with its prompt, trained on or held out."""
    return [line.row() for line in read_source()]


def split(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows to train on, and those of the held-out cases."""
    held = {tuple(verdict.value for verdict in case) for case in HELD_OUT}
    train = [row for row in rows if tuple(row["verdicts"]) not in held]
    return train, [row for row in rows if tuple(row["verdicts"]) in held]


# A line's two halves: it has an emoji in the middle.
HALVES = re.compile(rf"(.*?\w[^\w]*?(?:{EMOJI})+)\s+(.*\w.*)")


def spliced(lines: Sequence[Line], share: float, seed: int) -> list[Line]:
    """New lines, each the first half of one and the second half of another of its case, `share` of all pairs.

    They teach a model that halves can be combined, so that it does not learn lines by heart; the other
    pairs are for it to find. What is then false of its match or out of her voice is left out. (Halves of
    other cases with the same winner were tried: too often they tell of another first attempt.)
    """
    rng = random.Random(seed)
    found = []
    for case, language in product(CASES, LANGUAGES):
        native = [line for line in lines if (line.verdicts, line.language) == (case, language)]
        pairs = list(permutations(native, 2))
        joined = (join(head, tail) for head, tail in rng.sample(pairs, len(pairs)))
        found += islice((line for line in joined if line and is_true(line)), round(share * len(pairs)))
    return found


def join(head: Line, tail: Line) -> Line | None:
    """The first half of one line and the second of another, None where they need matches that differ."""
    first, second = HALVES.fullmatch(head.text), HALVES.fullmatch(tail.text)
    needs = {**head.needs, **tail.needs}
    if not (first and second) or any(needs[name] != value for name, value in head.needs.items()):
        return None
    return Line(f"{first[1]} {second[2]}", head.language, head.verdicts, needs)


def is_true(line: Line, draws: int = 2) -> bool:
    """Whether a line is true of its matches and in her voice."""
    for draw in range(draws):
        match = line.match(draw)
        text = fill(line.text, slots_of(Facts.read(match)))
        if text is None or contradictions(text, match) or faults(text, line.language):
            return False
    return True


def examples(draws: int, splices: float, held_out: bool, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows to evaluate on.

    Every written line and every one spliced from `splices` of the pairs, each beside `draws` matches or,
    in the language that has fewer lines, so many more that both have as many rows: beside one match only,
    a model learns by heart which line goes with which dataset. With `held_out` nothing is made from the
    lines of the held-out cases, which are evaluated on; without, spliced lines that were left out are.
    """
    written = read_source()
    lines = [line for line in written if not (held_out and line.verdicts in HELD_OUT)]
    made = spliced(lines, splices, seed)
    trained = {
        language: [line for line in (*lines, *made) if line.language == language] for language in LANGUAGES
    }
    most = max(map(len, trained.values()))
    rows = [
        line.row(draw)
        for native in trained.values()
        for draw in range(round(draws * most / len(native)))
        for line in native
    ]
    if held_out:
        unseen = [line for line in written if line.verdicts in HELD_OUT]
    else:
        known = {line.text for line in made}
        unseen = [line for line in spliced(lines, splices + EVALUATED, seed) if line.text not in known]
    return rows, [line.row() for line in unseen]


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
