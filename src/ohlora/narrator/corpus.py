"""Where the text of a pretraining corpus lies; `documents.py` reads it."""

from __future__ import annotations

from ohlora.config import Count, Many, Name, config, deferred


@config
class TextTable:
    """A CSV or TSV file, gzipped or not: some columns of a row make a document."""

    name: Name
    licence: str
    times: Count  # it is trained on
    path: Name
    columns: Many[Name]
    separator: Name
    quoted: bool

    read = deferred("ohlora.narrator.documents", "read_table")


@config
class Conversations:
    """The YAML conversations of one language in the chatterbot-corpus package."""

    name: Name
    licence: str
    times: Count  # it is trained on
    language: Name

    read = deferred("ohlora.narrator.documents", "read_conversations")


TextSource = TextTable | Conversations
