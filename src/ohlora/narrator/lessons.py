"""What a language model is fine-tuned on: lines written for Oh-LoRA, then lines of her own that were true."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ohlora.narrator.training import Row

Rows = tuple[list[Row], list[Row]]  # to train on, to evaluate on
Check = tuple[str, Any, bool, str]  # setting, value, whether it is allowed, what is


@dataclass(frozen=True)
class Lessons:
    """The written lines and splices of them, each beside matches it is true of."""

    draws: int  # matches each line is set beside
    splices: float  # share of the pairs of a case's lines whose halves make a new one, 0 to 0.9
    held_out: bool  # keep the lines of six cases for evaluation
    max_length: int  # tokens of a prompt and its line
    stage: ClassVar[str] = "Fine-tuning"

    def checks(self) -> list[Check]:
        """What has to hold before anything is loaded."""
        return [
            ("lessons.draws", self.draws, self.draws >= 1, "1 or more"),
            ("lessons.splices", self.splices, 0 <= self.splices <= 0.9, "0 to 0.9"),
        ]

    def rows(self, model: str, persona: Mapping[str, str] | None, seed: int, folder: Path) -> Rows:
        """The same rows for every model."""
        from ohlora.narrator.training import examples

        return examples(self.draws, self.splices, self.held_out, seed)


@dataclass(frozen=True)
class Rehearsal:
    """What a tuned model says of new matches, where that is true and in her voice.

    Trained on its own lines that pass (rejection sampling, RAFT: arXiv:2304.06767), it contradicts a match
    less often, at no cost to how fresh it is: nobody has to write another line.
    """

    matches: int  # of each case and language
    draws: int  # lines on each
    temperature: float
    top_p: float
    max_tokens: int  # of a line
    splices: float  # of the lessons it was tuned on: what those left out is evaluated on
    held_out: bool
    max_length: int  # tokens of a prompt and its line
    stage: ClassVar[str] = "Rehearsal"

    def checks(self) -> list[Check]:
        """What has to hold before anything is loaded."""
        return [
            ("lessons.matches", self.matches, self.matches >= 1, "1 or more"),
            ("lessons.draws", self.draws, self.draws >= 1, "1 or more"),
            ("lessons.temperature", self.temperature, self.temperature > 0, "above 0"),
            ("lessons.top_p", self.top_p, 0 < self.top_p <= 1, "above 0, at most 1"),
            ("lessons.splices", self.splices, 0 <= self.splices <= 0.9, "0 to 0.9"),
        ]

    def rows(self, model: str, persona: Mapping[str, str] | None, seed: int, folder: Path) -> Rows:
        """Draw lines from `model`, once: a resumed run reads them from its folder."""
        from ohlora.durable import write_text
        from ohlora.errors import OhloraError
        from ohlora.narrator.training import examples

        kept = folder / "rehearsed.jsonl"
        if not kept.is_file():
            rows = self.rehearsed(model, persona, seed)
            if not rows:
                raise OhloraError(f"{model}: none of its lines is true and in her voice; fine-tune it first")
            write_text(kept, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        told = [json.loads(row) for row in kept.read_text(encoding="utf-8").splitlines()]
        return told, examples(1, self.splices, self.held_out, seed)[1]

    def rehearsed(self, model: str, persona: Mapping[str, str] | None, seed: int) -> list[Row]:
        """Every true line of every case and language."""
        from rich.progress import track

        from ohlora.narrator.facts import LANGUAGES, Facts
        from ohlora.narrator.language_model import LanguageModelNarrator
        from ohlora.narrator.prompt import narrator_prompt
        from ohlora.narrator.training import CASES, HELD_OUT, draw_match

        cases = [case for case in CASES if not (self.held_out and case in HELD_OUT)]
        rows = []
        for language in LANGUAGES:
            narrator = LanguageModelNarrator(
                language,
                seed,
                model,
                adapter=None,
                persona=persona,
                draws=self.draws,
                rounds=1,
                temperature=self.temperature,
                top_p=self.top_p,
                max_tokens=self.max_tokens,
                device="auto",
            )
            wanted = [(case, number) for case in cases for number in range(self.matches)]
            for case, number in track(wanted, description=f"rehearsing, {language}"):
                rng = random.Random(f"rehearsal {seed} {number} {' '.join(case)}")
                match = draw_match(case, language, rng)
                rows += [
                    Row(
                        prompt=narrator_prompt(Facts.read(match), language),
                        completion=draw.raw,
                        language=language,
                        verdicts=[verdict.value for verdict in case],
                    )
                    for draw in narrator.draw(match, number)
                    if draw.shown
                ]
        return rows
