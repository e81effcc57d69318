"""The conversation in a terminal: replies as they come, commands with a slash, piped lines too."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from ohlora.chat.conversation import Conversation, Said
from ohlora.chat.fact import Fact, plain_key
from ohlora.chat.mood import Mood
from ohlora.chat.store import MemoryStore
from ohlora.errors import OhloraError, nearest
from ohlora.provenance import program
from ohlora.text import counted, printable

COMMANDS = {
    "/memory": "what I remember",
    "/forget KEY": "delete that for good, and the turns that tell of it; /forget all: everything",
    "/face": "my face now",
    "/battle [SETTINGS]": "a hyperparameter battle: /battle dataset=digits",
    "/help": "this list",
    "/quit": "leave (Ctrl-D)",
}


class Terminal:
    """Reads lines, writes replies; a mistake is one line, and the conversation goes on."""

    def __init__(
        self, conversation: Conversation, face: FaceTable, hello: str, out: TextIO | None = None
    ) -> None:
        self.conversation, self.face, self.out = conversation, face, out or sys.stdout
        self.mood = Mood("neutral", 0.0)
        self.hello = hello
        self.asking = sys.stdin.isatty()

    def run(self) -> None:
        """Talk until /quit, the end of the input, or Ctrl-C at an empty prompt."""
        if self.asking:
            with suppress(ImportError):
                import readline  # noqa: F401  arrows and history of what was typed
            self.show(self.hello)
        for line in self.lines():
            if not line.strip():
                continue
            try:
                if line.startswith("/"):
                    if not self.command(line.strip()):
                        return
                else:
                    self.reply(line)
            except OhloraError as error:
                self.out.flush()
                print(f"ohlora: {printable(error, 500)}", file=sys.stderr)
            except KeyboardInterrupt:  # ends a reply, not the conversation
                self.show("")

    def lines(self) -> Iterator[str]:
        while True:
            try:
                if self.asking:
                    yield input("> ")
                else:
                    line = sys.stdin.readline()
                    if not line:
                        return
                    yield line.rstrip("\n")
            except KeyboardInterrupt:  # drops a line half typed
                self.show("")
                if not half_typed():
                    return
            except EOFError:
                self.show("")
                return

    def reply(self, line: str) -> None:
        pieces = self.conversation.say(line)
        self.out.write("Oh-LoRA: ")
        begun = False
        try:
            while True:
                piece = next(pieces)
                self.out.write(printable(piece, 1000))
                self.out.flush()
                begun |= bool(piece)
        except StopIteration as end:
            said: Said = end.value
            self.mood = said.mood
            self.show("")
            for fact in said.remembered:
                self.show(f"  (remembered {fact.line})")
        except BaseException:
            self.out.write("\n" if begun else "\r")
            raise

    def command(self, line: str) -> bool:
        """Do what a command says; False for the one that ends the conversation."""
        name, _, rest = line.partition(" ")
        rest = rest.strip()
        if name == "/quit":
            return False
        if name == "/help":
            for words, meaning in COMMANDS.items():
                self.show(f"  {words:<18} {meaning}")
        elif name == "/memory":
            show_memory(self.conversation.store, self.out)
        elif name == "/forget":
            self.forget(rest)
        elif name == "/face":
            self.show(self.face.drawn(self.mood))
        elif name == "/battle":
            self.battle(rest)
        else:
            known = [word.split()[0] for word in COMMANDS]
            raise OhloraError(f"{name} is not one of {' | '.join(known)}{nearest(name, known)}")
        return True

    def forget(self, key: str) -> None:
        store = self.conversation.store
        if key == "all":
            store.erase()
            folder = self.conversation.battles_dir
            again = "" if folder is None else f"; battles are read again from {folder}"
            self.show(f"(everything is erased{again})")
            return
        self.show(f"(forgot {forget(store, key)})")

    def battle(self, settings: str) -> None:
        """A battle in a process of its own, with settings as a shell reads them; its result is counted."""
        try:
            typed = shell_words(settings)
        except ValueError as error:
            raise OhloraError(f"/battle {settings}: {str(error).lower()}") from None
        before = self.conversation.tally()
        self.out.flush()
        start = [sys.executable, "-m", "ohlora", "battle", f"language={self.conversation.language}"]
        if self.asking:
            start.append("human=prompt")
        folder = self.conversation.battles_dir
        start += [] if folder is None else [f"paths.output_dir={folder}"]
        start += typed
        done = subprocess.run(start, stdin=None if self.asking else subprocess.DEVNULL, check=False)
        after = self.conversation.tally()
        if done.returncode:
            raise OhloraError(f"no result came of that battle; by itself: {' '.join(program()[:-1])} battle")
        if after != before:  # --help plays none, and one of Optuna's is not the user's
            self.show(f"Oh-LoRA: {after.sentence(self.conversation.language)}")

    def show(self, line: str) -> None:
        print(line, file=self.out, flush=True)


def half_typed() -> str:
    """What stood at the prompt when Ctrl-C came; empty where no readline keeps it."""
    readline = sys.modules.get("readline")
    return readline.get_line_buffer() if readline else ""


def shell_words(text: str) -> list[str]:
    """Words as a shell of this system reads them: on Windows a backslash parts the names of a path."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    if sys.platform == "win32":
        lexer.escape = ""
    return list(lexer)


class FaceTable:
    """Where eyes, mouth and head stand in each mood, as conf/faces/moods.yaml has it."""

    def __init__(self, moods: dict[str, dict[str, float]]) -> None:
        self.moods = moods

    def drawn(self, mood: Mood) -> str:
        """Mood, intensity, and where eyes, mouth and head stand: as far from neutral as it is intense."""
        rest, row = self.moods["neutral"], self.moods.get(mood.name, self.moods["neutral"])
        moved = {name: rest[name] + mood.intensity * (row[name] - rest[name]) for name in rest}
        parts = [f"{name} {value:.2f}" for name, value in moved.items() if name != "rise_s"]
        return f"  {mood.name} ({mood.intensity:.1f}): {', '.join(parts)}"


def forget(store: MemoryStore, key: str) -> str:
    """Forget one fact for good and return its key; OhloraError where nothing is remembered under that."""
    if not store.forget([plain_key(key)]):
        known = [fact.key for fact in store.facts()]
        hint = nearest(key, known) if known else ": nothing is remembered"
        unknown = ("forget_unknown", {"key": plain_key(key)})
        raise OhloraError(f"/forget takes a key of /memory, or all{hint}", unknown)
    return plain_key(key)


def show_memory(store: MemoryStore, out: TextIO | None = None) -> None:
    """Every fact with when it was told, and how much else is kept."""
    out = out or sys.stdout
    facts, battles = store.facts(), store.battles()
    for fact in facts:
        print(f"  {described(fact)}", file=out)
    turns = len(store.turns())
    print(
        f"  {counted(len(facts), 'fact')}, {counted(turns, 'turn')}, {counted(len(battles), 'battle')}"
        f" in {store.path}",
        file=out,
        flush=True,
    )


def described(fact: Fact) -> str:
    told = fact.told_at.astimezone().strftime("%Y-%m-%d %H:%M")
    ends = f", until {fact.expires_at.astimezone():%Y-%m-%d %H:%M}" if fact.expires_at else ""
    return f"{fact.line} ({told}{ends})"


def export_memory(store: MemoryStore, out: Path | None) -> None:
    """Everything as JSON, to a file or the screen."""
    from ohlora.durable import write_json

    content = store.export()
    if out is None:
        print(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        write_json(out, content)
        print(f"{counted(len(content['facts']), 'fact')}, {counted(len(content['turns']), 'turn')}: {out}")
