"""What is trained, on which seeds, and when the test split is opened."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.predictor.conftest import frame, predictor, table  # noqa: F401  fixtures

from ohlora.battle import referee
from ohlora.battle.contestants.base import MatchContext
from ohlora.battle.contestants.human_file import HumanFile
from ohlora.battle.contestants.ohlora import OhLora
from ohlora.battle.contestants.random import RandomSearch
from ohlora.battle.referee import FRESH_SEEDS, Referee
from ohlora.datasets import Subset
from ohlora.predictor.predictor import Predictor
from ohlora.space import Params, Space

Heard = list[tuple[str, int]]


@pytest.fixture
def heard() -> Heard:
    return []


@pytest.fixture
def judge(digits_subset: Subset, space: Space, predictor: Predictor, smoke, cpu, heard: Heard) -> Referee:  # noqa: F811
    context = MatchContext(digits_subset, space, predictor, {"ease": 0.4, "noise": 0.5}, seed=5)
    return Referee(context, smoke, cpu, lambda who, number: heard.append((who.kind, number)))


def test_house_rules_score_every_attempt(judge: Referee, good_params: Params, heard: Heard) -> None:
    other = {**good_params, "batch_size": 64}
    hers, first, second = judge.play(OhLora(), HumanFile("you", good_params, other))
    assert (hers.kind, first.params, second.params) == ("ohlora", good_params, other)
    assert heard == [("ohlora", 1), ("human", 1), ("human", 2)]
    assert first.curve != second.curve
    again = judge.play(OhLora(), HumanFile("you", good_params, None))
    assert again == [hers, first]


def test_fair_rules_take_the_best_by_validation_to_fresh_seeds(judge: Referee, heard: Heard) -> None:
    challenger = RandomSearch(trials=3)
    hers, theirs = judge.play(OhLora(), challenger)
    assert heard == [("ohlora", 0), *[("random", number) for number in (1, 2, 3, 0)]]
    tried = list(challenger.attempts(judge.context))
    scores = [judge.train(params).val_f1 for params in tried]
    assert theirs.params == tried[scores.index(max(scores))]
    fresh = [judge.train(hers.params, seed).val_f1 for seed in FRESH_SEEDS]
    assert hers.val_f1 == pytest.approx(sum(fresh) / len(fresh))


@pytest.mark.parametrize("challenger", ["human", "random"])
def test_the_test_split_is_opened_after_the_last_attempt(
    judge: Referee,
    sealed_subset: Subset,
    digits_subset: Subset,
    good_params: Params,
    challenger: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Test images that raise when touched are made readable only when the last attempt is trained."""
    sealed = replace(judge, context=replace(judge.context, subset=sealed_subset))
    scored = Referee.scored

    def unseal(self: Referee, trained: list[referee.Trained]) -> list[referee.Played]:
        for one in trained:
            for training in one.trainings:
                training.data.subset = digits_subset
        return scored(self, trained)

    monkeypatch.setattr(Referee, "scored", unseal)
    who = HumanFile("you", good_params, good_params) if challenger == "human" else RandomSearch(2)
    assert all(0 <= played.test_f1 <= 1 for played in sealed.play(OhLora(), who))
