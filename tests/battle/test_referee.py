"""What is trained, on which seeds, and when the test split is opened."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from tests.predictor.conftest import frame, predictor, table  # noqa: F401  fixtures

from ohlora.battle import referee
from ohlora.battle.contestants.base import Attempts, Contestant, MatchContext
from ohlora.battle.contestants.human_file import HumanFile
from ohlora.battle.contestants.ohlora import OhLora
from ohlora.battle.contestants.random import RandomSearch
from ohlora.battle.referee import FRESH_SEEDS, Referee
from ohlora.battle.training_thread import Curve, Show
from ohlora.datasets.subset import Subset
from ohlora.errors import OhloraError
from ohlora.predictor.predictor import Predictor
from ohlora.space import Params, Space

Heard = list[tuple[str, int, int]]


@pytest.fixture
def heard() -> Heard:
    return []


@pytest.fixture
def judge(digits_subset: Subset, space: Space, predictor: Predictor, smoke, cpu, heard: Heard) -> Referee:  # noqa: F811
    context = MatchContext(digits_subset, space, predictor, {"ease": 0.4, "noise": 0.5}, seed=5)

    @contextmanager
    def watch(who: Contestant, number: int, fresh: int, steps: int) -> Iterator[Show]:
        heard.append((who.kind, number, fresh))
        yield lambda step, curve: None

    return Referee(context, smoke, cpu, watch)


def human(*attempts: Params) -> HumanFile:
    return HumanFile(dict(zip(("first", "second"), attempts, strict=False)))


def trained(judge: Referee, params: Params, fresh: int = 0) -> float:
    return judge.start(params, fresh).result(lambda step, curve: None).val_f1


@pytest.mark.slow
def test_house_rules_score_every_attempt(judge: Referee, good_params: Params, heard: Heard) -> None:
    other = {**good_params, "batch_size": 64}
    hers, first, second = judge.play(OhLora(), human(good_params, other))
    assert (hers.kind, first.params, second.params) == ("ohlora", good_params, other)
    assert heard == [("ohlora", 1, 0), ("human", 1, 0), ("human", 2, 0)]
    assert first.curve != second.curve
    again = judge.play(OhLora(), human(good_params))
    assert again == [hers, first]


@pytest.mark.slow
def test_fair_rules_take_the_best_by_validation_to_fresh_seeds(judge: Referee, heard: Heard) -> None:
    challenger = RandomSearch(trials=3)
    hers, theirs = judge.play(OhLora(), challenger)
    assert heard[:6] == [
        *[("ohlora", 0, seed) for seed in FRESH_SEEDS],
        *[("random", n, 0) for n in (1, 2, 3)],
    ]
    assert heard[6:] == [("random", 3, seed) for seed in FRESH_SEEDS]
    tried = list(challenger.attempts(judge.context))
    scores = [trained(judge, params) for params in tried]
    assert theirs.params == tried[scores.index(max(scores))]
    fresh = [trained(judge, hers.params, seed) for seed in FRESH_SEEDS]
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
    who = human(good_params, good_params) if challenger == "human" else RandomSearch(2)
    assert all(0 <= played.test_f1 <= 1 for played in sealed.play(OhLora(), who))


class Asked(HumanFile):
    """Plays one attempt; before the second, what `then` raises comes from the keyboard."""

    def attempts(self, context: MatchContext) -> Attempts:
        yield self.content.first
        raise KeyboardInterrupt


def test_ctrl_c_after_the_first_attempt_keeps_it(judge: Referee, good_params: Params) -> None:
    played = judge.play(OhLora(), Asked({"first": good_params}))
    assert [one.kind for one in played] == ["ohlora", "human"]
    assert judge.interrupted


def test_ctrl_c_before_that_ends_the_match_and_her_training(judge: Referee, good_params: Params) -> None:
    class Never(HumanFile):
        def attempts(self, context: MatchContext) -> Attempts:
            raise KeyboardInterrupt
            yield

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        judge.play(OhLora(), Never({"first": good_params}))
    assert threading.active_count() == before


def test_a_challenger_without_an_attempt_is_no_match(judge: Referee, good_params: Params) -> None:
    class Gone(HumanFile):
        def attempts(self, context: MatchContext) -> Attempts:
            yield from ()

    with pytest.raises(OhloraError, match="no attempt"):
        judge.play(OhLora(), Gone({"first": good_params}))


def test_she_trains_while_the_human_chooses(judge: Referee, good_params: Params) -> None:
    class Slow(HumanFile):
        def attempts(self, context: MatchContext) -> Attempts:
            names = [thread.name for thread in threading.enumerate()]
            assert any("ThreadPoolExecutor" in name for name in names)
            yield self.content.first

    assert len(judge.play(OhLora(), Slow({"first": good_params}))) == 2


def test_side_by_side_is_the_same_match(judge: Referee, good_params: Params) -> None:
    """Dropout and augmentation draw from torch's one generator, and batches of 16 take twice the steps."""
    attempts = human({**good_params, "batch_size": 16, "dropout_fc": 0.4}, good_params)
    generator = torch.get_rng_state()
    assert replace(judge, side_by_side=True).play(OhLora(), attempts) == judge.play(OhLora(), attempts)
    assert torch.equal(torch.get_rng_state(), generator)


def test_side_by_side_both_move_on_and_end_together(judge: Referee, good_params: Params) -> None:
    seen: dict[str, list[int]] = {"ohlora": [], "human": []}

    @contextmanager
    def watch(who: Contestant, number: int, fresh: int, steps: int) -> Iterator[Show]:
        def show(step: int, curve: Curve) -> None:
            seen[who.kind].append(step)
            if all(taken and taken[-1] >= 3 for taken in seen.values()):
                raise KeyboardInterrupt

        yield show

    long = replace(judge.protocol, budget=replace(judge.protocol.budget, min_steps=10**6))
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        replace(judge, protocol=long, watch=watch, side_by_side=True).play(OhLora(), human(good_params))
    assert threading.active_count() == before
    assert abs(seen["ohlora"][-1] - seen["human"][-1]) <= 20  # between two looks, 0.2 s apart at most
