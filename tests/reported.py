"""What the report makes of a folder that a real run has left."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ohlora.report.page import page
from ohlora.report.results import Result
from ohlora.report.writing import collect


def reported(folder: Path, section: str) -> Result:
    """The newest result of a section, read from below a folder without a fault, and on a page."""
    with tempfile.TemporaryDirectory() as work:
        found, faults, made_by = collect([folder], Path(work))
        assert not faults
        written = page(found, made_by, faults, "tests", most=5)
    assert f">{section} ({len(found[section])})</a>" in written
    return found[section][0]
