"""What a language model is fine-tuned on to talk as she does: the dialogue rows, by the prompt of use."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from ohlora.chat.answerer import Context
from ohlora.chat.battles import Tally
from ohlora.chat.fact import read_line
from ohlora.chat.prompt import chat_prompt, completion
from ohlora.chat.remembering import ToRemember
from ohlora.chat.text_files import Row, of_split
from ohlora.config import Count, config
from ohlora.narrator.facts import Persona
from ohlora.narrator.lessons import Rows
from ohlora.narrator.training import Row as LessonRow

TIME = datetime(2026, 1, 1, tzinfo=UTC)  # rows have none


@config
class ChatLessons:
    """Every dialogue row of the training split; those of the held-out split are evaluated on."""

    max_length: Count  # tokens of a prompt and its completion
    stage: ClassVar[str] = "Fine-tuning for conversation"

    def rows(self, model: str, persona: Persona | None, seed: int, folder: Path) -> Rows:
        """The same rows for every model."""
        train, held = (
            [lesson(row) for row in of_split("dialogues", split)] for split in ("train", "held_out")
        )
        return train, held


def lesson(row: Row) -> LessonRow:
    remember = [ToRemember(one["key"], one["value"], one["days"]) for one in row["write"]]
    return LessonRow(
        prompt=chat_prompt(context_of(row)),
        completion=completion(row["reply"], remember),
        language=row["language"],
        verdicts=[],
    )


def context_of(row: Row) -> Context:
    """A dialogue row as an answerer is asked."""
    facts = tuple(filter(None, (read_line(line, TIME) for line in row["memory"])))
    history = tuple((user, reply) for user, reply in row["history"])
    return Context(row["user"], row["language"], facts, history, Tally(), None)
