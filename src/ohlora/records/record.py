"""One trial's record: what it was (its key) and what came of it, as JSON and as a row of a table."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import field, fields
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import TypeAdapter, ValidationError

from ohlora.config import Name, NotNegative, config, expected, shown
from ohlora.datasets.families import SubsetRecipe
from ohlora.text import printable

Whole = Annotated[int, Ge(0), Le(2**63 - 1)]  # what a column of a table can hold
AtLeastOne = Annotated[int, Ge(1), Le(2**63 - 1)]
Score = Annotated[float, Ge(0), Le(1.000001)]  # macro-F1, 0 to 1; a mean of float32 may end a digit above
ParamValue = Annotated[int, Ge(-(2**63)), Le(2**63 - 1)] | float | str


@config
class TrialKey:
    """What makes a trial the trial it is: run it again and the same record comes out."""

    subset: SubsetRecipe
    subset_fingerprint: Name  # of the family's settings
    protocol: Name  # fingerprint of the network and its budget
    params: dict[Name, ParamValue]
    seed: Whole

    @property
    def digest(self) -> str:
        """Sixteen hex digits: the key as a name."""
        key = {**vars(self), "subset": vars(self.subset)}  # asdict copies deeply, which is most of the time
        return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


@config
class TrialRecord:
    """Everything needed to repeat one trial, and what came of it."""

    key: TrialKey
    status: Literal["complete", "diverged"]
    val_f1: Score  # macro-F1 on the validation split at the best weights, 0 to 1
    # Macro-F1 on the test split at the same weights, 0 to 1. None: not opened for this trial, as in a
    # league's search; a table's rows all have it.
    test_f1: Score | None
    val_loss: NotNegative  # cross-entropy in nats at the best weights
    steps: Whole  # optimiser steps taken
    epochs: NotNegative  # passes over the training images
    n_train: AtLeastOne
    n_classes: AtLeastOne
    elapsed_s: NotNegative  # wall clock, training and scoring
    driver: Name  # lean | trainer | stacked
    device: Name
    precision: Name  # 32 | bf16
    space: Name  # fingerprint of the axes the params were checked against
    commit: Name
    finished_at: NotNegative = field(default_factory=time.time)  # Unix time, seconds
    # None in records older than these two; `table.fill_older` says what they were.
    chooser: Name | None = None  # who chose the params: evenly (over the space) | near_best | ...
    held_fixed: str | None = None  # hyperparameters the space held fixed: names, sorted, a space between

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
        """The inverse of `row`; InvalidConfig names every fault."""
        given = {name: plain(value) for name, value in row.items()}
        # Empty where the trial's space had no such hyperparameter, but another's in the same table has.
        params = {
            name.removeprefix("params."): value
            for name, value in given.items()
            if name.startswith("params.") and value is not None
        }
        recipe = SubsetRecipe(given["dataset"], given["family"], given["seed"])
        key = TrialKey(recipe, given["subset_fingerprint"], given["protocol"], params, given["trial_seed"])
        return cls(key=key, **{name: given[name] for name in OUTCOME if name in given})


OUTCOME = [one.name for one in fields(TrialRecord) if one.name != "key"]  # type: ignore[arg-type]
RECORD = TypeAdapter(TrialRecord)


def parse_record(line: bytes) -> TrialRecord:
    """A journal line as a record; ValueError names every fault."""
    try:
        return RECORD.validate_json(line)
    except ValidationError as error:
        raise ValueError("; ".join(faults(error))) from None


def faults(error: ValidationError) -> Iterator[str]:
    """What came and what is allowed, for each field at fault."""
    seen = set()
    for one in error.errors(include_url=False):
        place = [str(name) for name in one["loc"]]
        cls: Any = TrialRecord
        allowed: Any = Any
        for name in place:
            inner: Any = getattr(cls, "__pydantic_fields__", {}).get(name)
            if inner:
                cls, allowed = inner.annotation, Annotated[inner.annotation, *inner.metadata, None]
        if place[:2] == ["key", "params"] and len(place) > 2:  # then one for each kind a value might be
            place, allowed = place[:3], ParamValue
        where = ".".join(place)
        if where in seen:
            continue
        seen.add(where)
        if one["type"] in ("missing", "missing_argument"):
            yield f"{where} is missing"
        elif one["type"] == "unexpected_keyword_argument":
            yield f"{where} is not a field of a record"
        elif where:
            yield f"{where}={printable(shown(one['input']))} is not {expected(allowed)}"
        else:
            yield one["msg"]


def epochs_seen(steps: int, n_train: int, batch_size: int) -> float:
    """Passes over the training images in `steps` steps; the last batch of a pass may be a small one."""
    whole, begun = divmod(steps, math.ceil(n_train / batch_size))
    return whole + begun * batch_size / n_train


def plain(value: Any) -> Any:
    """A pandas or numpy scalar as Python's own; None where it is empty."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value
