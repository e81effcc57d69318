"""What `model=hp_predictor` runs, as settings: the table it is fitted on, the ensemble, how it is judged."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le, Lt, MinLen
from pydantic import Strict

from ohlora.config import Count, Name, NotNegative, Positive, config, deferred
from ohlora.datasets.families import Family
from ohlora.datasets.readers import DatasetReader
from ohlora.hardware import Hardware
from ohlora.loggers import LoggerChoice
from ohlora.space import Space
from ohlora.trainer import TrainerSettings
from ohlora.trials.protocol import Protocol

Names = Annotated[tuple[Name, ...], Strict(False), MinLen(1)]  # a list in YAML


@config
class PredictorSettings:
    """Size and training of the ensemble."""

    members: Annotated[int, Ge(1), Le(1000)]
    width: Annotated[int, Ge(1), Le(10_000)]
    dropout: Annotated[float, Ge(0), Lt(1)]
    within_weight: NotNegative  # how much more the order inside a subset counts than its level
    learning_rate: Positive
    weight_decay: NotNegative
    epochs: Count
    subsets_per_batch: Count


@config
class FitPredictor:
    """Fit the predictor on a table and report how it does on subsets it never saw."""

    tables: Names
    columns: Name | None  # a YAML file that explains the columns of somebody else's tables
    space: Space
    settings: PredictorSettings
    protocol: Protocol
    features: Names  # name patterns of the feature groups in use
    ablation: dict[Name, Names] | None  # name -> patterns: feature groups weighed against each other
    target: Name
    folds: Annotated[int, Ge(2), Le(1000)]
    seed: Annotated[int, Ge(0), Lt(2**63)]
    datasets: dict[Name, DatasetReader]
    families: dict[Name, Family]
    encoders: Name
    cache_dir: Name
    save_to: Name | None  # a folder: keep the predictor there as well
    output_dir: Name
    hardware: Hardware
    trainer: TrainerSettings  # its `devices`: processes that share the fits
    logger: LoggerChoice

    run = deferred("ohlora.predictor.fit", "fit_predictor")
