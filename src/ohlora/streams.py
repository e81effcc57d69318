"""Standard streams that never end a job: what cannot be shown is replaced or dropped."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from typing import Any


class _NeverBroken(io.RawIOBase):
    """A file whose reader may leave (`| head`): what is written after that goes nowhere."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream  # forgotten, it would close its file
        self._raw = getattr(stream.buffer, "raw", stream.buffer)  # python -u has no buffer between

    def write(self, data: Any) -> int:
        try:
            return self._raw.write(data)
        except BrokenPipeError:
            return len(data)

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            super().close()
            with suppress(BrokenPipeError):
                self._stream.close()

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw.isatty()


def steady(stream: Any) -> Any:
    """`stream`, a text file, with `?` for what its encoding lacks, and no error once its reader is gone."""
    if not isinstance(getattr(stream, "buffer", None), io.BufferedWriter | io.RawIOBase):  # a notebook
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(_NeverBroken(stream)),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def make_steady() -> None:
    """Make this process's streams steady."""
    sys.stdout.flush()
    sys.stdout = steady(sys.stdout)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # typed text is checked where it is used
