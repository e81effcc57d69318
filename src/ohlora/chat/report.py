"""python -m ohlora chat-report: what of the chat can be counted (conf/chat_report.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from ohlora.chat.retrieval import Small
from ohlora.config import Count, Index, Name, config, deferred, having
from ohlora.face.acting.expression import Expressions
from ohlora.loggers import LoggerChoice


@config
class ChatReport:
    """Measure memory, answerers and moods, and leave report.json, report.md and a picture."""

    retrievers: Mapping[Name, Annotated[Any, having("scores")] | None]  # by the name in the table
    answerers: Mapping[Name, Annotated[Any, having("answer")] | None]
    moods_encoder: Small
    moods_dir: Name
    expressions: Expressions  # its signs are the baseline
    conversations: Index  # simulated, with kills
    turns: Count
    rows: Count | None  # of each kind of question an answerer is asked; null: all
    asked_after: Count | None  # of the questions asked long after; null: all
    folder: Name  # where the report is left
    output_dir: Name
    seed: Index
    logger: LoggerChoice | None

    run = deferred("ohlora.chat.reporting", "write_report")
