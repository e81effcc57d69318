"""Fixed answers: tried params are kept where no others promise more, and the card's are what is played."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.predictor.conftest import true_f1

from ohlora.predictor.fixed import (
    NO_DIFFERENCE,
    SHARED,
    best_on_average,
    fixed_answer,
    fixed_answers,
    on_average,
    tried_most,
)
from ohlora.predictor.predictor import Predictor
from ohlora.space import Params, Real, Space


@pytest.fixture
def dataset(predictor: Predictor) -> str:
    return predictor.known_datasets[0]


def trials(dataset: str, params: Params, subsets: int) -> pd.DataFrame:
    columns = {f"params.{name}": value for name, value in params.items()}
    return pd.DataFrame(
        [{"dataset": dataset, "family": "varied", "seed": seed, **columns} for seed in range(subsets)]
    )


def test_best_on_average_is_good_on_average_and_fixed(predictor: Predictor, space: Space) -> None:
    params = best_on_average(predictor, space, seed=0)
    assert params == best_on_average(predictor, space, seed=0)
    rng = np.random.default_rng(0)
    eases = np.linspace(0.05, 0.95, 7)

    def mean_f1(p: Params) -> float:
        return float(np.mean([true_f1(space, p, e) for e in eases]))

    assert mean_f1(params) > np.quantile([mean_f1(space.sample(rng)) for _ in range(200)], 0.95)


class TestTriedMost:
    def test_what_most_subsets_share(self, space: Space) -> None:
        rng = np.random.default_rng(0)
        often, seldom = space.sample(rng), space.sample(rng)
        frame = pd.concat(
            [trials("a", often, SHARED + 1), trials("a", seldom, SHARED), trials("b", seldom, 90)]
        )
        assert tried_most(frame, space, "a") == often

    def test_of_a_single_hyperparameter(self) -> None:
        depth = Space({"depth": Real(1, 9)}, {"depth": Real(1, 9)})
        frame = pd.concat([trials("a", {"depth": 3.5}, SHARED), trials("a", {"depth": 5.5}, SHARED + 1)])
        assert tried_most(frame, depth, "a") == {"depth": 5.5}

    def test_one_subset_many_times_is_one(self, space: Space) -> None:
        one = trials("a", space.sample(np.random.default_rng(0)), 1)
        assert tried_most(pd.concat([one] * 3 * SHARED), space, "a") is None

    def test_too_few_none_and_of_a_wider_space(self, space: Space, classic_space: Space) -> None:
        params = {**space.sample(np.random.default_rng(0)), "batch_size": 256}
        assert tried_most(trials("a", params, SHARED - 1), space, "a") is None
        assert tried_most(trials("a", params, SHARED), space, "b") is None
        assert tried_most(trials("a", params, SHARED), classic_space, "a") is None


class TestFixedAnswers:
    def test_tried_params_are_kept_where_nothing_promises_more(
        self, predictor: Predictor, space: Space, dataset: str
    ) -> None:
        best = best_on_average(predictor, space, 0, dataset)
        rates = best["learning_rate"] * np.geomspace(0.999, 0.05, 60)
        near, far = None, None
        for rate in rates:
            tried = {**best, "learning_rate": float(rate)}
            promised, kept = on_average(predictor, space, [best, tried], dataset)
            if promised - kept <= NO_DIFFERENCE:
                near = tried
            elif promised - kept > 2 * NO_DIFFERENCE:
                far = tried
        assert near is not None
        assert far is not None
        assert fixed_answers(predictor, space, 0, trials(dataset, near, SHARED))[dataset] == near
        assert fixed_answers(predictor, space, 0, trials(dataset, far, SHARED))[dataset] == best

    def test_without_tried_params_the_best_of_each_dataset(self, predictor: Predictor, space: Space) -> None:
        none = trials("other", space.sample(np.random.default_rng(0)), SHARED)
        answers = fixed_answers(predictor, space, 0, none)
        assert answers == {
            name: best_on_average(predictor, space, 0, name) for name in set(predictor.known_datasets)
        }


class TestWhatIsPlayed:
    def test_the_card_s(self, predictor: Predictor, space: Space, dataset: str) -> None:
        said, for_all = (space.sample(np.random.default_rng(seed)) for seed in (3, 4))
        predictor = replace(predictor, card={**predictor.card, "fixed_answers": {dataset: said}})
        assert fixed_answer(predictor, space, dataset) == said
        assert fixed_answer(predictor, space, None) == best_on_average(predictor, space, 0)
        predictor = replace(predictor, card={**predictor.card, "fixed_answer": for_all})
        assert fixed_answer(predictor, space, dataset) == said
        assert fixed_answer(predictor, space, None) == for_all

    def test_a_space_that_has_it_not_whole_is_searched(
        self, predictor: Predictor, space: Space, classic_space: Space, dataset: str
    ) -> None:
        said = {**space.sample(np.random.default_rng(3)), "batch_size": 256}
        predictor = replace(predictor, card={**predictor.card, "fixed_answers": {dataset: said}})
        assert fixed_answer(predictor, classic_space, dataset) == best_on_average(
            predictor, classic_space, 0, dataset
        )
