"""One trial's record: what it was (its key) and what came of it, as JSON and as a row of a table."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import pandas as pd

from ohlora.datasets.families import SubsetRecipe
from ohlora.space import Params


@dataclass(frozen=True)
class TrialKey:
    """What makes a trial the trial it is: run it again and the same record comes out."""

    subset: SubsetRecipe
    subset_fingerprint: str  # of the family's settings
    protocol: str  # fingerprint of the network and its budget
    params: Params
    seed: int

    @property
    def digest(self) -> str:
        """Sixteen hex digits: the key as a name."""
        key = {**vars(self), "subset": vars(self.subset)}  # asdict copies deeply, which is most of the time
        return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class TrialRecord:
    """Everything needed to repeat one trial, and what came of it."""

    key: TrialKey
    status: Literal["complete", "diverged"]
    val_f1: float  # macro-F1 on the validation split at the best weights, 0 to 1
    test_f1: float  # macro-F1 on the test split at the same weights, 0 to 1
    val_loss: float  # cross-entropy in nats at the best weights
    steps: int  # optimiser steps taken
    epochs: float  # passes over the training images
    n_train: int
    n_classes: int
    elapsed_s: float  # wall clock, training and scoring
    driver: str  # lean | trainer | stacked
    device: str
    precision: str  # 32 | bf16
    space: str  # fingerprint of the axes the params were checked against
    commit: str
    finished_at: float = field(default_factory=time.time)  # Unix time, seconds

    def row(self) -> dict[str, Any]:
        """Flat, for a table: params under `params.`, the recipe under its own names."""
        row, key = dict(vars(self)), dict(vars(self.key))
        del row["key"]
        params = {f"params.{name}": value for name, value in key.pop("params").items()}
        trial_seed = key.pop("seed")
        return {
            "trial": self.key.digest,
            **vars(key.pop("subset")),
            "trial_seed": trial_seed,
            **key,
            **params,
            **row,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> TrialRecord:
        """The inverse of `row`."""
        # Empty where the trial's space had no such hyperparameter, but another's in the same table has.
        params = {
            k.removeprefix("params."): plain(v)
            for k, v in row.items()
            if k.startswith("params.") and not pd.isna(v)
        }
        recipe = SubsetRecipe(str(row["dataset"]), str(row["family"]), int(row["seed"]))
        key = TrialKey(recipe, row["subset_fingerprint"], row["protocol"], params, int(row["trial_seed"]))
        rest = {f.name: plain(row[f.name]) for f in fields(cls) if f.name != "key"}
        return cls(key=key, **rest)


def epochs_seen(steps: int, n_train: int, batch_size: int) -> float:
    """Passes over the training images in `steps` steps; the last batch of a pass may be a small one."""
    whole, begun = divmod(steps, math.ceil(n_train / batch_size))
    return whole + begun * batch_size / n_train


def plain(value: Any) -> Any:
    """A pandas or numpy scalar as Python's own."""
    return value.item() if hasattr(value, "item") else value


def parse_record(data: dict[str, Any]) -> TrialRecord:
    """A journal line as a record; raises where it is something else."""
    key = data.pop("key")
    recipe = SubsetRecipe(**key.pop("subset"))
    record = TrialRecord(key=TrialKey(subset=recipe, **key), **data)
    if record.status not in ("complete", "diverged"):
        raise ValueError(f"status={record.status!r}")
    return record
