"""Params near the best: better than chance in the predictor's eyes, and not all the same."""

from __future__ import annotations

import numpy as np
import pytest

from ohlora.assets import assets_dir
from ohlora.datasets.readers import Digits
from ohlora.errors import OhloraError
from ohlora.features.describe import describe
from ohlora.features.table import encoder_for
from ohlora.predictor.near_best import Favourites, NearBest
from ohlora.predictor.predictor import Predictor


@pytest.fixture(scope="module")
def near_best() -> NearBest:
    return NearBest(str(assets_dir()), str(assets_dir() / "encoders"))


@pytest.fixture(scope="module")
def favourites() -> Favourites:
    return Favourites(str(assets_dir()), str(assets_dir() / "encoders"))


@pytest.fixture(scope="module")
def expected(digits_subset):
    predictor = Predictor.load(assets_dir(), "hp_predictor")
    encoder = encoder_for(Digits().load(), assets_dir() / "encoders")
    return predictor.on(predictor.vector(describe(digits_subset, encoder)))


def test_they_are_among_the_best_and_differ(near_best, digits_subset, space):
    data = Digits().load()
    chosen = near_best.choose(data, digits_subset, space, 12)
    for params in chosen:
        assert space.check(params) == params
    predictor = Predictor.load(assets_dir(), "hp_predictor")
    vector = predictor.vector(describe(digits_subset, encoder_for(data, assets_dir() / "encoders")))

    def predicted(some):
        return predictor.members(vector, np.array([space.encode(p) for p in some])).mean(0).numpy()

    by_chance = predicted(space.points(256, seed=3))
    assert np.median(predicted(chosen)) > np.quantile(by_chance, 0.9)
    assert len({params["learning_rate"] for params in chosen}) == 12
    assert len({params["batch_size"] for params in chosen}) > 1


def test_they_are_the_same_each_time_and_stay_in_a_narrower_space(near_best, digits_subset, classic_space):
    data = Digits().load()
    one, again = (near_best.choose(data, digits_subset, classic_space, 4) for _ in range(2))
    assert one == again
    for params in one:
        assert {name: params[name] for name in classic_space.fixed} == classic_space.fixed


@pytest.mark.parametrize("kind", [NearBest, Favourites])
def test_more_of_them_begin_with_the_same(kind, digits_subset, space):
    chooser = kind(str(assets_dir()), str(assets_dir() / "encoders"))
    few, more = (chooser.choose(Digits().load(), digits_subset, space, count) for count in (2, 3))
    assert more[:2] == few


def test_favourites_are_the_fixed_answer_and_what_each_member_likes_best(
    favourites, expected, digits_subset, space
):
    fixed, *rest = favourites.choose(Digits().load(), digits_subset, space, 9)
    assert fixed == expected.fixed_answer()
    for params in rest:
        assert space.check(params) == params
    by_chance = expected.members(np.array([space.encode(p) for p in space.points(2048, seed=3)]))
    liked = expected.members(np.array([space.encode(p) for p in rest]))
    assert (liked.diagonal() > by_chance.amax(dim=1)).all()
    assert len({tuple(params.items()) for params in rest}) == 8


def test_favourites_are_the_same_each_time_and_stay_in_a_narrower_space(
    favourites, expected, digits_subset, classic_space
):
    one, again = (favourites.choose(Digits().load(), digits_subset, classic_space, 3) for _ in range(2))
    assert one == again
    for params in one:
        assert classic_space.check(params) == params
    fixed = expected.fixed_answer()
    rate = classic_space.free["learning_rate"]
    assert (one[0]["learning_rate"] == fixed["learning_rate"]) == (not rate.fault(fixed["learning_rate"]))
    assert len(favourites.choose(Digits().load(), digits_subset, classic_space, 1)) == 1


def test_without_a_predictor_it_says_so(tmp_path, digits_subset, space):
    with pytest.raises(OhloraError, match="hp_predictor"):
        NearBest(str(tmp_path), str(tmp_path)).choose(Digits().load(), digits_subset, space, 2)
