"""Who trains what: trials taken by the processes that share a table, each trial by one of them.

A process writes the trials it takes into a list of its own and holds one lock beside it for as long as it
has any. The operating system drops that lock when the process ends, however it ends, and with it go all its
claims. So any number can be held, with two open files.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ohlora.durable import append_whole, drop, patiently
from ohlora.errors import OhloraError

PATIENCE_S = 60  # claiming takes well under a millisecond; a process that was stopped may be holding it up
POLL_S = 0.001


class Claims:
    """The claims on the trials of one table: this object's own and those of all others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mine: set[str] = set()
        self._lock: FileLock | None = None  # held while there are any of mine
        self._pid = os.getpid()
        self._gate = FileLock(folder / "claiming.lock")
        self._theirs: dict[str, tuple[int, set[str]]] = {}  # by list: bytes read, trials claimed

    def take(self, trial: str) -> bool:
        """Claim a trial; False where it is claimed already, also by this process."""
        self._leave_the_parents()
        if trial in self._mine:
            return False
        with self._one_at_a_time():
            if any(trial in theirs for theirs in self._living(trial)):
                return False
            try:
                if self._lock is None:
                    self._lock = self._new_lock()
                self._note(f"+{trial}")
            except OSError as error:
                raise OhloraError(
                    f"cannot write to {self.folder}: {error.strerror or error}; all trials trained so far are"
                    " safe: make room and start the same sweep again, it goes on there"
                ) from error
            self._mine.add(trial)
        return True

    def give_back(self, trial: str) -> None:
        """End a claim; one that is not held is none."""
        self._leave_the_parents()
        if trial in self._mine:
            self._mine.remove(trial)
            if self._mine:
                with suppress(OSError):  # a full disk: it ends with the process
                    self._note(f"-{trial}")
            else:
                self._end()

    def give_all_back(self) -> None:
        self._leave_the_parents()
        self._mine.clear()
        self._end()

    def _end(self) -> None:
        """Nothing is claimed: list and lock go."""
        if self._lock is not None:
            # The list first: a lock without a list claims nothing, a list without a lock was a dead one's.
            remove(list_of(Path(self._lock.lock_file)))
            drop(self._lock)
            self._lock = None

    def _leave_the_parents(self) -> None:
        """A forked child starts without claims: those it finds here are its parent's."""
        if self._pid != os.getpid():
            self._pid, self._mine, self._lock = os.getpid(), set(), None

    def _new_lock(self) -> FileLock:
        for left in self.folder.glob("*.claims"):  # by processes that are dead, all its trials done since
            if not is_held(left.with_suffix(".lock")):
                remove(left)
        name = f"{platform.node() or 'host'}-{os.getpid()}-{time.time_ns()}.lock"
        lock = FileLock(self.folder / name)
        lock.acquire(timeout=0)
        return lock

    def _note(self, what: str) -> None:
        assert self._lock is not None
        # Opened anew each time: on network file systems, what was written is there for others once closed.
        append_whole(list_of(Path(self._lock.lock_file)), f"{what}\n".encode())

    def _living(self, trial: str) -> Iterator[set[str]]:
        """What other lists claim; one that claims `trial` and whose process is dead is thrown away."""
        own = list_of(Path(self._lock.lock_file)).name if self._lock else None
        sizes = {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(".claims"):
                    with suppress(FileNotFoundError):  # given back just now
                        sizes[entry.name] = entry.stat().st_size
        for name in set(self._theirs) - set(sizes):
            del self._theirs[name]
        for name in sizes.keys() - {own}:
            theirs = self._read_on(name, sizes[name])
            if trial not in theirs or is_held(self.folder / f"{name.removesuffix('.claims')}.lock"):
                yield theirs
            else:
                remove(self.folder / name)

    def _read_on(self, name: str, size: int) -> set[str]:
        offset, claimed = self._theirs.get(name, (0, set()))
        if size != offset:
            try:
                with (self.folder / name).open("rb") as file:
                    file.seek(offset)
                    whole = file.read().rpartition(b"\n")[0]
            except FileNotFoundError:  # given back just now
                return set()
            for line in whole.decode().split():
                (claimed.add if line[0] == "+" else claimed.discard)(line[1:])
            self._theirs[name] = offset + len(whole) + bool(whole), claimed
        return claimed

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._gate.acquire(timeout=PATIENCE_S, poll_interval=POLL_S)
        except Timeout:
            raise OhloraError(
                f"another process has been claiming a trial in {self.folder} for {PATIENCE_S} seconds;"
                " was it stopped (Ctrl-Z)? Let it go on or end it"
            ) from None
        try:
            yield
        finally:
            self._gate.release()


def list_of(lock: Path) -> Path:
    return lock.with_suffix(".claims")


def remove(path: Path) -> None:
    patiently(lambda: path.unlink(missing_ok=True))


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock; what a dead one left is removed."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    drop(lock)
    return False
