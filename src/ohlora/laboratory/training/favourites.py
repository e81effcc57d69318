"""Who of those that passed goes into a bank of faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ohlora.errors import OhloraError

if TYPE_CHECKING:
    from ohlora.laboratory.training.jobs import FillBank


def numbers_of(job: FillBank, count: int) -> list[int]:
    """Numbers, among the `count` who passed, of the people for the bank."""
    chosen = list(job.favourites) if job.favourites else list(range(count))[: job.faces]
    if strangers := [number for number in chosen if not 0 <= number < count]:
        raise OhloraError(
            f"favourites={strangers} are not among those who pass, 0 to {count - 1}:"
            f" {job.training_run.folder / 'passed.png'} shows them"
        )
    return chosen
