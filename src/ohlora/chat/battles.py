"""Battles she knows of: match.json of every battle's folder, and how often who won."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ohlora.chat.fact import Fact, Language, plain
from ohlora.chat.store import Battle, MemoryStore

OUTCOMES = {"challenger": "won", "ohlora": "lost", "draw": "draw"}
LARGEST = 10_000_000  # bytes of a match.json that is read
KEY = "battle_record"


@dataclass(frozen=True)
class Tally:
    """How many battles the user won, lost and drew."""

    won: int = 0
    lost: int = 0
    drawn: int = 0

    @classmethod
    def of(cls, battles: Sequence[Battle]) -> Tally:
        counts = [sum(one.outcome == outcome for one in battles) for outcome in ("won", "lost", "draw")]
        return cls(*counts)

    @property
    def played(self) -> int:
        return self.won + self.lost + self.drawn

    def value(self, language: Language) -> str:
        """As dialogue rows have it in memory."""
        if language == "ko":
            return f"사용자 {self.won}승, 오로라 {self.lost}승, 무승부 {self.drawn}"
        return f"user {self.won} wins, Oh-LoRA {self.lost} wins, {self.drawn} draws"

    def fact(self, language: Language) -> Fact:
        return Fact(KEY, self.value(language), language, "", datetime.now(UTC))

    def sentence(self, language: Language) -> str:
        """The true numbers in her voice."""
        if language == "ko":
            if not self.played:
                return "아직 우리 한 판도 안 붙었어! /battle 치면 바로 시작이야 ✨"
            draws = f", 무승부 {self.drawn}번" if self.drawn else ""
            wins = f"네가 {self.won}번, 내가 {self.lost}번 이겼어"
            return f"지금까지 {self.played}판 했고 {wins}{draws} {self.face}"
        if not self.played:
            return "We haven't played yet! Type /battle and the first one starts ✨"
        draws = f", {times(self.drawn, 'draw')}" if self.drawn else ""
        return (
            f"{times(self.played, 'battle')} so far: you won {self.won}, I won {self.lost}{draws} {self.face}"
        )

    @property
    def face(self) -> str:
        return "😤" if self.won > self.lost else "😎" if self.lost > self.won else "🤝"


def times(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def find_battles(output_dir: Path) -> Iterator[Battle]:
    """The battles of humans under a results folder; a file that is none or damaged is passed over."""
    for path in sorted(output_dir.glob("battle*/**/match.json")):
        battle = read_battle(path)
        if battle is not None:
            yield battle


def read_battle(path: Path) -> Battle | None:
    try:
        if path.stat().st_size > LARGEST:
            return None
        content: Any = json.loads(path.read_bytes())
        her, *theirs = content["attempts"]
        if her["kind"] != "ohlora" or any(one["kind"] != "human" for one in theirs):
            return None  # Optuna's battles are not the user's
        # The seal has a random salt: it names the match wherever its folder is moved.
        name = (content.get("seal") or {}).get("sha256") or hashlib.sha256(path.read_bytes()).hexdigest()
        return Battle(
            id=plain(name, 64),
            played_at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
            dataset=plain(content["dataset"]["title"], 60),
            outcome=OUTCOMES[content["winner"]],  # type: ignore[arg-type]
            user_f1=max(float(one["test_f1"]) for one in theirs),
            ohlora_f1=float(her["test_f1"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def sync(store: MemoryStore, output_dir: Path) -> Tally:
    """Write battles that are new to the memory, and count them all."""
    store.add_battles(find_battles(output_dir))
    return Tally.of(store.battles())
