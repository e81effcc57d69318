"""Matches in SQLite: what is kept, who leads, and files that cannot be used."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from ohlora.errors import OhloraError
from ohlora.web.history import MIGRATIONS, History


def match(player: str, player_f1: float, ohlora_f1: float = 0.8, protocol: str = "p") -> dict[str, Any]:
    winner = "challenger" if player_f1 > ohlora_f1 else "ohlora" if player_f1 < ohlora_f1 else "draw"
    attempts = [{"test_f1": ohlora_f1}, {"test_f1": 0.1}, {"test_f1": player_f1}]
    return {
        "player": player, "dataset": "digits", "title": "digits", "family": "varied", "seed": 7,
        "protocol": protocol, "winner": winner, "attempts": attempts, "best": 2, "verdicts": [], "seal": {},
        "line": "와 <b>!",
    }  # fmt: skip


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "deep" / "matches.sqlite")


def test_who_won_more_leads_then_by_the_mean_lead(history: History) -> None:
    for player, f1 in [("a", 0.9), ("a", 0.5), ("b", 0.85), ("'; DROP TABLE matches --", 0.8), ("c", 0.9)]:
        history.add(match(player, f1))
    leaders = history.leaders("p", 10)
    assert [row["player"] for row in leaders] == ["c", "b", "a", "'; DROP TABLE matches --"]
    assert (leaders[2]["matches"], leaders[2]["won"]) == (2, 1)
    assert leaders[2]["lead"] == pytest.approx(-0.1)
    assert leaders[2]["best_lead"] == pytest.approx(0.1)
    assert leaders[3]["draws"] == 1
    latest = history.latest("p", 2)
    assert [row["player"] for row in latest] == ["c", "'; DROP TABLE matches --"]
    assert latest[0]["player_f1"] == 0.9


def test_scores_of_another_protocol_are_another_game(history: History) -> None:
    history.add(match("a", 0.9, protocol="other"))
    assert history.leaders("p", 10) == []
    assert history.latest("p", 10) == []


def test_an_older_file_is_brought_up_and_keeps_its_matches(history: History) -> None:
    history.add(match("a", 0.9))
    newer = History(history.path, (*MIGRATIONS, ("ALTER TABLE matches ADD COLUMN note TEXT",)))
    newer.check()
    assert newer.latest("p", 1)[0]["player"] == "a"
    with pytest.raises(OhloraError, match=r"newer ohlora \(version 2; this one knows 1\)"):
        history.check()


def test_a_migration_that_fails_changes_nothing(history: History) -> None:
    history.add(match("a", 0.9))
    broken = History(history.path, (*MIGRATIONS, ("ALTER TABLE matches ADD COLUMN note TEXT", "NONSENSE")))
    with pytest.raises(OhloraError, match="cannot be used"):
        broken.check()
    assert history.latest("p", 1)[0]["player"] == "a"


@pytest.mark.parametrize("content", [b"no database" * 100, b"SQLite format 3\0" + b"\xff" * 3000])
def test_a_damaged_file_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.sqlite").write_bytes(content)
    with pytest.raises(OhloraError, match=r"paths\.history=.*damaged or no SQLite file"):
        History(tmp_path / "a.sqlite").check()
    assert (tmp_path / "a.sqlite").read_bytes() == content


def test_a_database_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.sqlite") as connection:
        connection.execute("CREATE TABLE matches (other TEXT)")
    with pytest.raises(OhloraError, match="cannot be used"):
        History(tmp_path / "a.sqlite").check()


def test_a_place_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OhloraError, match=r"paths\.history="):
        History(tmp_path / "file" / "a.sqlite").check()


def test_two_servers_write_one_file(history: History) -> None:
    threads = [
        threading.Thread(target=lambda: [History(history.path).add(match("a", 0.9)) for _ in range(10)])
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert history.leaders("p", 1)[0]["matches"] == 30
