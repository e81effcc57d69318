"""A language model speaks for Oh-LoRA; a line with a known contradiction or out of her voice is not shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar

from annotated_types import Gt, Le

from ohlora.battle.narration import Told
from ohlora.battle.result import MatchResult
from ohlora.config import Count, Index, Name, Positive, compared, config, deferred
from ohlora.hardware import Device
from ohlora.narrator.facts import Facts, Language, Persona
from ohlora.narrator.prompt import narrator_prompt
from ohlora.narrator.slots import fill, slots_of
from ohlora.narrator.template import TemplateNarrator
from ohlora.narrator.truth import contradictions, says_who_won
from ohlora.narrator.voice import faults


@dataclass(frozen=True)
class Draw:
    """A line as a model wrote it, and why it may not be shown."""

    raw: str  # slots not filled yet
    line: str  # filled; as raw where a slot has no answer
    contradictions: list[str]
    faults: list[str]  # of her voice
    says_who_won: bool  # in words that the checker knows

    @property
    def shown(self) -> bool:
        return self.says_who_won and not (self.contradictions or self.faults)


@config
class LanguageModelNarrator:
    """Says a line that a causal language model writes, says who won, and has no known contradiction.

    A few lines are drawn at once, the first good one is said; where none is, others, up to `rounds` times;
    then a written line. The same match and seed give the same line on the same machine.
    """

    instead: ClassVar[str] = "narrator=tiny"  # where a model cannot be fetched

    language: Language
    seed: Index | None  # None: 0
    model: Name  # a folder, or a name on the Hub
    adapter: Name | None  # a folder or name of a PEFT adapter for it
    persona: Persona | None  # system prompt, by language
    draws: Count  # lines drawn at once
    rounds: Count  # times it may draw
    temperature: Positive
    top_p: Annotated[float, Gt(0), Le(1)]  # nucleus sampling (arXiv:1904.09751)
    max_tokens: Count
    device: Device

    @compared
    def persona_speaks_the_language(self) -> None:
        if self.persona and self.language not in self.persona:
            raise ValueError(f"persona has no {self.language} (it has {' | '.join(self.persona)})")

    # Whether model and adapter are there, whole and of each other, without loading them.
    check = deferred("ohlora.narrator.model_folder", "check_narrator")
    # `draws` raw lines for a prompt; the seed is mixed with the prompt's text.
    write = deferred("ohlora.narrator.generation", "write_lines")
    load = deferred("ohlora.narrator.generation", "load_narrator")

    def tell(self, match: MatchResult, drawn: Iterable[Draw] | None = None) -> Told:
        """A line on `match`, and the lines refused before it; `drawn` are draw 0's, if there are some."""
        match = replace(match, language=self.language)
        refused: list[str] = []
        if Facts.read(match).human:  # there is no training text on machines
            for number in range(self.rounds):
                for draw in self.draw(match, number) if number or drawn is None else drawn:
                    if draw.shown:
                        return Told(draw.line, refused=tuple(refused), written=False)
                    refused.append(draw.line)
        line = TemplateNarrator(self.language, self.seed).tell(match).line
        return Told(line, refused=tuple(refused), written=True)

    def draw(self, match: MatchResult, number: int) -> Iterator[Draw]:
        """The lines of the draw called `number`, each with what is wrong with it."""
        facts = Facts.read(match)
        values = slots_of(facts)
        for raw in self.write(narrator_prompt(facts, self.language), (self.seed or 0, number)):
            line = fill(raw, values)
            if line is None:
                yield Draw(raw, raw, [], ["a slot that this match has no answer for"], says_who_won=False)
            else:
                who = says_who_won(line, match)
                yield Draw(raw, line, contradictions(line, match), faults(line, self.language), who)

    @cached_property
    def loaded(self) -> tuple[Any, Any]:
        """Tokenizer and model, read when the first line is wanted."""
        return self.load()
