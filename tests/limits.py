"""Limits of the operating system, lowered for a while: a full disk, few open files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Writes past `size` bytes fail, and one that crosses it is cut there: a disk with that much room."""
    import resource

    yield from lowered(resource.RLIMIT_FSIZE, size)


@contextmanager
def open_files(count: int) -> Iterator[None]:
    """No more than `count` files may be open at a time, those open already included."""
    import resource

    yield from lowered(resource.RLIMIT_NOFILE, count)


def lowered(limit: int, value: int) -> Iterator[None]:
    import resource

    before = resource.getrlimit(limit)
    resource.setrlimit(limit, (value, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(limit, before)
