"""What a match that is asked for takes of its settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.web.test_battle_server import QUICK

from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.lineage import Lineage
from ohlora.web.game import describe_game
from ohlora.web.piped_play import Player, ended


@pytest.fixture
def piped(composed: Callable[..., Any]) -> Callable[..., Any]:
    """The job of `ui=piped` and more settings."""
    return lambda *words: build(
        composed("battle", "ui=piped", "job.choices={}", "dataset=digits", *words).job
    )


@pytest.fixture
def served(composed: Callable[..., Any]) -> Callable[..., Any]:
    """The job of `ui=web` and more settings."""
    return lambda *words: build(composed("battle", *QUICK, "dataset=digits", *words).job)


@pytest.mark.parametrize(("asked", "seed"), [({"seed": 3}, 3), ({"seed": None}, None), ({}, 7)])
def test_a_problem_that_is_left_open_is_a_new_one(
    piped: Callable[..., Any], asked: dict[str, Any], seed: int | None
) -> None:
    player: Any = Player(piped("subset.seed=7"), None, None, Lineage())  # type: ignore[arg-type]
    assert player.match({"language": "ko", "folder": "run", "dataset": "digits", **asked}).seed == seed


def test_settings_that_would_count_for_nothing_are_refused(
    piped: Callable[..., Any], served: Callable[..., Any]
) -> None:
    for job, words in [
        (piped, ("challenger=optuna", "subset.save=images")),
        (served, ("job.challenger=optuna", "subset.save=images")),
    ]:
        with pytest.raises(OhloraError) as caught:
            job(*words)
        for word in words:
            assert word.removeprefix("job.") in str(caught.value)
    piped("human=prompt")


@pytest.mark.parametrize(
    ("step", "validations", "val_loss", "told"),
    [
        (144, [72, 144], 0.5, {"step": 144, "early": True, "diverged": False}),
        (144, [72, 144], float("nan"), {"step": 144, "early": True, "diverged": True}),
        (160, [72, 144], 0.5, {"step": 160, "early": False, "diverged": False}),
        (150, [72, 144], 0.5, {"step": 160, "early": False, "diverged": False}),  # not seen again
        (-1, [], 0.5, {"step": 160, "early": False, "diverged": False}),
    ],
)
def test_no_training_claims_steps_that_it_did_not_take(
    step: int, validations: list[int], val_loss: float, told: dict[str, Any]
) -> None:
    assert ended(step, [{"step": one, "val_loss": val_loss} for one in validations], 160) == told


def test_the_page_begins_with_the_name_that_was_typed(served: Callable[..., Any]) -> None:
    assert describe_game(served("human.name='지민'"))["player"] == "지민"
