"""python -m ohlora chat: talk with her, or show, export or erase what she remembers (conf/chat.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from ohlora.config import Name, config, having
from ohlora.errors import OhloraError


@config
class Chat:
    """A conversation in the terminal."""

    memory: Literal["show", "export", "erase"] | None  # do that with the memory instead of talking
    memory_file: Name
    out: Name | None  # of memory=export; null: the screen
    encoder: Annotated[Any, having("best")]
    moods_encoder: Annotated[Any, having("encoder")]
    moods_dir: Name
    moods: Mapping[Name, Mapping[Name, float]]
    answerer: Annotated[Any, having("answer")]
    battles_dir: Name
    language: Literal["ko", "en"]

    def run(self) -> None:
        from ohlora.chat.store import MemoryStore, erase_file
        from ohlora.chat.terminal import export_memory, show_memory

        path = Path(self.memory_file).expanduser()
        if self.memory == "erase":
            erase_file(path)
            print(f"erased: {path}")
            return
        if self.memory is None:
            self.talk(path)
            return
        with MemoryStore(path) as store:
            if self.memory == "show":
                show_memory(store)
            else:
                export_memory(store, Path(self.out).expanduser() if self.out else None)

    def talk(self, path: Path) -> None:
        from ohlora.chat.conversation import Conversation
        from ohlora.chat.mood import MoodClassifier
        from ohlora.chat.store import MemoryStore
        from ohlora.chat.terminal import FaceTable, Terminal

        self.encoder.check()
        self.answerer.check()
        moods = MoodClassifier(self.moods_dir, self.moods_encoder.encoder)
        if "neutral" not in self.moods:
            raise OhloraError("moods has no neutral")
        with MemoryStore(path) as store:
            conversation = Conversation(
                store, self.encoder, self.answerer, moods, Path(self.battles_dir), self.language
            )
            table = {name: dict(row) for name, row in self.moods.items()}
            Terminal(conversation, FaceTable(table), self.answerer.hello(self.language)).run()
