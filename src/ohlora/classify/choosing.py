"""Which params to train the classifier with: her advice, or what a few trials make of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ohlora.predictor.advice import SEARCH_SEED, Advice
from ohlora.predictor.search import Suggestion, search
from ohlora.space import Params


@dataclass(frozen=True)
class Tried:
    """Params that were trained to see what they earn."""

    params: Params
    val_f1: float  # macro-F1, 0 to 1


def choose(advice: Advice, trials: int, train: Callable[[Params, int], float]) -> list[Tried]:
    """Train `trials` params, each proposed with what the ones before it earned; the first is the advice.

    `train` is given params and the number of the trial, from 1, and returns the validation macro-F1.
    """
    tried: list[Tried] = []
    for number in range(1, trials + 1):
        params = proposed(advice, tried, explore=True).params if tried else advice.params
        tried.append(Tried(params, train(params, number)))
    return tried


def proposed(advice: Advice, tried: Sequence[Tried], explore: bool = False) -> Suggestion:
    """What she would train next, given what was tried; without `explore` what she expects most of."""
    past = [(one.params, one.val_f1) for one in tried]
    vector = advice.predictor.vector(advice.features)
    return search(advice.predictor, advice.space, vector, SEARCH_SEED, past, explore)
