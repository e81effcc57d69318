"""Optuna's own published tests of samplers, and what its users do with one."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import TrialState

from ohlora.predictor.jobs import PredictorSettings
from ohlora.predictor.model import Ensemble
from ohlora.predictor.predictor import Predictor
from ohlora.predictor.sampler import OhLoRASampler
from ohlora.space import Choice, Real

published = pytest.importorskip("optuna.testing.pytest_samplers", reason="this Optuna publishes no tests")


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def untrained(*names: str) -> Predictor:
    """Knows hyperparameters of these names, and thinks something or other of them."""
    kinds = (Real(-1.0, 5.0), Real(1e-6, 5.0, log=True), Choice([1, 10, 100]))
    axes = {name: kinds[number % 3] for number, name in enumerate(names)}
    settings = PredictorSettings(
        members=2,
        width=4,
        dropout=0.0,
        within_weight=1.0,
        learning_rate=1e-3,
        weight_decay=0.0,
        epochs=1,
        subsets_per_batch=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ensemble = Ensemble(1, len(names), settings)
    one = torch.ones(1)
    return Predictor(
        ("f",), names, axes, 0 * one, one, ensemble, 0.0, one[None], ("made",), torch.zeros(1, 2), {}
    )


def made(*names: str, seed: int = 0) -> OhLoRASampler:
    predictor = untrained(*names)
    return OhLoRASampler(predictor, predictor.space, {"f": 0.0}, seed)


class Published(published.BasicSamplerTestCase, published.SingleOnlySamplerTestCase):
    """Optuna's tests of every sampler."""

    names: tuple[str, ...]

    @pytest.fixture
    def sampler(self) -> Callable[[], OhLoRASampler]:
        return lambda: made(*self.names)


@pytest.mark.slow
class TestPublishedKnown(Published, published.RelativeSamplerTestCase):
    names = ("x", "y", "z", "a", "b")


@pytest.mark.slow
class TestPublishedPartlyKnown(Published):
    """The rest is drawn by TPE; relative sampling is asked for both together in a test of each kind."""

    names = ("q", "x")
    test_sample_relative_mixed = published.RelativeSamplerTestCase.test_sample_relative_mixed
    test_trial_relative_params = published.RelativeSamplerTestCase.test_trial_relative_params


def score(trial: optuna.Trial) -> float:
    return 1 - (trial.suggest_float("x", -1, 5) - 3) ** 2 / 40


class TestAsUsed:
    def test_four_at_a_time_each_try_something_else(self):
        study = optuna.create_study(direction="maximize", sampler=made("x", "y"))
        study.optimize(score, n_trials=8, n_jobs=4)
        assert len({trial.params["x"] for trial in study.trials}) == 8
        assert torch.get_num_threads() == 1

    def test_asked_at_once_before_anything_is_told(self):
        study = optuna.create_study(direction="maximize", sampler=made("x", "y"))
        asked = [study.ask() for _ in range(4)]
        drawn = [trial.suggest_float("x", -1, 5) for trial in asked]
        assert len(set(drawn)) == 4
        assert sum("ohlora:own_choice" in trial.system_attrs for trial in study.trials) == 1

    def test_ask_and_tell_out_of_order(self):
        study = optuna.create_study(direction="maximize", sampler=made("x", "y"))
        asked = [study.ask({"x": optuna.distributions.FloatDistribution(-1, 5)}) for _ in range(4)]
        for trial in reversed(asked):
            study.tell(trial, trial.params["x"])
        study.tell(study.ask(), state=TrialState.FAIL)
        assert len(study.get_trials(states=(TrialState.COMPLETE,))) == 4

    def test_a_restart_from_storage_goes_on_as_if_never_stopped(self, tmp_path):
        def go_on(storage: str | None, count: int) -> optuna.Study:
            study = optuna.create_study(
                storage=storage,
                study_name="study",
                load_if_exists=storage is not None,
                direction="maximize",
                sampler=made("x", "y"),
            )
            study.optimize(lambda t: score(t) + t.suggest_float("unknown", 0, 1), n_trials=count)
            return study

        for count in (1, 2, 1):  # each with a sampler that remembers nothing
            parts = go_on(f"sqlite:///{tmp_path / 'study.db'}", count)
        drawn = [trial.params for trial in parts.trials]
        assert drawn == [trial.params for trial in go_on(None, 4).trials]
        assert len({params["unknown"] for params in drawn}) == 4

    def test_other_seeds_give_other_trials(self):
        drawn = []
        for seed in (0, 1):
            study = optuna.create_study(direction="maximize", sampler=made("x", "y", seed=seed))
            study.optimize(score, n_trials=3)
            drawn.append([trial.params["x"] for trial in study.trials])
        assert drawn[0] != drawn[1]

    def test_it_can_be_pickled(self):
        study = optuna.create_study(direction="maximize", sampler=made("x", "y"))
        study.optimize(score, n_trials=2)
        copy = pickle.loads(pickle.dumps(study))
        for one in (study, copy):
            one.optimize(score, n_trials=2)
        assert [t.params for t in copy.trials] == [t.params for t in study.trials]

    @pytest.mark.parametrize("direction", ["minimize", "maximize"])
    def test_a_study_that_others_began(self, direction):
        study = optuna.create_study(direction=direction, sampler=optuna.samplers.RandomSampler(seed=0))
        study.optimize(lambda t: score(t) * (-1 if direction == "minimize" else 1), n_trials=12)
        study.sampler = made("x", "y")
        study.optimize(lambda t: score(t) * (-1 if direction == "minimize" else 1), n_trials=4)
        assert study.best_params["x"] == pytest.approx(3, abs=0.2)

    def test_a_long_study_stays_quick_and_in_range(self):
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
        axis = {"x": optuna.distributions.FloatDistribution(-1, 5)}
        rng = np.random.default_rng(0)
        for x in rng.uniform(-1, 5, 400):
            study.add_trial(optuna.create_trial(params={"x": x}, distributions=axis, value=float(-x)))
        study.sampler = made("x", "y")
        study.optimize(score, n_trials=1)
        assert -1 <= study.trials[-1].params["x"] <= 5
