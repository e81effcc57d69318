"""Trials where they teach most: near the best of each subset, as the predictor sees it so far."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ohlora.datasets.images import ImageData
from ohlora.datasets.subset import Subset
from ohlora.features.describe import describe
from ohlora.features.table import encoder_for
from ohlora.predictor.predictor import Predictor
from ohlora.space import Params, Space

CANDIDATES = 1024
TOP_SHARE = 0.02  # wide enough that where members agree the plateau is covered, not one point of it


@dataclass(frozen=True)
class NearBest:
    """Draws each set of params among the best 2 % of random ones, in the eyes of one ensemble member.

    Members differ most where the table says least, so trials gather near the best and spread where that
    is in doubt (Thompson sampling, as in arXiv:1705.09236).
    """

    predictor: str  # folder of hp_predictor.safetensors
    encoders: str  # folder

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor.load(Path(self.predictor), "hp_predictor")

    def choose(self, data: ImageData, subset: Subset, space: Space, count: int) -> list[Params]:
        """`count` params for one subset, always the same for the same predictor."""
        self._predictor.check_space(space)
        vector = self._predictor.vector(describe(subset, encoder_for(data, Path(self.encoders))))
        rng = np.random.default_rng(zlib.crc32(repr((subset.recipe, count)).encode()))
        chosen = []
        for i in range(count):
            positions = rng.random((CANDIDATES, len(space.free)))
            members = self._predictor.members(vector, space.encode_positions(positions))
            best = members[i % len(members)].argsort(descending=True)[: int(TOP_SHARE * CANDIDATES)]
            chosen.append(space.at(positions[int(best[rng.integers(len(best))])]))
        return chosen
