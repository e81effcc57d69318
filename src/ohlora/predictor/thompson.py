"""Params near the best of a subset, as single members of the ensemble see it (Thompson sampling)."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path

import numpy as np
from torch import Tensor

from ohlora.datasets.images import ImageData
from ohlora.datasets.subset import Subset
from ohlora.features.describe import describe
from ohlora.features.table import encoder_for
from ohlora.precision import one_thread
from ohlora.predictor.near_best import Favourites, NearBest
from ohlora.predictor.predictor import NAME, Predictor
from ohlora.predictor.search import within
from ohlora.predictor.study_model import climb
from ohlora.space import Params, Space

CANDIDATES = 1024
TOP_SHARE = 0.02  # wide enough that where members agree the plateau is covered, not one point of it


@cache
def loaded(folder: str) -> Predictor:
    return Predictor.load(Path(folder), NAME)


def draw(chooser: NearBest, data: ImageData, subset: Subset, space: Space, count: int) -> list[Params]:
    """`count` params for one subset, always the same for the same predictor; more begin with the same."""
    predictor, vector = seen(chooser, data, subset, space)
    rng = np.random.default_rng(zlib.crc32(repr(subset.recipe).encode()))
    chosen = []
    for i in range(count):
        positions = rng.random((CANDIDATES, len(space.free)))
        members = predictor.members(vector, space.encode_positions(positions))
        best = members[i % len(members)].argsort(descending=True)[: int(TOP_SHARE * CANDIDATES)]
        chosen.append(space.at(positions[int(best[rng.integers(len(best))])]))
    return chosen


@one_thread()
def search_each(
    chooser: Favourites, data: ImageData, subset: Subset, space: Space, count: int
) -> list[Params]:
    """The dataset's fixed answer as far as `space` has it, then `count` - 1 searches by one member each."""
    predictor, vector = seen(chooser, data, subset, space)
    expected = predictor.on(vector)
    rng = np.random.default_rng(zlib.crc32(repr(subset.recipe).encode()))
    nowhere = np.empty((0, len(space.free)))

    def favourite(i: int) -> Params:
        def worth(positions: np.ndarray) -> np.ndarray:
            members = expected.members(space.encode_positions(positions))
            return members[i % len(members)].numpy()

        return space.at(climb(worth, nowhere, rng))

    fixed = within(space, expected.fixed_answer() or {})
    first = [{**favourite(0), **fixed}] if fixed else []
    return [*first, *(favourite(i) for i in range(count - len(first)))][:count]


def seen(
    chooser: NearBest | Favourites, data: ImageData, subset: Subset, space: Space
) -> tuple[Predictor, Tensor]:
    """The predictor, and the subset as it sees it."""
    predictor = loaded(chooser.predictor)
    predictor.check_space(space)
    encoders = Path(chooser.encoders)
    predictor.check_encoders(encoders)
    return predictor, predictor.vector(describe(subset, encoder_for(data, encoders)))
