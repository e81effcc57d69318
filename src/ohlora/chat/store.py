"""Memory in one SQLite file: facts with their vectors, the conversation, and battles.

What is deleted is gone from the file and from its write-ahead log (`secure_delete`, then a checkpoint that
empties the log). A turn of the conversation is one transaction: after a kill it is there whole or not at all.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ohlora.chat.fact import Fact, language_of
from ohlora.chat.others import name_of
from ohlora.chat.remembering import to_remember
from ohlora.errors import OhloraError, Part
from ohlora.positional import quoted
from ohlora.provenance import pasted

SCHEMA = 2  # of the tables below and the keys in them; an older one is brought up to it when opened
APPLICATION = 0x4F684C6F  # "OhLo" in the file's header
HEADER = b"SQLite format 3\0"
MARK = slice(68, 72)  # where a header has the application's number
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
UNWRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM)
Outcome = Literal["won", "lost", "draw"]  # for the user
Encode = Callable[[Sequence[str]], np.ndarray]
TABLES = """
CREATE TABLE facts (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value TEXT NOT NULL, language TEXT NOT NULL,
    source TEXT NOT NULL, told_at TEXT NOT NULL, expires_at TEXT
);
CREATE TABLE vectors (
    fact INTEGER NOT NULL REFERENCES facts(id) ON DELETE CASCADE, encoder TEXT NOT NULL, vector BLOB NOT NULL,
    PRIMARY KEY (fact, encoder)
) WITHOUT ROWID;
CREATE TABLE turns (
    id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, said_at TEXT NOT NULL, user TEXT NOT NULL,
    reply TEXT NOT NULL, mood TEXT NOT NULL, intensity REAL NOT NULL
);
CREATE TABLE battles (
    id TEXT PRIMARY KEY, played_at TEXT NOT NULL, dataset TEXT NOT NULL, outcome TEXT NOT NULL,
    user_f1 REAL NOT NULL, ohlora_f1 REAL NOT NULL
) WITHOUT ROWID;
"""


class DamagedMemory(OhloraError):
    """A memory of hers that can no longer be read; erasing it removes the file."""


@dataclass(frozen=True)
class Turn:
    """What the user said and what she replied."""

    token: str  # names the turn: written twice, it is there once
    said_at: datetime
    user: str
    reply: str
    mood: str
    intensity: float


@dataclass(frozen=True)
class Battle:
    """How one match against her ended, from the user's side."""

    id: str
    played_at: datetime
    dataset: str
    outcome: Outcome
    user_f1: float
    ohlora_f1: float


class MemoryStore:
    """One connection to a memory file; other processes may have theirs."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser()
        self._read: tuple[Any, list[Fact], np.ndarray] | None = None
        with self._told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(self.path, timeout=10, isolation_level=None)
            try:
                self._open()
            except BaseException:
                self.connection.close()
                raise

    def part(self, key: str) -> Part:
        """A phrase of a page about this file."""
        return key, {"file": str(self.path)}

    def _open(self) -> None:
        ask = self.connection.execute
        version, application = (
            ask(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id")
        )
        known = application == APPLICATION
        empty = not ask("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not known and not empty:
            raise OhloraError(
                f"{self.path} is a database of another program; name another file, memory_file=FILE",
                self.part("memory_foreign"),
            )
        if version > SCHEMA:
            raise OhloraError(
                f"{self.path} was written by a newer ohlora (memory schema {version}, this one reads up to"
                f" {SCHEMA}): pip install -U ohlora, or name another file, memory_file=FILE",
                self.part("memory_newer"),
            )
        # Each secures something: deleted bytes are overwritten; a commit is on disk, in the log or the file.
        for pragma in ("secure_delete=ON", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            ask(f"PRAGMA {pragma}")
        if empty:
            self.path.chmod(0o600)  # a conversation is nobody else's
            with self.transaction():
                if not ask("SELECT count(*) FROM sqlite_master").fetchone()[0]:  # another process was quicker
                    for statement in filter(str.strip, TABLES.split(";")):
                        ask(statement)
                    ask(f"PRAGMA application_id={APPLICATION}")
                    ask(f"PRAGMA user_version={SCHEMA}")
        elif (fault := ask("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(fault)
        elif version < SCHEMA:
            self._upgrade()

    def _upgrade(self) -> None:
        """Schema 1 had one `pet_name` for all pets, "초코 (강아지)"; now each kind has a key of its own."""
        with self.transaction() as connection:
            found = connection.execute("SELECT id, value FROM facts WHERE key = 'pet_name'").fetchone()
            kind = found and re.search(r"\(([^()]+)\)$", found[1])
            if kind and name_of(kind[1]) != kind[1]:
                key = f"pet_{name_of(kind[1])}"
                moved = connection.execute("UPDATE OR IGNORE facts SET key = ? WHERE id = ?", (key, found[0]))
                if moved.rowcount:
                    connection.execute("DELETE FROM vectors WHERE fact = ?", (found[0],))
            connection.execute(f"PRAGMA user_version={SCHEMA}")

    def __enter__(self) -> MemoryStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what SQLite says into one line that names the remedy."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            # The lowest byte; those above it are details. An error of our own, from quick_check, has no code.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            if code in BUSY:
                raise OhloraError(
                    f"{self.path} is in use by another program: close it and try again",
                    self.part("memory_in_use"),
                ) from None
            if code == sqlite3.SQLITE_FULL:
                raise OhloraError(
                    f"no room left for {self.path}; what was there is kept", self.part("memory_no_room")
                ) from None
            if code in UNWRITABLE:
                raise OhloraError(
                    f"cannot write {self.path}: name another file, memory_file=FILE",
                    self.part("memory_not_writable"),
                ) from None
            if not is_memory(self.path):
                raise OhloraError(
                    f"{self.path} is no memory of hers, or its beginning is damaged: name another file,"
                    " memory_file=FILE, or delete it by hand",
                    self.part("memory_none"),
                ) from None
            erase, why = erase_command(self.path), " ".join(str(error).split())
            raise DamagedMemory(
                f"{self.path} is damaged ({why}); put a copy in its place, or start anew: {erase}",
                ("memory_damaged", {"file": str(self.path), "command": erase}),
            ) from None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the body's changes, or none."""
        with self._told():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled back already
                    self.connection.execute("ROLLBACK")
                raise

    def _ask(self, sql: str, *values: Any) -> list[Any]:
        with self._told():
            return self.connection.execute(sql, values).fetchall()

    # Facts

    def remember(
        self, facts: Iterable[Fact], encoder: str | None = None, encode: Encode | None = None
    ) -> None:
        """Write facts; one of a key that is there takes its place, with its vector."""
        facts = list(facts)
        vectors = encode([fact.text for fact in facts]) if encode and facts else None
        with self.transaction():
            self._write_facts(facts, encoder, vectors)

    def _write_facts(self, facts: Sequence[Fact], encoder: str | None, vectors: np.ndarray | None) -> None:
        ask = self.connection.execute
        for place, fact in enumerate(facts):
            before = ask("SELECT id, value FROM facts WHERE key = ?", (fact.key,)).fetchone()
            row = (fact.value, fact.language, fact.source, stamp(fact.told_at), stamp(fact.expires_at))
            if before is None:
                number = ask(
                    "INSERT INTO facts (value, language, source, told_at, expires_at, key)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (*row, fact.key),
                ).lastrowid
            else:
                number = before[0]
                ask(
                    "UPDATE facts SET value=?, language=?, source=?, told_at=?, expires_at=? WHERE id=?",
                    (*row, number),
                )
                if before[1] != fact.value:
                    ask("DELETE FROM vectors WHERE fact = ?", (number,))
            if encoder and vectors is not None:
                blob = np.ascontiguousarray(vectors[place], "<f4").tobytes()
                ask("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", (number, encoder, blob))

    def facts(self, now: datetime | None = None) -> list[Fact]:
        """Every fact that has not expired, the oldest first."""
        rows = self._ask(
            "SELECT key, value, language, source, told_at, expires_at FROM facts"
            " WHERE expires_at IS NULL OR expires_at > ? ORDER BY told_at, id",
            stamp(now or datetime.now(UTC)),
        )
        return [fact_of(row) for row in rows]

    def facts_and_vectors(
        self, encoder: str, encode: Encode, now: datetime | None = None
    ) -> tuple[list[Fact], np.ndarray]:
        """Facts that have not expired, and their vectors [facts, dimension], missing ones made and kept."""
        state = (self._ask("PRAGMA data_version"), self.connection.total_changes, encoder)
        if self._read is None or self._read[0] != state:
            self._fill_vectors(encoder, encode)
            rows = self._ask(
                "SELECT key, value, language, source, told_at, expires_at, vector FROM facts"
                " JOIN vectors ON fact = id AND encoder = ? ORDER BY told_at, id",
                encoder,
            )
            matrix = np.frombuffer(b"".join(row[6] for row in rows), "<f4").reshape(
                len(rows), -1 if rows else 0
            )
            state = (self._ask("PRAGMA data_version"), self.connection.total_changes, encoder)
            self._read = (state, [fact_of(row[:6]) for row in rows], matrix)
        _, facts, matrix = self._read
        now = now or datetime.now(UTC)
        alive = np.array([fact.expires_at is None or fact.expires_at > now for fact in facts], bool)
        if alive.all():
            return list(facts), matrix
        return [fact for fact, keep in zip(facts, alive, strict=True) if keep], matrix[alive]

    def _fill_vectors(self, encoder: str, encode: Encode) -> None:
        lacking = self._ask(
            "SELECT key, value, language, source, told_at, expires_at FROM facts"
            " WHERE NOT EXISTS (SELECT 1 FROM vectors WHERE fact = id AND encoder = ?)",
            encoder,
        )
        if lacking:
            self.remember([fact_of(row) for row in lacking], encoder, encode)

    def drop_expired(self, now: datetime | None = None) -> int:
        """Delete for good what has expired, and return how many facts that were."""
        late = self._ask("SELECT key FROM facts WHERE expires_at <= ?", stamp(now or datetime.now(UTC)))
        return self.forget([key for (key,) in late], turns=False) if late else 0

    def forget(self, keys: Iterable[str], turns: bool = True) -> int:
        """Delete facts for good, with their vectors; return how many that were.

        `turns`: those of the conversation that tell of them, or of what was told under their key before, too.
        The log is emptied even where nothing is left to delete: another program may have kept it before.
        """
        count = 0
        with self.transaction() as connection:
            for key in keys:
                found = connection.execute("SELECT value, source FROM facts WHERE key=?", (key,)).fetchone()
                if found is None:
                    continue
                count += 1
                connection.execute("DELETE FROM facts WHERE key = ?", (key,))
                if turns:
                    rows = connection.execute("SELECT id, user, reply FROM turns").fetchall()
                    value, source = found
                    telling = turns_that_tell(key, value, source, rows)
                    connection.executemany("DELETE FROM turns WHERE id = ?", [(row,) for row in telling])
        self._empty_log()
        return count

    def erase(self) -> None:
        """Delete everything for good."""
        with self.transaction():
            for table in ("vectors", "facts", "turns", "battles"):
                self.connection.execute(f"DELETE FROM {table}")
        with self._told():
            self.connection.execute("VACUUM")
        self._empty_log()

    def _empty_log(self) -> None:
        """Bring the write-ahead log into the file and cut it to nothing: it holds what was deleted."""
        with self._told():
            busy, *_ = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise OhloraError(
                f"deleted, but {self.path} is being read by another program, whose log still has it:"
                " close that one and delete again",
                self.part("memory_being_read"),
            )

    # Turns and battles

    def add_turn(
        self,
        turn: Turn,
        facts: Sequence[Fact] = (),
        encoder: str | None = None,
        encode: Encode | None = None,
    ) -> bool:
        """Write a turn and what is remembered of it, both or neither; False where it was there already."""
        vectors = encode([fact.text for fact in facts]) if encode and facts else None
        with self.transaction() as connection:
            row = (turn.token, stamp(turn.said_at), turn.user, turn.reply, turn.mood, turn.intensity)
            added = connection.execute(
                "INSERT OR IGNORE INTO turns (token, said_at, user, reply, mood, intensity)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                row,
            ).rowcount
            if added:
                self._write_facts(facts, encoder, vectors)
        return bool(added)

    def turns(self, last: int | None = None) -> list[Turn]:
        """The last turns, or all of them, in the order they were said."""
        rows = self._ask(
            "SELECT token, said_at, user, reply, mood, intensity FROM turns ORDER BY id DESC LIMIT ?",
            -1 if last is None else last,
        )
        return [Turn(row[0], datetime.fromisoformat(row[1]), *row[2:]) for row in reversed(rows)]

    def add_battles(self, battles: Iterable[Battle]) -> int:
        """Write battles that are not there yet, and return how many."""
        count = 0
        with self.transaction() as connection:
            for battle in battles:
                count += connection.execute(
                    "INSERT OR IGNORE INTO battles VALUES"
                    " (:id, :played_at, :dataset, :outcome, :user_f1, :ohlora_f1)",
                    {**asdict(battle), "played_at": stamp(battle.played_at)},
                ).rowcount
        return count

    def battles(self) -> list[Battle]:
        """Every battle, the earliest first."""
        rows = self._ask(
            "SELECT id, played_at, dataset, outcome, user_f1, ohlora_f1 FROM battles ORDER BY played_at, id"
        )
        return [Battle(row[0], datetime.fromisoformat(row[1]), *row[2:]) for row in rows]

    def export(self) -> Mapping[str, Any]:
        """Everything that is kept, vectors apart, as JSON has it."""
        rows = self._ask(
            "SELECT key, value, language, source, told_at, expires_at FROM facts ORDER BY told_at"
        )
        content = {
            "schema": SCHEMA,
            "facts": [asdict(fact_of(row)) for row in rows],
            "turns": [asdict(turn) for turn in self.turns()],
            "battles": [asdict(battle) for battle in self.battles()],
        }
        return json.loads(json.dumps(content, default=datetime.isoformat))


def erase_file(path: Path) -> None:
    """Erase a memory; one of hers that is damaged is removed with its log."""
    try:
        with MemoryStore(path) as store:
            store.erase()
    except DamagedMemory:
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)


def is_memory(path: Path) -> bool:
    """Whether a file begins as her memories do, whatever comes behind: no other file is ever removed."""
    try:
        with path.open("rb") as file:
            head = file.read(MARK.stop)
    except OSError:
        return False
    return head.startswith(HEADER) and head[MARK] == APPLICATION.to_bytes(4, "big")


def erase_command(path: Path) -> str:
    """What erases this memory and no other, to be pasted."""
    words = ["python", "-m", "ohlora", "chat", "memory=erase", f"memory_file={quoted(str(path))}"]
    return pasted(words)


def turns_that_tell(key: str, value: str, source: str, rows: Iterable[tuple[int, str, str]]) -> list[int]:
    """The ids of the turns (id, user, reply) that tell of a fact, or have what was told of its key before."""
    told = {row: told_under(key, user) for row, user, _ in rows}
    values = {value}.union(*told.values())
    return [
        row
        for row, user, reply in rows
        if told[row] or any(tells_of(one, source, user, reply) for one in values)
    ]


def told_under(key: str, user: str) -> set[str]:
    """What a line of the user's tells under a key."""
    return {one.value for one in to_remember(user, language_of(user)) if one.key == key}


def tells_of(value: str, source: str, user: str, reply: str) -> bool:
    """Whether a turn is the one a fact comes from, or has its value in it, as whole words."""
    # A Korean particle may follow a word, a letter of the alphabet may not.
    words = re.compile(rf"(?<![^\W_]){re.escape(value)}(?![a-z0-9])", re.IGNORECASE)
    return bool((source and user.startswith(source)) or words.search(user) or words.search(reply))


def stamp(time: datetime | None) -> str | None:
    """A time as it is written: UTC, so that texts sort as times do."""
    return None if time is None else time.astimezone(UTC).isoformat(timespec="microseconds")


def fact_of(row: Sequence[Any]) -> Fact:
    key, value, language, source, told_at, expires_at = row
    ends = None if expires_at is None else datetime.fromisoformat(expires_at)
    return Fact(key, value, language, source, datetime.fromisoformat(told_at), ends)


def nearest(query: np.ndarray, matrix: np.ndarray, most: int) -> list[tuple[int, float]]:
    """(row, similarity) of the rows most like a query, by exact search; all of them are of length 1."""
    if not len(matrix):
        return []
    scores = matrix @ query
    most = min(most, len(scores))
    best = np.argpartition(-scores, most - 1)[:most]
    return [(int(row), float(scores[row])) for row in best[np.argsort(-scores[best], kind="stable")]]
