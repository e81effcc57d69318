"""Files that survive: what was written is on disk, and whoever reads sees a whole file, old or new."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def append_synced(path: Path, data: bytes, create: bool = False) -> None:
    """Append to a file, and to the disk under it; where it fails nothing is left behind."""
    with path.open("xb" if create else "ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            rest = memoryview(data)
            while rest:  # a disk that fills up takes a part and refuses the rest
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                file.truncate(before)
            raise


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
