"""python -m ohlora chat: talk with her, or show, export or erase what she remembers (conf/chat.yaml)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ohlora.chat.retrieval import Small
from ohlora.config import Name, config, having
from ohlora.errors import OhloraError

if TYPE_CHECKING:
    from ohlora.chat.conversation import Conversation


@config
class Chat:
    """A conversation in the terminal."""

    memory: Literal["show", "export", "erase"] | None  # do that with the memory instead of talking
    memory_file: Name
    out: Name | None  # of memory=export; null: the screen
    encoder: Annotated[Any, having("best")]
    moods_encoder: Small  # of the classifier in moods_dir, whose weights fit no other's vectors
    moods_dir: Name
    moods: Mapping[Name, Mapping[Name, float]]
    answerer: Annotated[Any, having("answer")]
    battles_dir: Name
    language: Literal["ko", "en"]

    @property
    def path(self) -> Path:
        """Of the memory."""
        return Path(self.memory_file).expanduser()

    def run(self) -> None:
        from ohlora.chat.store import MemoryStore, erase_file
        from ohlora.chat.terminal import export_memory, show_memory

        if self.memory == "erase":
            erase_file(self.path)
            print(f"erased: {self.path}")
            return
        if self.memory is None:
            self.talk()
            return
        with MemoryStore(self.path) as store:
            if self.memory == "show":
                show_memory(store)
            else:
                export_memory(store, Path(self.out).expanduser() if self.out else None)

    def talk(self) -> None:
        from ohlora.chat.terminal import FaceTable, Terminal

        with self.conversation() as conversation:
            table = {name: dict(row) for name, row in self.moods.items()}
            Terminal(conversation, FaceTable(table), self.answerer.hello(self.language)).run()

    @contextmanager
    def conversation(self) -> Iterator[Conversation]:
        """A conversation over the memory file. Raises OhloraError where anything it needs cannot be used."""
        from ohlora.chat.conversation import Conversation
        from ohlora.chat.mood import MoodClassifier
        from ohlora.chat.store import MemoryStore

        self.encoder.check()
        self.answerer.check()
        moods = MoodClassifier(self.moods_dir, self.moods_encoder.encoder)
        if "neutral" not in self.moods:
            raise OhloraError("moods has no neutral")
        with MemoryStore(self.path) as store:
            yield Conversation(
                store, self.encoder, self.answerer, moods, Path(self.battles_dir), self.language
            )
