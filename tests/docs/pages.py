"""What README and docs tell a reader to type: each command with its page, and what it needs.

A comment that no reader sees marks commands of the code block below: `<!-- needs a GPU: gpus= -->` those with
such a word, or one that begins so where a `=` ends it; `<!-- needs a GPU -->` all of them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "README.ko.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "ko").glob("*.md")),
    *sorted((ROOT / "docs" / "website").rglob("*.md")),
)
PROGRAM = re.compile(
    r"(python3?|py|pip|pytest|make|uv|wandb|npm|hf|accelerate|mkdir|export|\.venv\\\S+)(\s.*)?"
)
NEEDS = re.compile(r"<!-- needs ([^:]+?)(?:: (.+))? -->")


@dataclass(frozen=True)
class Command:
    """A line that a reader may type."""

    page: str
    words: tuple[str, ...]
    needs: str  # why it cannot run everywhere; empty: it can

    def __str__(self) -> str:
        return shlex.join(self.words)


@dataclass(frozen=True)
class Block:
    """A code block."""

    page: str
    language: str
    text: str
    marks: tuple[tuple[str, tuple[str, ...]], ...]  # reason, and words of the commands it holds for

    def needs(self, line: str) -> str:
        typed = split(line)
        return next(
            (why for why, words in self.marks if not words or any(has(typed, one) for one in words)), ""
        )

    def commands(self) -> Iterator[Command]:
        """Lines that are typed: after `$ ` where answers are shown, else those that begin as commands do."""
        lines = re.sub(r"\\\n\s*", "", self.text).splitlines()
        asked = any(line.startswith("$ ") for line in lines)
        for line in lines:
            typed = line.removeprefix("$ ") if line.startswith("$ ") else "" if asked else line.strip()
            if PROGRAM.fullmatch(typed):
                yield Command(self.page, split(typed), self.needs(typed))


def has(typed: tuple[str, ...], word: str) -> bool:
    return any(one.startswith(word) if word.endswith("=") else one == word for one in typed)


def split(line: str) -> tuple[str, ...]:
    """A line as a shell reads it, less its comment; backslashes are Windows' own."""
    if line.startswith(".venv\\"):
        return tuple(line.split("#")[0].split())
    return tuple(shlex.split(line, comments=True))


def blocks(page: Path) -> list[Block]:
    found, marks, lines, language = [], [], [], None
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = re.fullmatch(r"```(\w*)", line)
        if language is None and (mark := NEEDS.fullmatch(line)):
            marks.append((mark[1], tuple(mark[2].split(", ")) if mark[2] else ()))
        elif fence and language is None:
            language, lines = fence[1], []
        elif fence:
            name = page.relative_to(ROOT).as_posix()
            found.append(Block(name, language or "", "\n".join(lines) + "\n", tuple(marks)))
            language, marks = None, []
        elif language is not None:
            lines.append(line)
        elif line.strip():
            assert not marks, f"{page}: nothing stands between a mark and its code block"
    assert language is None, f"{page}: a code block without an end"
    return found


def inline(page: Path) -> Iterator[Command]:
    """Commands of ours in running text."""
    name = page.relative_to(ROOT).as_posix()
    prose = re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))
    for typed in re.findall(r"`(python (?:-m ohlora |train\.py|battle\.py|benchmarks/)[^`]*)`", prose):
        yield Command(name, split(" ".join(typed.split())), "")


def commands() -> list[Command]:
    """Every command, each once."""
    found: dict[tuple[str, ...], Command] = {}
    for page in PAGES:
        for block in blocks(page):
            for one in block.commands() if block.language == "" else ():
                found.setdefault(one.words, one)
        for one in inline(page):
            found.setdefault(one.words, one)
    return list(found.values())
