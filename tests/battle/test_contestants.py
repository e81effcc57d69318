"""What every contestant promises, tested once for all of them."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.samplers._tpe import sampler as tpe
from rich.console import Console
from tests.predictor.conftest import frame, predictor, table  # noqa: F401  fixtures

from ohlora.battle.contestants.base import Contestant, MatchContext
from ohlora.battle.contestants.human_file import HumanFile
from ohlora.battle.contestants.human_prompt import ask_attempts
from ohlora.battle.contestants.ohlora import OhLora
from ohlora.battle.contestants.optuna import SAMPLERS, OptunaSearch, SamplerName, sampler_keywords
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
    for _ in range(59):
        asked.append(float(moves.send(1 - asked[-1])["dropout_fc"]))
    assert np.mean(asked[40:]) < 0.12  # 0.3 is the middle


def suggestions(kind: str, trials: int, **keywords: Any) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=getattr(optuna.samplers, kind)(seed=0, **keywords))
    for _ in range(trials):
        trial = study.ask()
        x, word = trial.suggest_float("x", -1, 1), trial.suggest_categorical("word", ["a", "b", "c"])
        study.tell(trial, (x - 0.3) ** 2 + (word == "b"))
    return [trial.params for trial in study.trials]


# What a report says of a keyword that is no plain value.
OBJECTS = {
    "default_gamma": tpe.default_gamma,
    "default_weights": tpe.default_weights,
    "RandomSampler": RandomSampler(seed=0),
}


# To give TPE what it takes anyway is deprecated, or experimental: why it is not given in a match.
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize(("name", "trials"), [("tpe", 40), ("tpe_univariate", 40), ("gp", 14)])
def test_the_keywords_told_of_a_sampler_are_those_in_effect(name: SamplerName, trials: int) -> None:
    """TPE weighs trials by age from the 26th on."""
    kind, given = SAMPLERS[name]
    told = sampler_keywords(name)
    assert told.pop("sampler") == kind
    assert {key for key, value in told.items() if value is None} <= {
        "constraints_func",
        "categorical_distance_func",  # of 4.9
    }
    spelled_out = {key: OBJECTS.get(value, value) for key, value in told.items()}
    assert suggestions(kind, trials, **spelled_out) == suggestions(kind, trials, **given)


@pytest.mark.parametrize(
    ("challenger", "settings", "message"),
    [
        (OptunaSearch, {"sampler": "tpee", "trials": 5}, r"sampler=tpee is not one of tpe \| gp \| random"),
        (OptunaSearch, {"sampler": "tpe", "trials": 0}, "trials=0 is not a whole number from 1 to 1000"),
        (RandomSearch, {"trials": "x"}, "trials=x is not a whole number from 1 to 1000"),
        (BestOnAverage, {"per_dataset": 1}, "per_dataset=1 is not true or false"),
    ],
)
def test_impossible_challengers_are_refused(challenger: type, settings: dict, message: str) -> None:
    with pytest.raises(OhloraError, match=message):
        challenger(**settings)


class TestHumanFile:
    def test_every_fault_of_both_attempts_at_once(self, space: Space, good_params: Params) -> None:
        first = {**good_params, "learning_rate": 7.0, "sheduler": "cosine"}
        second = {name: value for name, value in good_params.items() if name != "optimizer"}
        with pytest.raises(OhloraError) as caught:
            HumanFile({"first": first, "second": second}).check(space)
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
        player = HumanFile({"name": "Ada", "first": good_params, "second": None})
        assert player.trials == 1
        assert play(player, context) == [good_params]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"name": 5}, "human.name=5: a name is text; write it in quotes"),
            ({"name": True}, "human.name=true: a name is text; write it in quotes"),
            ({"first": [1]}, "human.first=[1] is not a table of names and values"),
            ({"second": 3}, "human.second=3 is not a table of names and values, or null"),
            ({"_target_": "pandas.read_pickle"}, "human._target_ is not a setting here"),
            ({"rules": "foo"}, "human.rules is not a setting here"),
        ],
    )
    def test_what_a_file_may_not_hold(self, good_params: Params, content: dict, message: str) -> None:
        with pytest.raises(OhloraError) as caught:
            HumanFile({"first": good_params, **content})
        assert message in str(caught.value)

    @pytest.mark.parametrize("content", [None, [], [1], 5, "x", {}])
    def test_what_is_no_such_file(self, content: object) -> None:
        with pytest.raises(OhloraError, match=r"human( is not a file|\.first is missing)"):
            HumanFile(content)

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("\x1b[31mred\x07", "\ufffd[31mred\ufffd"),
            ("a\u202eb", "a\ufffdb"),
            (" \n", "you"),
            ("n" * 500, "n" * 39 + "…"),
            ("지수 [b]", "지수 [b]"),
        ],
    )
    def test_names_are_made_printable(
        self, context: MatchContext, good_params: Params, name: str, shown: str
    ) -> None:
        assert HumanFile({"first": good_params, "name": name}).title(context, "en") == shown


class TestHumanPrompt:
    def ask(
        self, space: Space, typed: str, score: float | None = None, language: str = "en", start: object = None
    ) -> tuple[Params | None, str]:
        """The first attempt, or the second where the first's score is given; and what was shown."""
        out = io.StringIO()
        console = Console(file=out, width=160)
        lines = iter(typed.splitlines())

        def next_line(prompt: str) -> str:
            console.print(prompt)
            try:
                return next(lines)
            except StopIteration:
                raise EOFError from None

        console.input = next_line  # type: ignore[method-assign]  the one thing a terminal does
        moves = ask_attempts(space, start or {}, language, console)
        params = next(moves, None)
        if score is not None:
            try:
                params = moves.send(score)
            except StopIteration:
                params = None
        return params, out.getvalue()

    def test_wrong_input_is_asked_again(self, space: Space) -> None:
        first = next(iter(space.free))
        typed = "0.9\n[/]\n0.1\n" + "\n" * (len(space.free) - 1)
        params, shown = self.ask(space, typed)
        assert params[first] == 0.1
        assert f"{first}=0.9 is not allowed: 0 to 0.3" in shown
        assert f"{first}=[/] is not allowed: 0 to 0.3" in shown
        assert "Rules card" in shown
        assert "2e-05 to 0.05 (log)" in shown

    def test_enter_all_the_way_is_the_start(self, space: Space, good_params: Params) -> None:
        params, _ = self.ask(space, "\n" * len(space.free), start=good_params)
        assert params == good_params

    def test_a_start_that_is_not_allowed_is_the_middle(
        self, classic_space: Space, good_params: Params
    ) -> None:
        start = {**good_params, "learning_rate": 7, "optimizer": 5, "nonsense": 1}
        params, _ = self.ask(classic_space, "\n" * len(classic_space.free), start=start)
        assert params == classic_space.check(params)
        assert params["dropout_fc"] == good_params["dropout_fc"]

    @pytest.mark.parametrize("answer", ["RELU", "1", "re", "Relu "])
    def test_words_by_number_beginning_or_any_capitals(
        self, space: Space, good_params: Params, answer: str
    ) -> None:
        start = {**good_params, "activation": "leaky_relu"}
        typed = [answer if name == "activation" else "" for name in space.free]
        params, shown = self.ask(space, "\n".join(typed) + "\n", start=start)
        assert params["activation"] == "relu"
        assert "1 relu | 2 leaky_relu" in shown

    def test_help_and_back(self, space: Space, good_params: Params) -> None:
        typed = "back\n0.2\n?\nback\n0.3\n" + "\n" * (len(space.free) - 1)
        params, shown = self.ask(space, typed, start=good_params)
        assert params == {**good_params, "dropout_conv_early": 0.3}
        assert "dropout after the second convolution (0 to 0.3)" in shown

    def test_second_attempt_hears_the_validation_score(self, space: Space) -> None:
        params, shown = self.ask(space, "0.1\n" + "\n" * (2 * len(space.free) - 1), score=0.8125)
        assert params["dropout_conv_early"] == 0.1
        assert "0.812" in shown or "0.813" in shown

    def test_a_closed_terminal_ends_the_attempts(self, space: Space) -> None:
        with pytest.raises(OhloraError, match="다 고르기 전에 터미널이 닫혔어"):
            self.ask(space, "0.1\n", language="ko")
        assert self.ask(space, "\n" * len(space.free) + "0.1\n", score=0.5)[0] is None

    def test_korean_is_whole(self, space: Space) -> None:
        _, shown = self.ask(space, "?\n9\n" + "\n" * len(space.free), language="ko")
        words = set(re.findall("[a-zA-Z_]{2,}", shown)) - {"back", "Enter", "Ctrl"} - {*space.free}
        options = {option for _, text in space.describe() for option in re.findall(r"[a-z_]{2,}\w*", text)}
        assert {word for word in words if not any(word in option for option in options)} <= {"adamw"}


def test_seal_opens(good_params: Params) -> None:
    seal = Seal.of(good_params)
    assert seal.fits(good_params)
    assert not seal.fits({**good_params, "batch_size": 64})
    assert Seal.of(good_params).sha256 != seal.sha256  # equal choices cannot be recognised
