"""What `model=target_table` runs, as settings: which tables become one, and where it goes."""

from __future__ import annotations

from typing import Annotated

from annotated_types import MinLen
from pydantic import Strict

from ohlora.config import Name, config, deferred
from ohlora.datasets.families import Family
from ohlora.datasets.readers import DatasetReader
from ohlora.loggers import LoggerChoice
from ohlora.space import Space
from ohlora.trials.protocol import Protocol


@config
class ShipTable:
    """Gather tables, describe their subsets and write `target_table.parquet` with a card.

    Trials of another protocol, of subsets drawn by other settings, or of families and datasets that are not
    named here, stay out; a warning counts them.
    """

    tables: Annotated[tuple[Name, ...], Strict(False), MinLen(1)]
    space: Space
    protocol: Protocol
    datasets: dict[Name, DatasetReader]
    families: dict[Name, Family]
    encoders: Name
    cache_dir: Name
    save_to: Name
    output_dir: Name
    logger: LoggerChoice

    run = deferred("ohlora.features.target_table", "ship_table")
