"""What `python -m ohlora report DIR...` runs, as settings (conf/report.yaml)."""

from __future__ import annotations

from typing import Annotated

from annotated_types import MinLen

from ohlora.config import Count, Many, config, deferred
from ohlora.datasets.readers import FolderName


@config
class WriteReport:
    """Collect the results below some folders into one HTML file."""

    folders: Annotated[Many[FolderName], MinLen(1)]
    out: FolderName  # the file
    most: Count  # results of each kind that are shown whole; the older ones are rows of a table

    run = deferred("ohlora.report.writing", "write_report")
