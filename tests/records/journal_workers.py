"""What test processes do to a journal. Apart from the tests, so that a worker imports no pytest."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from ohlora.datasets.families import SubsetRecipe
from ohlora.records.journal import Journal
from ohlora.records.record import TrialKey, TrialRecord
from ohlora.records.table import gather


def record(i: int = 0, **changes) -> TrialRecord:
    key = TrialKey(
        SubsetRecipe("digits", "varied", i % 7), "f" * 8, "p" * 8, {"x": i / 7, "kind": "a", "n": i}, i
    )
    made = TrialRecord(
        key=key,
        status="complete",
        val_f1=0.5,
        test_f1=0.4,
        val_loss=1.25,
        steps=10,
        epochs=2.5,
        n_train=100,
        n_classes=3,
        elapsed_s=0.1,
        driver="lean",
        device="cpu",
        precision="32",
        space="s" * 8,
        commit="c",
        finished_at=1.0,
    )
    return replace(made, **changes)


def sweep(folder: Path, plan: Iterable[int], stack: int, told: Connection) -> None:
    """Claim up to `stack` trials of the plan, append each and tell it, on to the end; as a sweep does."""
    with Journal(folder) as journal:
        known = journal.records()
        claimed: list[int] = []
        for i in [*plan, None]:
            if i is not None and (digest := record(i).key.digest) not in known:
                claimed += [i] if journal.claim(digest) else []
            if len(claimed) == stack or i is None:
                for mine in claimed:
                    journal.append(record(mine))
                    told.send_bytes(str(mine).encode())
                    journal.release(record(mine).key.digest)
                claimed = []
    told.send_bytes(b"end")


def gather_on(folder: Path, times: int, told: Connection) -> None:
    for _ in range(times):
        gather(folder)
        told.send_bytes(b"gathered")
        time.sleep(0.005)


def hold(folder: Path, digest: str, told: Connection) -> None:
    journal = Journal(folder)
    told.send_bytes(b"got" if journal.claim(digest) else b"refused")
    time.sleep(60)


def take_turns(folder: Path, digest: str, turns: int, told: Connection) -> None:
    """Hold one claim again and again, and tell it whenever somebody else holds it too."""
    journal, mark = Journal(folder), folder / "held"
    while turns:
        if journal.claim(digest):
            turns -= 1
            try:
                os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
                time.sleep(0.0002)
                mark.unlink()
            except FileExistsError:
                told.send_bytes(b"both")
            journal.release(digest)
    told.send_bytes(b"end")


def fork(folder: Path, told: Connection) -> None:
    """Two processes with one Journal object."""
    journal = Journal(folder)
    journal.append(record(0))
    if child := os.fork():
        os.waitpid(child, 0)
        journal.append(record(2))
        told.send_bytes(b"end")
    else:
        journal.append(record(1))
        os._exit(0)
