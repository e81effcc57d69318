"""Cross-fitting: what fits that saw no trial of a subset, or of a dataset, predict of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ohlora.predictor.calibration import (
    VIEWS,
    Calibration,
    Errors,
    HeldOut,
    Known,
    as_views,
    calibrate,
    of_views,
    predicted_views,
)
from ohlora.predictor.fixed import best_on_average, fixed_answers
from ohlora.predictor.jobs import PredictorSettings
from ohlora.predictor.predictor import Predictor, fit, standardised, with_noise
from ohlora.predictor.table import PredictorTable, folds
from ohlora.processes import is_main, rank, summed, world_size
from ohlora.progress import progress
from ohlora.space import Space

# Fits on some rows, predicts others: (train, test) -> macro-F1 [test rows].
Method = Callable[[PredictorTable, PredictorTable], np.ndarray]


@dataclass(frozen=True)
class CrossFit:
    """A predictor fitted on a whole table, and what fits without a part of it say of that part."""

    table: PredictorTable
    predictor: Predictor
    known: HeldOut  # subsets held out, other subsets of their datasets not
    unseen: HeldOut | None  # whole datasets held out; None: there is one only

    @cached_property
    def calibration(self) -> tuple[Calibration, Errors]:
        """How the predictions are corrected, and how far off they were on each known subset."""
        return calibrate(self.table, self.predictor.known_subsets, self.known, self.unseen)

    def calibrated(self, space: Space, seed: int, frame: pd.DataFrame, card: dict[str, Any]) -> Predictor:
        """The predictor, with corrections and fixed answers in its card; `frame` holds the trials as read."""
        found, errors = self.calibration
        told = {
            **card,
            "fixed_answer": best_on_average(self.predictor, space, seed),
            "fixed_answers": fixed_answers(self.predictor, space, seed, frame),
            "calibration": asdict(found),
        }
        noise = float(np.sqrt(np.mean((self.known.own - self.table.target) ** 2)))
        return with_noise(self.predictor, noise, told, errors)


def cross_fit(
    table: PredictorTable, space: Space, settings: PredictorSettings, seed: int, count: int
) -> CrossFit | None:
    """Fit on all of `table`, and without each of `count` folds of its subsets and of its datasets.

    Several processes share the fits; the result is the first one's, the others get None.
    """
    predictor = fit(table, space, settings, seed) if is_main() else None
    views = partial(predict_views, space, settings, seed)
    known = cross_views(views, table, folds(table.group, count, seed))
    sources = source_folds(table.datasets, count)
    unseen = cross_views(views, table, sources) if len(sources) > 1 else None
    return CrossFit(table, predictor, known, unseen) if predictor else None


def source_folds(datasets: np.ndarray, count: int) -> list[np.ndarray]:
    """At most `count` boolean masks of held-out rows, whole datasets each, the large ones apart."""
    names, sizes = np.unique(datasets, return_counts=True)
    by_size = names[np.argsort(-sizes, kind="stable")]
    return [np.isin(datasets, by_size[i::count]) for i in range(min(count, len(names)))]


def cross_views(views: Method, table: PredictorTable, held_out: list[np.ndarray]) -> HeldOut:
    """What fits without a part of the subsets say of that part."""
    return of_views(cross_predict_each({"": (views, table)}, held_out, columns=VIEWS)[""])


def predict_views(
    space: Space, settings: PredictorSettings, seed: int, train: PredictorTable, test: PredictorTable
) -> np.ndarray:
    """As columns, what the ensemble fitted on `train` says of `test`: by own features, by neighbours'."""
    fitted = fit(train, space, settings, seed)
    vectors = standardised(torch.from_numpy(test.features).float(), fitted.mean, fitted.std)

    def mean(vector: Tensor, params: np.ndarray) -> np.ndarray:
        return fitted.members(vector, params).mean(dim=0).numpy()

    return as_views(predicted_views(mean, Known(fitted.known), vectors, test))


def ensemble_predictions(
    space: Space, settings: PredictorSettings, seed: int, train: PredictorTable, test: PredictorTable
) -> np.ndarray:
    return predict_rows(fit(train, space, settings, seed), test)


def predict_rows(predictor: Predictor, table: PredictorTable) -> np.ndarray:
    """Expected macro-F1 of every row."""
    vectors = standardised(torch.from_numpy(table.features).float(), predictor.mean, predictor.std)
    return predictor.members(vectors, table.params).mean(dim=0).numpy()


def cross_predict(method: Method, table: PredictorTable, held_out: list[np.ndarray]) -> np.ndarray:
    """Each row predicted by a fit that saw no trial of its subset."""
    return cross_predict_each({"": (method, table)}, held_out)[""]


def cross_predict_each(
    weighed: Mapping[str, tuple[Method, PredictorTable]],
    held_out: list[np.ndarray],
    columns: int | None = None,
) -> dict[str, np.ndarray]:
    """Each row's prediction by each method on its table; with `columns`, that many of each row.

    Several processes deal the fits out, so that each fit is the one a single process would make: one
    takes a second or so, and gradients sent to and fro at every step would cost more than they save.
    """
    wide = () if columns is None else (columns,)
    predictions = {name: np.zeros((len(table.target), *wide)) for name, (_, table) in weighed.items()}
    # The first process has the fit on all rows behind it, so the second is served first.
    turns = enumerate(itertools.product(weighed, held_out), start=1)
    mine = [fold for turn, fold in turns if turn % world_size() == rank()]
    shown = progress(len(mine), "fits without a part of the subsets") if is_main() else nullcontext(None)
    with shown as advance:
        for name, mask in mine:
            method, table = weighed[name]
            predictions[name][mask] = method(table.rows(~mask), table.rows(mask))
            if advance:
                advance()
    return {name: summed(torch.from_numpy(part)).numpy() for name, part in predictions.items()}
