"""Trials where they teach most, as settings: near the best of each subset, as the predictor expects it."""

from __future__ import annotations

from typing import ClassVar

from ohlora.config import Name, config, deferred


@config
class NearBest:
    """Draws each set of params among the best 2 % of random ones, by one member of the ensemble.

    Members differ most where the table says least, so trials gather near the best and spread where that
    is in doubt (Thompson sampling, as in arXiv:1705.09236).
    """

    name: ClassVar[str] = "near_best"

    predictor: Name  # folder of hp_predictor.safetensors
    encoders: Name  # folder

    choose = deferred("ohlora.predictor.thompson", "draw")


@config
class Favourites:
    """Draws the fixed answer of the dataset, then the best params that a search by each member finds.

    The fixed answer is what her choice is measured against, and a member's favourite is where it is most
    likely too high: what they score teaches the order among the best, and takes back empty promises.
    """

    name: ClassVar[str] = "favourites"

    predictor: Name  # folder of hp_predictor.safetensors
    encoders: Name  # folder

    choose = deferred("ohlora.predictor.thompson", "search_each")
