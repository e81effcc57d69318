"""Fixed answers: one set of params for a dataset, or for all, that looks at no subset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ohlora.errors import OhloraError
from ohlora.precision import one_thread
from ohlora.predictor.predictor import Predictor
from ohlora.predictor.search import NO_DIFFERENCE
from ohlora.predictor.table import GROUP, PARAM
from ohlora.space import Params, Space

CANDIDATES = 1024
REFINED = 512
SHARED = 10  # subsets with the same params: no sweep draws those by chance


def fixed_answers(predictor: Predictor, space: Space, seed: int, frame: pd.DataFrame) -> dict[str, Params]:
    """Of each dataset the params that are best on average; `frame` holds the trials learned from.

    Params tried on many of its subsets are kept where no others are expected to score NO_DIFFERENCE more: the
    highest of thousands of predictions is high by chance too, theirs has been seen.
    """
    answers = {}
    for name in sorted(set(predictor.known_datasets)):
        best, tried = best_on_average(predictor, space, seed, name), tried_most(frame, space, name)
        if tried is not None:
            promised, kept = on_average(predictor, space, [best, tried], name).tolist()
            best = tried if promised - kept <= NO_DIFFERENCE else best
        answers[name] = best
    return answers


def tried_most(frame: pd.DataFrame, space: Space, dataset: str) -> Params | None:
    """The params with trials on most subsets of `dataset`; None where no SHARED ones have any in common."""
    columns = [PARAM + name for name in space.within]
    trials = frame.loc[frame["dataset"] == dataset, [*GROUP, *columns]].drop_duplicates()
    shared = trials.groupby(columns, sort=True).size()
    if shared.empty or shared.max() < SHARED:
        return None
    most = shared.reset_index()[columns].iloc[[shared.argmax()]]  # one column or several
    params = dict(zip(space.within, next(most.itertuples(index=False)), strict=True))
    try:
        return space.check(params)
    except OhloraError:
        return None  # of a wider space


def fixed_answer(predictor: Predictor, space: Space, dataset: str | None) -> Params:
    """The fixed answer of a dataset, or (None) of all, by the predictor's card.

    One that the card or `space` has not is searched for.
    """
    card = predictor.card
    known = card.get("fixed_answers", {}).get(dataset) if dataset else card.get("fixed_answer")
    if known is not None:
        try:
            return space.check(known)
        except OhloraError:
            pass  # a narrower space
    return best_on_average(predictor, space, seed=0, dataset=dataset)


def on_average(
    predictor: Predictor, space: Space, params: Sequence[Params], dataset: str | None
) -> np.ndarray:
    """Mean prediction over the known subsets (of `dataset`): macro-F1 [params]."""
    return mean_prediction(predictor, np.array([space.encode(one) for one in params]), dataset).numpy()


def mean_prediction(predictor: Predictor, encoded: np.ndarray, dataset: str | None) -> Tensor:
    """`on_average` of encoded params [n, columns]."""
    rows = [i for i, name in enumerate(predictor.known_datasets) if dataset in (None, name)]
    total = sum(predictor.members(predictor.known[i : i + 1], encoded).mean(0) for i in rows)
    assert isinstance(total, Tensor)
    return total / len(rows)


@one_thread()
def best_on_average(predictor: Predictor, space: Space, seed: int, dataset: str | None = None) -> Params:
    """The one set of params with the highest mean prediction over the table's subsets (of `dataset`).

    This is the fixed answer that looks at no data: the baseline every look at the data must beat.
    """
    rng = np.random.default_rng(seed)
    positions = rng.random((CANDIDATES, len(space.free)))
    for reach in (0.15, 0.05, 0.0):
        encoded = space.encode_positions(positions)
        mean = mean_prediction(predictor, encoded, dataset)
        best = positions[torch.argsort(-mean)[:32].numpy()]
        children = np.repeat(best, REFINED // 32, axis=0)
        positions = np.concatenate([best, np.clip(children + rng.normal(0, reach, children.shape), 0, 1)])
        if reach == 0.0:
            return space.at(best[0])
    raise AssertionError("the last reach is 0")
