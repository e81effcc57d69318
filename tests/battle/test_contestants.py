"""What every contestant promises, tested once for all of them."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from tests.predictor.conftest import frame, predictor, table  # noqa: F401  fixtures

from ohlora.battle.contestants.base import Contestant, MatchContext
from ohlora.battle.contestants.human_file import HumanFile
from ohlora.battle.contestants.human_prompt import ask_attempts
from ohlora.battle.contestants.ohlora import OhLora
from ohlora.battle.contestants.optuna import OptunaSearch
from ohlora.battle.contestants.random import RandomSearch
from ohlora.battle.contestants.static import BestOnAverage
from ohlora.battle.result import Seal
from ohlora.datasets.subset import Subset
from ohlora.errors import OhloraError
from ohlora.predictor.predictor import Predictor
from ohlora.space import Params, Space


@pytest.fixture(scope="session")
def context(digits_subset: Subset, space: Space, predictor: Predictor) -> MatchContext:  # noqa: F811
    return MatchContext(digits_subset, space, predictor, {"ease": 0.4, "noise": 0.5}, seed=5)


PLAYERS: dict[str, Contestant] = {
    "ohlora": OhLora(trials=5),
    "random": RandomSearch(trials=5),
    "static": BestOnAverage(per_dataset=True),
    "optuna tpe": OptunaSearch("tpe", trials=5),
    "optuna gp": OptunaSearch("gp", trials=5),
}


def play(player: Contestant, context: MatchContext) -> list[Params]:
    """Every attempt, for made-up scores: what counts here is what is proposed."""
    moves, proposed = player.attempts(context), []
    with suppress(StopIteration):
        proposed.append(next(moves))
        while True:
            proposed.append(moves.send(0.5 + 0.1 * np.sin(7 * len(proposed))))
    return proposed


@pytest.mark.parametrize("name", PLAYERS)
class TestEveryContestant:
    def test_stays_inside_the_space(self, name: str, context: MatchContext) -> None:
        player = PLAYERS[name]
        player.check(context.space)
        proposed = play(player, context)
        assert len(proposed) == player.trials
        for params in proposed:
            assert context.space.check(params) == params

    def test_keeps_to_the_slice(self, name: str, context: MatchContext, classic_space: Space) -> None:
        for params in play(PLAYERS[name], replace(context, space=classic_space)):
            assert {key: params[key] for key in classic_space.fixed} == classic_space.fixed

    def test_same_seed_same_game(self, name: str, context: MatchContext) -> None:
        assert play(PLAYERS[name], context) == play(PLAYERS[name], context)

    def test_has_a_title_in_both_languages(self, name: str, context: MatchContext) -> None:
        english, korean = (PLAYERS[name].title(context, language) for language in ("en", "ko"))
        assert english.isascii()
        assert any("가" <= letter <= "힣" for letter in korean)


def test_random_draws_anew_each_time(context: MatchContext) -> None:
    assert len({str(params) for params in play(RandomSearch(5), context)}) == 5


def test_optuna_learns_from_what_it_is_told(context: MatchContext) -> None:
    """TPE told that low dropout_fc wins must ask for lower dropout_fc than random draws do."""
    moves = OptunaSearch("tpe", 60).attempts(context)
    asked = [float(next(moves)["dropout_fc"])]
    asked += [float(moves.send(1 - asked[-1])["dropout_fc"]) for _ in range(59)]
    assert np.mean(asked[40:]) < 0.2  # 0.3 is the middle


@pytest.mark.parametrize(
    ("challenger", "message"),
    [
        (OptunaSearch("tpee", 5), r"challenger\.sampler=tpee is not one of tpe \| gp \| random"),
        (OptunaSearch("tpe", 0), r"challenger\.trials=0 is not a whole number from 1 to 1000"),
        (RandomSearch(1001), r"challenger\.trials=1001 is not a whole number from 1 to 1000"),
    ],
)
def test_impossible_challengers_are_refused(challenger: Contestant, message: str, space: Space) -> None:
    with pytest.raises(OhloraError, match=message):
        challenger.check(space)


class TestHumanFile:
    def test_every_fault_of_both_attempts_at_once(self, space: Space, good_params: Params) -> None:
        first = {**good_params, "learning_rate": 7.0, "sheduler": "cosine"}
        second = {name: value for name, value in good_params.items() if name != "optimizer"}
        with pytest.raises(OhloraError) as caught:
            HumanFile("you", first, second).check(space)
        message = str(caught.value)
        for part in (
            "first attempt",
            "learning_rate=7",
            "sheduler is not a hyperparameter",
            "second attempt",
            "optimizer is missing (adam | adamw)",
        ):
            assert part in message

    def test_one_attempt_will_do(self, context: MatchContext, good_params: Params) -> None:
        player = HumanFile("you", good_params, None)
        assert player.trials == 1
        assert play(player, context) == [good_params]


class TestHumanPrompt:
    def ask(self, space: Space, typed: str, score: float | None = None) -> tuple[Params, str]:
        """The first attempt, or the second where the first's score is given; and what was shown."""
        out = io.StringIO()
        console = Console(file=out, width=120)
        lines = iter(typed.splitlines())

        def next_line(*_: object, **__: object) -> str:
            try:
                return next(lines)
            except StopIteration:
                raise EOFError from None

        console.input = next_line  # type: ignore[method-assign]  the one thing a terminal does
        moves = ask_attempts(space, "en", console)
        params = next(moves)
        return (params if score is None else moves.send(score)), out.getvalue()

    def test_enter_keeps_and_wrong_input_is_asked_again(self, space: Space) -> None:
        first = next(iter(space.free))
        typed = "0.9\nnonsense\n0.1\n" + "\n" * (len(space.free) - 1)
        params, shown = self.ask(space, typed)
        assert params[first] == 0.1
        assert f"{first}=0.9 is outside" in shown
        assert f"{first}='nonsense' is not a number" in shown
        assert "Rules card" in shown
        assert "2e-05 to 0.006 (log)" in shown

    def test_second_attempt_hears_the_validation_score(self, space: Space) -> None:
        params, shown = self.ask(space, "0.1\n" + "\n" * (2 * len(space.free) - 1), score=0.8125)
        assert params["dropout_conv_early"] == 0.1
        assert "0.812" in shown or "0.813" in shown

    def test_closed_terminal(self, space: Space) -> None:
        with pytest.raises(OhloraError, match="terminal closed"):
            self.ask(space, "0.1\n")


def test_seal_opens(good_params: Params) -> None:
    seal = Seal.of(good_params)
    assert seal.fits(good_params)
    assert not seal.fits({**good_params, "batch_size": 64})
    assert Seal.of(good_params).sha256 != seal.sha256  # equal choices cannot be recognised
