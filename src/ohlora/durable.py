"""Files written durably: whoever reads sees the whole old file or the whole new one, also after a power cut.

Windows has no fsync for folders (NTFS keeps its own journal of them); on macOS fsync ends at the drive's
cache.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from ohlora.errors import OhloraError

T = TypeVar("T")


@contextmanager
def replacing(path: Path, suffix: str = ".part") -> Iterator[Path]:
    """Yield a path to write to; at the end that file is on disk and has taken the place of `path`.

    Should the body or the disk fail, or the process be killed, `path` stays as it was. A kill may leave
    the unfinished file beside it; `suffix` is how that one's name ends, for libraries that go by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}{suffix}")
    try:
        yield part
        with part.open("r+b") as file:  # Windows syncs only what was opened for writing
            os.fsync(file.fileno())
        patiently(lambda: part.replace(path))
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (part, str(part)):
            error.filename = str(path)  # the one that whoever reads the message knows
        raise
    sync_folder(path.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Write a whole file."""
    with replacing(path) as part:
        part.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a whole file of UTF-8 text, lines ended by a line feed on every platform."""
    replace_file(path, text.encode())


def as_json(content: Any) -> str:
    """Indented, readable JSON, Korean as Korean; ValueError where something is NaN or infinite."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, content: Any) -> None:
    """Write `as_json`; what is refused is refused before anything is written."""
    write_text(path, as_json(content))


@contextmanager
def owned(folder: Path, by: str = "run", setting: str = "hydra.run.dir") -> Iterator[None]:
    """Keep other processes out of a folder. Raises OhloraError where one is at work in it.

    `by` says whose folder it is, `setting` what names another one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f".{by}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise OhloraError(
            f"another {by} is at work in {folder.as_posix()}: wait for it, or give this one a folder of"
            f" its own, {setting}=DIR"
        ) from None
    try:
        yield
    finally:
        drop(lock)


def drop(lock: FileLock) -> None:
    """Release a lock and remove its file."""
    # While it is held: once released, the file may be another's lock, and a third process that finds no
    # file would hold the same. Windows keeps open files; there filelock unlinks.
    with suppress(OSError):
        Path(lock.lock_file).unlink()
    lock.release()


def append_synced(path: Path, data: bytes, create: bool = False) -> None:
    """Append to a file, and to the disk under it; where it fails nothing is left behind.

    `create`: the file is new, and it and the folders that lead to it are on disk too.
    """
    append_whole(path, data, "xb" if create else "ab", sync=True)
    if create:
        for folder in path.absolute().parents:
            sync_folder(folder)


def append_whole(path: Path, data: bytes, mode: str = "ab", sync: bool = False) -> None:
    """Append all of `data` or, where that fails, nothing; without `sync` a power cut may take it."""
    with path.open(mode, buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            rest = memoryview(data)
            while rest:  # a disk that fills up takes a part and refuses the rest
                rest = rest[file.write(rest) :]
            if sync:
                os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                file.truncate(before)
            raise


def cannot_write(folder: Path) -> str | None:
    """Why no file can be written in a folder, which need not be there yet; None where one can.

    It is tried, and nothing is left of it: `os.access` knows neither of /proc nor of Windows' permissions.
    """
    made = [one for one in (folder, *folder.parents) if not os.path.lexists(one)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except FileExistsError:
        return "it is a file"
    except OSError as error:
        return error.strerror
    finally:
        for one in made:
            with suppress(OSError):
                one.rmdir()


def sync_folder(folder: Path) -> None:
    """Put a folder's list of files on disk, where the platform can."""
    if os.name == "nt":
        return
    with suppress(OSError):  # a folder that may not be read, a file system that has nothing to sync
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def patiently(act: Callable[[], T]) -> T:
    """`act()`; on Windows, where a file that another process has open is in the way, tried for a while."""
    for _ in range(100 if os.name == "nt" else 0):
        try:
            return act()
        except PermissionError:
            time.sleep(0.02)
    return act()
