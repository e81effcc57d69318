"""A conversation with the embedded answerer, as conf/answerer/embedded.yaml has it."""

from __future__ import annotations

from pathlib import Path

import pytest

import ohlora.chat
from ohlora.chat.answerer import whole
from ohlora.chat.conversation import Conversation
from ohlora.chat.embedded import EmbeddedAnswerer
from ohlora.chat.mood import MoodClassifier
from ohlora.chat.retrieval import Small
from ohlora.chat.store import MemoryStore

ASSETS = Path(ohlora.chat.__file__).parents[1] / "assets" / "chat"


@pytest.fixture(scope="session")
def small() -> Small:
    return Small(folder=str(ASSETS), threshold=None)


@pytest.fixture(scope="session")
def answerer(small) -> EmbeddedAnswerer:
    return EmbeddedAnswerer(lines=small, threshold=0.866, herself=0.92, herself_named=0.78)


@pytest.fixture
def talk(small, answerer, tmp_path):
    """`talk(line)`: the turn she answers with, in one conversation."""
    with MemoryStore(tmp_path / "memory.sqlite") as store:
        one = Conversation(store, small, answerer, MoodClassifier(ASSETS, small.encoder), tmp_path, "en")

        def say(line: str, token: str | None = None):
            return whole(one.say(line, token))  # type: ignore[arg-type]

        say.store = store  # type: ignore[attr-defined]
        say.folder = tmp_path  # type: ignore[attr-defined]
        yield say
