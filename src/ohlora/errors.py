"""Mistakes a user can mend. The doors print them as one line and leave with exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec

# A phrase of a page (a key of web/page/words.json), and what fills its gaps.
Part = tuple[str, Mapping[str, str | int]]


class OhloraError(Exception):
    """What came, what is allowed, every fault at once; no traceback is shown for it.

    `parts` is the same for a page, which tells it in its reader's language.
    """

    def __init__(self, message: object = "", *parts: Part) -> None:
        super().__init__(message)
        self.parts = parts


def joined(faults: Sequence[OhloraError], before: str = "", after: str = "") -> OhloraError:
    """Several mistakes as one; `before` and `after` go around the message."""
    message = "; ".join(map(str, faults))
    return OhloraError(f"{before}{message}{after}", *(part for fault in faults for part in fault.parts))


class JobFailed(OhloraError):
    """A job of a multirun ended badly in its own process, which has said why."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def nearest(word: object, allowed: Iterable[str]) -> str:
    """Return ' (did you mean a | b?)' for the allowed words most like `word`, or an empty string."""
    close = difflib.get_close_matches(str(word), list(allowed), n=3, cutoff=0.5)
    return f" (did you mean {' | '.join(close)}?)" if close else ""


def whole_fault(name: str, value: object, low: int, high: int) -> str | None:
    """Why `value` is no whole number from `low` to `high`, or None."""
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return None
    return f"{name}={value} is not a whole number from {low} to {high}"


def need_packages(extra: str, *packages: str) -> None:
    """Raise OhloraError with the command that installs them where some of an extra's packages are missing."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        named = " and ".join(missing)
        raise OhloraError(f'{named} not installed: pip install "ohlora[{extra}]"')
