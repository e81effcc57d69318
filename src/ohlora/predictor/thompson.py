"""Params near the best of a subset, as one member of the predictor's ensemble sees it (Thompson sampling)."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path

import numpy as np

from ohlora.datasets.images import ImageData
from ohlora.datasets.subset import Subset
from ohlora.features.describe import describe
from ohlora.features.table import encoder_for
from ohlora.predictor.near_best import NearBest
from ohlora.predictor.predictor import NAME, Predictor
from ohlora.space import Params, Space

CANDIDATES = 1024
TOP_SHARE = 0.02  # wide enough that where members agree the plateau is covered, not one point of it


@cache
def loaded(folder: str) -> Predictor:
    return Predictor.load(Path(folder), NAME)


def choose(chooser: NearBest, data: ImageData, subset: Subset, space: Space, count: int) -> list[Params]:
    """`count` params for one subset, always the same for the same predictor."""
    predictor = loaded(chooser.predictor)
    predictor.check_space(space)
    encoders = Path(chooser.encoders)
    predictor.check_encoders(encoders)
    vector = predictor.vector(describe(subset, encoder_for(data, encoders)))
    rng = np.random.default_rng(zlib.crc32(repr((subset.recipe, count)).encode()))
    chosen = []
    for i in range(count):
        positions = rng.random((CANDIDATES, len(space.free)))
        members = predictor.members(vector, space.encode_positions(positions))
        best = members[i % len(members)].argsort(descending=True)[: int(TOP_SHARE * CANDIDATES)]
        chosen.append(space.at(positions[int(best[rng.integers(len(best))])]))
    return chosen
