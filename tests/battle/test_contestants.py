"""What every contestant promises, tested once for all of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tests.predictor.conftest import frame, predictor, table  # noqa: F401  fixtures

from ohlora.battle.contestants import (
    Attempt,
    Contestant,
    OhLora,
    RandomContestant,
    StaticContestant,
    StaticOpponent,
    Table,
)
from ohlora.battle.human import AskedPlayer, WrittenHuman
from ohlora.battle.optuna_contestant import OptunaContestant, OptunaOpponent
from ohlora.datasets import Subset
from ohlora.errors import OhloraError
from ohlora.predictor.predictor import Predictor
from ohlora.space import Params, Space


@pytest.fixture(scope="session")
def board(digits_subset: Subset, space: Space, predictor: Predictor) -> Table:  # noqa: F811
    return Table(digits_subset, space, predictor, {"ease": 0.4, "noise": 0.5}, seed=5)


PLAYERS: dict[str, Callable[[Table], Contestant]] = {
    "ohlora": lambda board: OhLora(board, trials=5),
    "random": lambda board: RandomContestant(board, trials=5),
    "static": lambda board: StaticContestant(board, per_dataset=True),
    "optuna tpe": lambda board: OptunaContestant(board.space, "tpe", 5, board.seed),
    "optuna gp": lambda board: OptunaContestant(board.space, "gp", 5, board.seed),
}


def play(player: Contestant, moves: int) -> list[Params]:
    """Made-up scores: what counts here is what is proposed."""
    history: list[Attempt] = []
    for move in range(moves):
        params = player.propose(tuple(history))
        history.append(Attempt(params, 0.5 + 0.1 * np.sin(7 * move)))
    return [attempt.params for attempt in history]


@pytest.mark.parametrize("name", PLAYERS)
class TestEveryContestant:
    def test_stays_inside_the_space(self, name: str, board: Table) -> None:
        for params in play(PLAYERS[name](board), moves=5):
            assert board.space.check(params) == params

    def test_keeps_to_the_slice(self, name: str, board: Table, classic_space: Space) -> None:
        sliced = replace(board, space=classic_space)
        for params in play(PLAYERS[name](sliced), moves=2):
            assert {key: params[key] for key in classic_space.fixed} == classic_space.fixed

    def test_same_seed_same_game(self, name: str, board: Table) -> None:
        assert play(PLAYERS[name](board), 4) == play(PLAYERS[name](board), 4)


def test_random_draws_anew_each_time(board: Table) -> None:
    proposals = play(RandomContestant(board, 5), 5)
    assert len({str(params) for params in proposals}) == 5


def test_static_ignores_what_it_is_told(board: Table) -> None:
    assert len({str(params) for params in play(StaticContestant(board, per_dataset=False), 3)}) == 1


def test_optuna_learns_from_what_it_is_told(board: Table) -> None:
    """TPE told that low dropout_fc wins must ask for lower dropout_fc than random draws do."""
    player, history = OptunaContestant(board.space, "tpe", 60, seed=0), []
    for _ in range(60):
        params = player.propose(tuple(history))
        history.append(Attempt(params, 1 - float(params["dropout_fc"])))
    late = np.mean([float(attempt.params["dropout_fc"]) for attempt in history[40:]])
    assert late < 0.2  # 0.3 is the middle


@pytest.mark.parametrize(
    ("opponent", "message"),
    [
        (OptunaOpponent("tpee", 5), r"opponent\.sampler=tpee is not one of tpe \| gp \| random"),
        (OptunaOpponent("tpe", 0), r"opponent\.trials=0 is outside 1 to 1000"),
    ],
)
def test_impossible_opponents_are_refused(opponent: OptunaOpponent, message: str, space: Space) -> None:
    with pytest.raises(OhloraError, match=message):
        opponent.check(space)


def test_static_opponent_sits_down(board: Table) -> None:
    assert StaticOpponent(per_dataset=True).sit_down(board).kind == "static"


class TestWrittenHuman:
    def test_every_fault_of_both_attempts_at_once(self, space: Space, good_params: Params) -> None:
        first = {**good_params, "learning_rate": 7.0, "sheduler": "cosine"}
        second = {name: value for name, value in good_params.items() if name != "optimizer"}
        with pytest.raises(OhloraError) as caught:
            WrittenHuman("you", first, second, "en").check(space)
        message = str(caught.value)
        for part in (
            "first attempt",
            "learning_rate=7",
            "sheduler is not a hyperparameter",
            "second attempt",
            "optimizer is missing (adam | adamw)",
        ):
            assert part in message

    def test_one_attempt_will_do(self, board: Table, good_params: Params) -> None:
        player = WrittenHuman("you", good_params, None, "en").sit_down(board)
        assert player.trials == 1
        assert player.propose(()) == good_params


class TestAskedHuman:
    def ask(self, space: Space, typed: str, history: tuple[Attempt, ...] = ()) -> tuple[Params, str]:
        out = io.StringIO()
        console = Console(file=out, width=120)
        lines = iter(typed.splitlines())

        def next_line(*_: object, **__: object) -> str:
            try:
                return next(lines)
            except StopIteration:
                raise EOFError from None

        console.input = next_line  # type: ignore[method-assign]  the one thing a terminal does
        return AskedPlayer("you", space, "en", console).propose(history), out.getvalue()

    def test_enter_keeps_and_wrong_input_is_asked_again(self, space: Space) -> None:
        first = next(iter(space.free))
        typed = "0.9\nnonsense\n0.1\n" + "\n" * (len(space.free) - 1)
        params, shown = self.ask(space, typed)
        assert params[first] == 0.1
        assert f"{first}=0.9 is outside" in shown
        assert f"{first}='nonsense' is not a number" in shown
        assert "Rules card" in shown
        assert "2e-05 to 0.006 (log)" in shown

    def test_second_attempt_hears_the_validation_score(self, space: Space, good_params: Params) -> None:
        params, shown = self.ask(space, "\n" * len(space.free), (Attempt(good_params, 0.8125),))
        assert params == good_params
        assert "0.812" in shown or "0.813" in shown

    def test_closed_terminal(self, space: Space) -> None:
        with pytest.raises(OhloraError, match="terminal closed"):
            self.ask(space, "0.1\n")


def test_seal_opens(board: Table, tmp_path: Path) -> None:
    import hashlib
    import json

    from ohlora.battle.match import sealed

    params = OhLora(board).propose(())
    seal = sealed(params)
    text = seal["salt"] + json.dumps(params, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == seal["sha256"]
    assert sealed(params)["sha256"] != seal["sha256"]  # equal choices cannot be recognised
