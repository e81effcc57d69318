"""Matches that were played in the browser, in an SQLite file, and who leads."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ohlora.errors import OhloraError
from ohlora.text import printable

# The statements that lead from each version of the file (user_version) to the next.
MIGRATIONS = (
    (
        """
    CREATE TABLE matches (
        id INTEGER PRIMARY KEY,
        played_at TEXT NOT NULL,  -- UTC, ISO 8601
        player TEXT NOT NULL,  -- as typed, made fit for one line; you: nobody gave a name
        dataset TEXT NOT NULL,
        title TEXT NOT NULL,
        family TEXT NOT NULL,
        seed INTEGER NOT NULL,
        protocol TEXT NOT NULL,  -- scores of different ones do not compare
        winner TEXT NOT NULL CHECK (winner IN ('challenger', 'ohlora', 'draw')),
        player_f1 REAL NOT NULL,  -- test macro-F1 of the better attempt
        ohlora_f1 REAL NOT NULL,
        result TEXT NOT NULL  -- attempts, verdicts, seal and line, as JSON
    )
    """,
        "CREATE INDEX matches_by_player ON matches (protocol, player)",
    ),
)
WAIT_S = 5.0  # for another server that writes


@dataclass(frozen=True)
class History:
    """A file of matches, made where it is not there. Raises OhloraError where it cannot be used."""

    path: Path
    migrations: Sequence[Sequence[str]] = MIGRATIONS

    def check(self) -> None:
        """Bring the file to this version."""
        with self._open() as connection:
            connection.execute("SELECT count(*) FROM matches").fetchone()

    def add(self, result: Mapping[str, Any]) -> None:
        """Keep a match, as the result event has it."""
        hers, best = result["attempts"][0], result["attempts"][result["best"]]
        kept = {name: result[name] for name in ("attempts", "verdicts", "seal", "line")}
        row = (
            datetime.now(UTC).isoformat(timespec="seconds"),
            *(
                result[name]
                for name in ("player", "dataset", "title", "family", "seed", "protocol", "winner")
            ),
            best["test_f1"],
            hers["test_f1"],
            json.dumps(kept, ensure_ascii=False),
        )
        with self._open() as connection:
            connection.execute(
                "INSERT INTO matches (played_at, player, dataset, title, family, seed, protocol, winner,"
                " player_f1, ohlora_f1, result) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )

    def latest(self, protocol: str, most: int) -> list[dict[str, Any]]:
        """The last matches under a protocol, the newest first."""
        return self._rows(
            "SELECT played_at, player, dataset, title, family, seed, winner, player_f1, ohlora_f1"
            " FROM matches WHERE protocol = ? ORDER BY id DESC LIMIT ?",
            protocol,
            most,
        )

    def leaders(self, protocol: str, most: int) -> list[dict[str, Any]]:
        """Players by matches won, then by their mean lead over Oh-LoRA."""
        return self._rows(
            "SELECT player, count(*) AS matches, sum(winner = 'challenger') AS won,"
            " sum(winner = 'draw') AS draws, avg(player_f1 - ohlora_f1) AS lead,"
            " max(player_f1 - ohlora_f1) AS best_lead FROM matches"
            " WHERE protocol = ? GROUP BY player ORDER BY won DESC, lead DESC LIMIT ?",
            protocol,
            most,
        )

    def _rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with self._open() as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, values)]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection, its changes kept if all went well."""
        path = self.path.expanduser()
        shown = printable(path, 500)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                self._migrate(connection, shown)
                yield connection
                connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise OhloraError(f"paths.history={shown} cannot be used: {error}") from None
        except sqlite3.DatabaseError as error:
            raise OhloraError(
                f"paths.history={shown} is damaged or no SQLite file ({error}): move it away, or name another"
            ) from None
        except OSError as error:
            raise OhloraError(f"paths.history={shown} cannot be used: {error.strerror}") from None

    def _migrate(self, connection: sqlite3.Connection, shown: str) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(self.migrations):
            raise OhloraError(
                f"paths.history={shown} was written by a newer ohlora (version {version}; this one knows"
                f" {len(self.migrations)}): update, or name another file"
            )
        for number, statements in enumerate(self.migrations[version:], start=version + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
