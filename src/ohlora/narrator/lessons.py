"""What a language model is fine-tuned on: lines written for Oh-LoRA, then lines of its own that were true."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from ohlora.config import Count, Positive, config
from ohlora.durable import write_text
from ohlora.errors import OhloraError
from ohlora.narrator.facts import LANGUAGES, Facts, Persona
from ohlora.narrator.language_model import LanguageModelNarrator
from ohlora.narrator.prompt import narrator_prompt
from ohlora.narrator.training import CASES, HELD_OUT, Row, draw_match, examples
from ohlora.progress import progress

Rows = tuple[list[Row], list[Row]]  # to train on, to evaluate on
# Of the pairs of a case's lines: their halves make new lines. What is left over is evaluated on.
Splices = Annotated[float, Ge(0), Le(0.9)]


def spread(rows: list[Row], most: int | None) -> list[Row]:
    """At most so many rows, evenly spread over all of them."""
    return rows[:: math.ceil(len(rows) / most)] if most else rows


@config
class Lessons:
    """The written lines and splices of them, each beside matches it is true of."""

    draws: Count  # matches each line is set beside
    splices: Splices
    held_out: bool  # keep the lines of six cases for evaluation
    evaluated: Count | None  # rows that are evaluated on, at most; None: all that are held out
    max_length: Count  # tokens of a prompt and its line
    stage: ClassVar[str] = "Fine-tuning"

    def rows(self, model: str, persona: Persona | None, seed: int, folder: Path) -> Rows:
        """The same rows for every model."""
        rows, held = examples(self.draws, self.splices, self.held_out, seed)
        return rows, spread(held, self.evaluated)


@config
class Rehearsal:
    """What a tuned model says of new matches, where the checker finds nothing false in it and it is in voice.

    Trained on its own lines that pass (rejection sampling, RAFT: arXiv:2304.06767), it contradicts a match
    less often, at no cost to how fresh it is: nobody has to write another line. The checker that picks them
    also counts its contradictions; lines labelled by hand (tests/narrator) say how much it overlooks.
    """

    matches: Count  # of each case and language
    draws: Count  # lines on each
    temperature: Positive
    top_p: Annotated[float, Gt(0), Le(1)]
    max_tokens: Count  # of a line
    splices: Splices  # of the lessons it was tuned on: what those left out is evaluated on
    held_out: bool
    evaluated: Count | None
    max_length: Count  # tokens of a prompt and its line
    stage: ClassVar[str] = "Rehearsal"

    def rows(self, model: str, persona: Persona | None, seed: int, folder: Path) -> Rows:
        """Draw lines from `model`, once: a resumed run reads them from its folder."""
        path = folder / "rehearsed.jsonl"
        if not path.is_file():
            rows = self.rehearsed(model, persona, seed)
            if not rows:
                raise OhloraError(f"{model}: none of its lines is true and in her voice; fine-tune it first")
            write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        rehearsed = [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()]
        return rehearsed, spread(examples(1, self.splices, self.held_out, seed)[1], self.evaluated)

    def rehearsed(self, model: str, persona: Persona | None, seed: int) -> list[Row]:
        """Every line that passes, of every case and language."""
        cases = [case for case in CASES if not (self.held_out and case in HELD_OUT)]
        wanted = [
            (language, case, number)
            for language in LANGUAGES
            for case in cases
            for number in range(self.matches)
        ]
        narrators = {
            language: LanguageModelNarrator(
                language=language,
                seed=seed,
                model=model,
                adapter=None,
                persona=persona,
                draws=self.draws,
                rounds=1,
                temperature=self.temperature,
                top_p=self.top_p,
                max_tokens=self.max_tokens,
                device="auto",
            )
            for language in LANGUAGES
        }
        rows: list[Row] = []
        with progress(len(wanted), "matches rehearsed") as advance:
            for language, case, number in wanted:
                rng = random.Random(f"rehearsal {seed} {number} {' '.join(case)}")
                match = draw_match(case, language, rng)
                rows += [
                    Row(
                        prompt=narrator_prompt(Facts.read(match), language),
                        completion=draw.raw,
                        language=language,
                        verdicts=[verdict.value for verdict in case],
                    )
                    for draw in narrators[language].draw(match, number)
                    if draw.shown
                ]
                advance()
        return rows
