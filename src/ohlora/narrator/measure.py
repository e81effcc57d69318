"""How true, how fresh and how fast a narrator is: python -m ohlora measure (conf/measure.yaml)."""

from __future__ import annotations

from collections.abc import Mapping

from ohlora.config import Count, Index, Name, config, deferred
from ohlora.loggers import LoggerChoice
from ohlora.narrator.language_model import LanguageModelNarrator
from ohlora.narrator.lessons import Lessons, Rehearsal
from ohlora.narrator.template import TemplateNarrator

Narrator = LanguageModelNarrator | TemplateNarrator


@config
class Measure:
    """Every way a human's match can end, in both languages: raw lines, shown lines, what is wrong."""

    narrators: Mapping[str, Narrator]  # by name; each is measured in both languages
    base: Name | None  # the first one's model before it was tuned: measured beside it
    matches: Count  # of each case and language
    every: Count  # 1: all cases; 4: each fourth, for a model that writes slowly
    sample: Index  # shown lines set aside to be read by a person
    lessons: Lessons | Rehearsal  # what the fine-tuned one was trained on
    seed: Index
    output_dir: Name
    logger: LoggerChoice

    run = deferred("ohlora.narrator.measuring", "measure")
