"""What cannot be shown does not end a job."""

from __future__ import annotations

import io
import os

import pytest

from ohlora.streams import steady


def writer(descriptor: int, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.open(descriptor, "wb"), encoding=encoding, line_buffering=True)  # noqa: UP020


def test_a_reader_that_leaves_is_no_error() -> None:
    out, into = os.pipe()
    stream = steady(writer(into, "utf-8"))
    print("first", file=stream)
    assert os.read(out, 100) == b"first\n"
    os.close(out)
    for _ in range(3):
        print("nobody reads this", file=stream, flush=True)
    stream.close()


@pytest.mark.parametrize(("encoding", "shown"), [("cp1252", b"?? \xe9\n"), ("ascii", b"?? ?\n")])
def test_what_the_encoding_lacks_is_replaced(encoding: str, shown: bytes) -> None:
    out, into = os.pipe()
    stream = steady(writer(into, encoding))
    print("너✨ é", file=stream)
    assert os.read(out, 100) == shown
    stream.close()
    os.close(out)


def test_what_is_no_file_is_left_alone() -> None:
    stream = io.StringIO()
    assert steady(stream) is stream
