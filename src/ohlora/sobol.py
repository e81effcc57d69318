"""Params spread evenly over a space. Apart from it, as scipy.stats takes a second to import."""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from ohlora.space import Params, Space


def points(space: Space, count: int, seed: int) -> list[Params]:
    """The first `count` points of a scrambled Sobol sequence: the same prefix for every count.

    Drawn over all axes of the game; fixed hyperparameters then take their values, so that fixing one
    leaves the others' draws alone.
    """
    engine = qmc.Sobol(d=len(space.within), scramble=True, rng=np.random.default_rng(seed))
    drawn = engine.random_base2(max(count - 1, 1).bit_length())[:count]
    free = [i for i, name in enumerate(space.within) if name in space.free]
    return [space.at(u[free]) for u in drawn]
