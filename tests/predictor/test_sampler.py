"""Optuna studies as people write them, around OhLoRASampler."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import optuna
import pytest
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from tests.predictor.conftest import true_f1

from ohlora.errors import OhloraError
from ohlora.predictor.predictor import Predictor
from ohlora.predictor.sampler import OhLoRASampler, known_words, suggest
from ohlora.predictor.search import expected, search
from ohlora.predictor.study_model import Scores
from ohlora.predictor.study_space import Dimension, contains, encode
from ohlora.predictor.study_trials import MOST, Tried, accidents, best_and_latest
from ohlora.space import Choice, Real, Space

FEATURES = {"ease": 0.8, "noise": 0.5}


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture
def new_study(predictor: Predictor, space: Space) -> Callable[..., optuna.Study]:
    def create(direction: str = "maximize") -> optuna.Study:
        return optuna.create_study(
            direction=direction, sampler=OhLoRASampler(predictor, space, FEATURES, seed=0)
        )

    return create


@pytest.fixture
def usual(space: Space) -> Callable[[optuna.Trial], float]:
    return lambda trial: true_f1(space, suggest(trial, space), 0.8)


def values(study: optuna.Study, name: str) -> list:
    return [trial.params[name] for trial in study.trials]


def test_many_trials_are_looked_at_once_each():
    tried = [Tried({}, {}, float(score)) for score in np.random.default_rng(0).random(130)]
    looked_at = best_and_latest(tried)
    assert len({id(one) for one in looked_at}) == len(looked_at) == MOST
    assert max(tried, key=lambda one: one.score) in looked_at
    assert tried[-1] in looked_at
    assert best_and_latest(tried[:MOST]) == tried[:MOST]


def test_a_trial_whose_process_is_gone_does_not_keep_her_choice(new_study, usual):
    study = new_study()
    study.ask()  # never told
    study.optimize(usual, n_trials=3)
    assert sum("ohlora:own_choice" in trial.system_attrs for trial in study.trials) == 1


def test_the_first_trial_is_her_own_choice(new_study, usual, predictor, space):
    study = new_study()
    study.optimize(usual, n_trials=1)
    own = search(predictor, space, predictor.vector(FEATURES), seed=0)
    assert study.trials[0].params == {name: own.params[name] for name in space.free}


def test_two_trials_start_where_random_ends(new_study, usual, space):
    rng = np.random.default_rng(0)
    rivals = [max(true_f1(space, space.sample(rng), 0.8) for _ in range(15)) for _ in range(9)]
    study = new_study()
    study.optimize(usual, n_trials=2)
    assert study.best_value > float(np.median(rivals))


def test_the_same_seed_gives_the_same_study(new_study, usual):
    one, other = new_study(), new_study()
    for study in (one, other):
        study.optimize(usual, n_trials=4)
    assert [t.params for t in one.trials] == [t.params for t in other.trials]


def test_a_predictor_that_misleads_is_left(predictor, space):
    """The objective is highest where she expects the least; random search has as many trials but three."""

    def misled(params):
        row = np.array([space.encode(params)])
        return 1 - float(predictor.members(predictor.vector(FEATURES), row).mean())

    hers, random = [], []
    for seed in range(3):
        study = optuna.create_study(
            direction="maximize", sampler=OhLoRASampler(predictor, space, FEATURES, seed)
        )
        study.optimize(lambda trial: misled(suggest(trial, space)), n_trials=13)
        hers.append(study.best_value)
        rng = np.random.default_rng(seed)
        random.append(max(misled(space.sample(rng)) for _ in range(10)))
    assert np.mean(hers) > np.mean(random)


def test_wrong_settings_are_named_at_once(predictor, space):
    for settings, message in (
        ({"seed": -1, "names": "lr"}, r"seed=-1 is not .*; names='lr' is not a mapping"),
        ({"seed": 1.5}, "seed=1.5 is not a whole number from 0 or None"),
        ({"seed": -1, "names": {"lr": "learning_rat"}}, "seed=-1 is not .*; lr: 'learning_rat' is not"),
        (
            {"names": {"lr": "learning_rate"}, "translations": {"rl": {}, "lr": 3.0}},
            r"'rl' is no hyperparameter .*did you mean lr.*; .*lr=3.0 is neither a mapping nor a function",
        ),
        (
            {"translations": {"log_lr": lambda value: 10**value}},
            "'log_lr' is no hyperparameter and not in names",
        ),
    ):
        with pytest.raises(OhloraError, match=message):
            OhLoRASampler(predictor, space, FEATURES, **settings)
    with pytest.raises(OhloraError, match="features are not finite: noise"):
        OhLoRASampler(predictor, space, {"ease": 0.8, "noise": math.nan})


def test_without_a_seed_two_studies_differ(predictor, space, usual):
    rates = []
    for _ in range(2):
        study = optuna.create_study(
            direction="maximize", sampler=OhLoRASampler(predictor, space, FEATURES, seed=None)
        )
        study.optimize(usual, n_trials=3)
        rates.append(study.trials[1].params["learning_rate"])
    assert rates[0] != rates[1]


def test_hyperband_tries_her_choice_in_one_bracket(predictor, space, usual):
    study = optuna.create_study(
        direction="maximize",
        sampler=OhLoRASampler(predictor, space, FEATURES),
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=27),
    )

    def objective(trial):
        score = usual(trial)
        for step in range(27):
            trial.report(score * (1 - 0.5 ** (step + 1)), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return score

    study.optimize(objective, n_trials=12)
    assert sum("ohlora:own_choice" in trial.system_attrs for trial in study.trials) == 1
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 12


def test_the_objectives_of_other_threads_keep_their_torch_threads(new_study, usual):
    seen = []

    def objective(trial):
        if trial.number % 4:
            time.sleep(0.05)
        seen.append(torch.get_num_threads())
        return usual(trial)

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        new_study().optimize(objective, n_trials=12, n_jobs=4)
        assert set(seen) == {3}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


class TestPartOfTheSpace:
    def test_a_study_of_two_names_learns(self, new_study):
        """Best at a learning rate far below what the predictor thinks of."""

        def objective(trial):
            trial.suggest_categorical("batch_size", [16, 32, 64, 128])
            rate = trial.suggest_float("learning_rate", 2e-5, 6e-3, log=True)
            return 0.9 - 0.3 * abs(math.log10(rate) + 4)

        study = new_study()
        study.optimize(objective, n_trials=15)
        assert study.best_value > 0.87
        assert np.median(values(study, "learning_rate")[-5:]) == pytest.approx(1e-4, rel=0.5)

    def test_a_narrower_range_is_kept_and_learned_in(self, new_study, space):
        def objective(trial):
            rate = trial.suggest_float("learning_rate", 1e-4, 1e-3, log=True)
            trial.suggest_float("dropout_fc", 0, 0.6)
            return 0.9 - 0.5 * (math.log10(rate) + 4)

        study = new_study()
        study.optimize(objective, n_trials=8)
        assert study.best_params["learning_rate"] < 1.2e-4
        assert min(values(study, "learning_rate")) >= 1e-4

    def test_a_wider_one_is_used(self, new_study):
        def objective(trial):
            rate = trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)
            return 0.9 - 0.2 * abs(math.log10(rate) + 1.3)  # best at 0.05, ten times the highest known

        study = new_study()
        study.optimize(objective, n_trials=12)
        assert study.best_value > 0.85

    @pytest.mark.parametrize(
        "ask",
        [
            lambda t: t.suggest_int("batch_size", 16, 128, log=True),
            lambda t: t.suggest_int("batch_size", 16, 256, step=16),
            lambda t: t.suggest_categorical("batch_size", [24, 48]),
            lambda t: t.suggest_categorical("optimizer", ["adam", "sgd"]),
            lambda t: t.suggest_float("dropout_fc", 0.0, 0.5, step=0.1),
            lambda t: t.suggest_float("learning_rate", 1e-4, 1e-3),
            lambda t: t.suggest_categorical("learning_rate", ["low", "high"]),
            lambda t: t.suggest_float("momentum", 0, 1),
        ],
    )
    def test_other_kinds_of_ranges_work(self, ask, new_study):
        study = new_study()

        def objective(trial):
            ask(trial)
            return 0.5 + trial.suggest_float("dropout_conv_late", 0, 0.3)

        study.optimize(objective, n_trials=4)
        assert {t.state.name for t in study.trials} == {"COMPLETE"}

    def test_what_a_slice_holds_fixed_can_be_tuned(self, predictor, classic_space):
        sampler = OhLoRASampler(predictor, classic_space, FEATURES)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(lambda t: t.suggest_float("weight_decay", 1e-5, 1e-2, log=True), n_trials=4)
        assert study.best_value > 5e-3

    def test_fixed_by_optuna(self, new_study, usual):
        study = new_study()
        with pytest.warns(optuna.exceptions.ExperimentalWarning):
            study.sampler = optuna.samplers.PartialFixedSampler({"batch_size": 32}, study.sampler)
        study.optimize(usual, n_trials=3)
        assert values(study, "batch_size") == [32] * 3


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    optuna.logging.enable_propagation()
    yield lambda: [one.getMessage() for one in caplog.records if one.name == "optuna.ohlora"]
    optuna.logging.disable_propagation()


class TestOtherNames:
    def test_a_mapped_name_starts_at_her_choice_and_learns(self, predictor, space):
        own = search(predictor, space, predictor.vector(FEATURES), seed=0).params
        sampler = OhLoRASampler(
            predictor,
            space,
            FEATURES,
            names={"lr": "learning_rate", "log_decay": "weight_decay", "optim": "optimizer"},
            translations={"log_decay": lambda value: 10**value, "optim": {"Adam": "adam", "AdamW": "adamw"}},
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)

        def objective(trial):
            rate = trial.suggest_float("lr", 2e-5, 5e-2, log=True)
            trial.suggest_float("log_decay", -5, -1)
            trial.suggest_categorical("optim", ["SGD", "AdamW", "Adam"])
            return 0.9 - 0.3 * abs(math.log10(rate) + 4)

        study.optimize(objective, n_trials=14)
        first = study.trials[0].params
        assert first["lr"] == pytest.approx(own["learning_rate"])
        assert first["log_decay"] == pytest.approx(math.log10(own["weight_decay"]), abs=0.05)
        assert first["optim"].lower() == own["optimizer"]
        assert study.best_params["lr"] == pytest.approx(1e-4, rel=0.5)

    def test_the_plain_name_of_what_is_mapped_is_another_parameter(self, predictor, space):
        sampler = OhLoRASampler(predictor, space, FEATURES, names={"lr": "learning_rate"})
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(lambda t: t.suggest_float("lr", 1e-4, 1e-3) + t.suggest_int("learning_rate", 0, 9), 3)
        assert len(study.trials) == 3

    def test_a_wrong_map_is_refused(self, predictor, space):
        wrong = {"lr": "learning_rat", "a": "optimizer", "b": "optimizer"}
        with pytest.raises(
            OhloraError, match=r"lr: 'learning_rat' is not .*learning_rate.*optimizer has several"
        ):
            OhLoRASampler(predictor, space, FEATURES, names=wrong)

    def test_what_is_cut_or_unknown_is_said_once(self, new_study, said):
        def objective(trial):
            trial.suggest_float("momentum", 0, 1)
            trial.suggest_categorical("optimizer", ["adam", "sgd"])
            trial.suggest_float("weight_decay", 1e-5, 10, log=True)
            return 0.5 + trial.suggest_float("learning_rate", 2e-5, 3e-5, log=True)

        study = new_study()
        study.optimize(objective, n_trials=4)
        told = said()
        assert len(set(told)) == len(told)
        for what in (
            "momentum is drawn by TPE: the predictor does not know it; names= tells which it is of dropout_",
            "optimizer: sgd: none of adam | adamw",
            "weight_decay: 1e-05 to 10 reaches beyond",
            "the predictor's choice learning_rate=",
        ):
            assert sum(what in one for one in told) == 1, what

    @pytest.mark.parametrize(
        ("names", "ask", "message"),
        [
            (
                {},
                lambda t: t.suggest_float("learning_rat", 0, 1),
                "does not know it (did you mean learning_rate",
            ),
            (
                {},
                lambda t: t.suggest_categorical("batch_size", ["16", "64"]),
                "'16' | '64' is no value of batch_size (8 | 16 | 32 | 64 | 128 | 256); translations= tells",
            ),
            (
                {"lr": "learning_rate"},
                lambda t: t.suggest_float("learning_rate", 0, 1),
                "the predictor's learning_rate is lr here",
            ),
        ],
    )
    def test_why_tpe_draws_is_said(self, names, ask, message, predictor, space, said):
        sampler = OhLoRASampler(predictor, space, FEATURES, names=names)
        ask(optuna.create_study(direction="maximize", sampler=sampler).ask())
        assert message in said()[0]

    def test_numbers_of_numpy_are_numbers(self, predictor, space, said):
        sampler = OhLoRASampler(
            predictor,
            space,
            FEATURES,
            names={"log_lr": "learning_rate", "size": "batch_size"},
            translations={
                "log_lr": lambda value: np.float32(10) ** np.float32(value),
                "size": {"small": np.int64(16), "large": np.int64(128)},
            },
        )
        trial = optuna.create_study(direction="maximize", sampler=sampler).ask()
        trial.suggest_float("log_lr", -4, -3)
        trial.suggest_categorical("size", ["small", "large"])
        assert not [one for one in said() if "TPE" in one]

    @pytest.mark.parametrize(
        ("name", "choices"),
        [("optimizer", ["sgd", "lion"]), ("scheduler", ["step", "none"]), ("activation", ["gelu"])],
    )
    def test_a_word_the_predictor_never_saw_is_not_her_choice(self, name, choices, predictor, space):
        for ease in (0.1, 0.5, 0.9):
            for known in space.within[name].options:
                sampler = OhLoRASampler(predictor, space, {"ease": ease, "noise": 0.5})
                study = optuna.create_study(direction="maximize", sampler=sampler)
                assert study.ask().suggest_categorical(name, [*choices, known]) == known

    def test_of_an_unknown_word_the_mean_over_the_known_is_expected(self):
        encoded = np.array([[0.3, 1, 0, 0, 1], [0.4, 0, 0, 0, 1], [0.5, 0, 0, 0, 0]])
        rows, origin = known_words(encoded, [slice(1, 3), slice(3, 5)])
        assert np.bincount(origin).tolist() == [1, 2, 4]
        for row, options in (
            (1, {(1, 0, 0, 1), (0, 1, 0, 1)}),
            (2, {(1, 0, 1, 0), (1, 0, 0, 1), (0, 1, 1, 0), (0, 1, 0, 1)}),
        ):
            assert {tuple(one[1:]) for one in rows[origin == row]} == options
            assert set(rows[origin == row, 0]) == {encoded[row, 0]}

    def test_a_study_of_all_as_it_is_has_nothing_to_say(self, new_study, usual, said):
        new_study().optimize(usual, n_trials=2)
        assert said() == []


class TestScores:
    def test_percent_gives_the_same_points(self, new_study, usual):
        studies = [new_study(), new_study()]
        for study, unit in zip(studies, (1, 100), strict=True):
            study.optimize(lambda t, u=unit: u * usual(t), n_trials=8)
        rates, in_percent = (values(study, "learning_rate") for study in studies)
        assert in_percent == pytest.approx(rates, rel=1e-3)
        assert len(set(rates)) >= 7

    @pytest.mark.parametrize("scale", [lambda f: 1 - f, lambda f: 3 * (1 - f) ** 2 - 7, lambda f: 1e6 / f])
    def test_a_loss_to_minimise(self, scale, new_study):
        def f1(trial):
            rate = trial.suggest_float("learning_rate", 2e-5, 6e-3, log=True)
            return 0.9 - 0.3 * abs(math.log10(rate) + 4)

        study = new_study("minimize")
        study.optimize(lambda t: scale(f1(t)), n_trials=15)
        assert study.best_params["learning_rate"] == pytest.approx(1e-4, rel=0.5)

    @pytest.mark.parametrize("bad", [-math.inf, math.inf, math.nan, -1e300, "failed", "pruned"])
    def test_one_bad_trial_does_not_end_it(self, bad, new_study, usual):
        def objective(trial):
            good = usual(trial)
            if trial.number != 1:
                return good
            if bad == "pruned":
                trial.report(0.1, 1)
                raise optuna.TrialPruned
            if bad == "failed":
                raise MemoryError
            return bad

        study = new_study()
        study.optimize(objective, n_trials=5, catch=(MemoryError,))
        assert len(study.trials) == 5
        points = [tuple(trial.params.values()) for trial in study.trials]
        assert len(set(points)) == 5, "the bad one is not tried again"

    def test_nothing_but_failures(self, new_study, usual):
        """Her choice is tried twice, then others are."""

        def objective(trial):
            usual(trial)
            raise MemoryError

        study = new_study()
        study.optimize(objective, n_trials=5, catch=(MemoryError,))
        points = [tuple(trial.params.values()) for trial in study.trials]
        assert points[0] == points[1]
        assert len(set(points)) == 4

    @pytest.mark.parametrize("accident", [KeyboardInterrupt, KeyError])
    def test_an_accident_at_the_start_costs_her_choice_nothing(self, accident, new_study, usual):
        """Optuna keeps Ctrl-C and a mistake in the objective as a failed trial, in storage too."""

        def objective(trial):
            usual(trial)
            raise accident

        plain, study = new_study(), new_study()
        plain.optimize(usual, n_trials=1)
        with pytest.raises(accident):
            study.optimize(objective, n_trials=1)
        study.optimize(usual, n_trials=1)
        assert study.trials[1].params == plain.trials[0].params

    def test_her_choice_comes_once_more_after_failures_of_all_kinds(self, new_study, usual, predictor, space):
        def broken(trial):
            usual(trial)
            raise KeyError

        study = new_study()
        study.optimize(broken, n_trials=3, catch=(KeyError,))
        study.optimize(usual, n_trials=2)
        own = search(predictor, space, predictor.vector(FEATURES), seed=0)
        assert study.trials[4].params == {name: own.params[name] for name in space.free}

    def test_her_choice_is_left_where_it_alone_fails(self, new_study, usual, predictor, space):
        own = search(predictor, space, predictor.vector(FEATURES), seed=0).params

        def too_large(trial):
            score = usual(trial)
            if trial.params["batch_size"] == own["batch_size"]:
                raise MemoryError
            return score

        study = new_study()
        study.optimize(too_large, n_trials=16, catch=(MemoryError,))
        assert sum(trial.params["batch_size"] == own["batch_size"] for trial in study.trials[-6:]) <= 1

    def test_one_failure_later_is_an_accident_two_are_not(self, space):
        drawn = {"dropout_fc": FloatDistribution(0, 1)}

        def ended(number: int, state: str) -> optuna.trial.FrozenTrial:
            value = 0.5 if state == "COMPLETE" else None
            trial = optuna.trial.create_trial(
                state=optuna.trial.TrialState[state],
                value=value,
                params={"dropout_fc": 0.1},
                distributions=drawn,
            )
            trial.number = number
            return trial

        def numbers(*states: str) -> set[int]:
            return accidents([ended(number, state) for number, state in enumerate(states)])

        assert numbers("FAIL", "FAIL") == {0, 1}
        assert numbers("FAIL", "COMPLETE", "FAIL") == {0, 2}
        assert numbers("FAIL", "COMPLETE", "FAIL", "FAIL") == {0}
        assert numbers("COMPLETE", "PRUNED") == set()

    @pytest.mark.skipif(not hasattr(optuna.Trial, "set_constraint"), reason="Optuna before 5.0")
    def test_constraints_are_kept_to(self, new_study):
        """Where her choice, and most of what there is, violates them."""

        def objective(trial):
            rate = trial.suggest_float("learning_rate", 2e-5, 5e-2, log=True)
            size = trial.suggest_categorical("batch_size", [16, 32, 64, 128])
            trial.set_constraint("memory", size - 32)
            trial.set_constraint("rate", (rate - 1e-3) * 1e3)
            return 0.9 - 0.1 * abs(math.log10(rate) + 2)

        study = new_study()
        study.optimize(objective, n_trials=24)
        feasible = [all(value <= 0 for value in trial.constraints.values()) for trial in study.trials]
        assert sum(feasible[-12:]) >= 8

    def test_scores_close_together_are_no_noise(self, new_study):
        """An easy dataset: from 0.98 to 0.995."""

        def objective(trial):
            rate = trial.suggest_float("learning_rate", 2e-5, 6e-3, log=True)
            return (
                0.995 - 0.003 * abs(math.log10(rate) + 4) - 0.006 * trial.suggest_float("dropout_fc", 0, 0.6)
            )

        study = new_study()
        study.optimize(objective, n_trials=25)
        assert study.best_value > 0.9945

    def test_what_counts_as_a_macro_f1(self):
        for signed, maximised, values in (
            ([0.2, 0.9, 0.5], True, [0.2, 0.9, 0.5]),
            ([20.0, 90.0, 50.0], True, [0.2, 0.9, 0.5]),
            ([-np.inf, 0.9, 0.5], True, [0.5, 0.9, 0.5]),
            ([np.inf, 0.9, 0.5], True, [0.9, 0.9, 0.5]),
        ):
            scores = Scores.of(np.array(signed), maximised)
            assert scores.known
            assert scores.values == pytest.approx(values)

    @pytest.mark.parametrize(
        ("signed", "maximised"),
        [
            ([-3.0, -1.0, -2.0], True),
            ([0.1, 0.5, 0.3], False),
            ([-np.inf, 1e300, 4.0], True),
            ([-1e6, 0.0, -0.1, -0.2], True),
            ([1e308, -1e308, 0.0], True),
            ([7.0, 7.0, 7.0], True),
            ([1e-300, 2e-300, 3e-300], False),
        ],
    )
    def test_any_other_score_keeps_its_order_and_has_a_scale(self, signed, maximised):
        scores = Scores.of(np.array(signed), maximised)
        assert not scores.known
        assert np.isfinite(scores.values).all()
        assert scores.values.mean() == pytest.approx(0, abs=1e-9)
        assert scores.values.std() == pytest.approx(float(len(set(signed)) > 1))
        finite = np.clip(signed, min(s for s in signed if np.isfinite(s)), np.inf)
        assert (np.argsort(scores.values, kind="stable") == np.argsort(finite, kind="stable")).all()

    def test_one_huge_loss_leaves_the_others_apart(self):
        values = Scores.of(np.array([-1e6, 0.0, -0.1, -0.2, -0.3]), True).values
        assert values[1] - values[4] > 0.3 * np.ptp(values)

    def test_a_slip_far_outside_does_not_blind_the_study(self, new_study):
        def objective(trial):
            dropout = trial.suggest_float("dropout_fc", 0, 0.6)
            smoothing = trial.suggest_float("label_smoothing", 0, 0.2)
            return -1.0 if dropout > 1 else 0.9 - (dropout - 0.4) ** 2 - 4 * (smoothing - 0.05) ** 2

        study = new_study()
        study.enqueue_trial({"dropout_fc": 30.0})  # per cent
        with pytest.warns(UserWarning, match="out of range"):
            study.optimize(objective, n_trials=20)
        assert study.best_value > 0.899

    def test_infinity_enqueued_ends_nothing(self, new_study, usual):
        study = new_study()
        study.enqueue_trial({"weight_decay": math.inf})
        with pytest.warns(UserWarning, match="out of range"):
            study.optimize(usual, n_trials=4)
        assert {t.state.name for t in study.trials} == {"COMPLETE"}

    def test_two_objectives_are_refused(self, predictor, space):
        study = optuna.create_study(
            directions=["maximize", "minimize"], sampler=OhLoRASampler(predictor, space, FEATURES)
        )
        with pytest.raises(OhloraError, match="one score to better, not 2"):
            study.optimize(lambda t: (t.suggest_float("dropout_fc", 0, 0.6), 0.0), n_trials=1)


class TestTrialsOfOthers:
    def test_her_choice_comes_right_after_an_enqueued_baseline(self, new_study, usual, predictor, space):
        own = search(predictor, space, predictor.vector(FEATURES), seed=0).params
        study = new_study()
        study.enqueue_trial({**own, "learning_rate": 2e-4, "batch_size": 32, "scheduler": "cosine"})
        study.optimize(usual, n_trials=2)
        assert study.trials[1].params == {name: own[name] for name in space.free}

    def test_what_is_enqueued_in_part_is_kept(self, new_study, usual):
        study = new_study()
        study.enqueue_trial({"batch_size": 32})
        study.optimize(usual, n_trials=2)
        assert study.trials[0].params["batch_size"] == 32

    def test_the_rest_of_it_is_what_she_thinks_best(self, new_study, usual, predictor, space):
        study = new_study()
        study.enqueue_trial({"batch_size": 128})
        study.optimize(usual, n_trials=1)
        vector, tried = predictor.vector(FEATURES), study.trials[0].params
        rng = np.random.default_rng(0)
        others = [{**space.sample(rng), "batch_size": 128} for _ in range(200)]
        f1 = [expected(predictor, space, vector, params).predicted_f1 for params in (tried, *others)]
        assert f1[0] >= max(f1[1:]) - 0.002

    def test_a_number_enqueued_outside_its_range_is_a_trial(self, new_study, usual, space):
        study = new_study()
        study.enqueue_trial({"learning_rate": 0.1})
        with pytest.warns(UserWarning, match="out of range"):
            study.optimize(usual, n_trials=3)
        assert study.trials[0].params["learning_rate"] == 0.1
        assert {t.state.name for t in study.trials} == {"COMPLETE"}

    def test_a_word_that_is_no_option_is_named(self, new_study, usual):
        study = new_study()
        study.enqueue_trial({"optimizer": "sgd"})
        with pytest.raises(OhloraError, match=r"optimizer: .*sgd.*; allowed: adam \| adamw"):
            study.optimize(usual, n_trials=1)

    def test_trials_at_the_same_time_differ(self, new_study, space):
        """Two ask before either has an answer."""
        study = new_study()
        asked = [study.ask() for _ in range(3)]
        points = {tuple(suggest(trial, space).values()) for trial in asked}
        assert len(points) == 3


@pytest.mark.parametrize(
    "drawn",
    [
        FloatDistribution(1e-4, 1e-1, log=True),
        FloatDistribution(-2, 3),
        FloatDistribution(0.1, 0.75, step=0.05),
        IntDistribution(16, 128, log=True),
        IntDistribution(-3, 12, step=3),
        CategoricalDistribution(["a", "b", None]),
    ],
)
def test_positions_are_inside_what_is_drawn_and_come_back(drawn):
    one = Dimension(Real(0.0, 1.0), drawn)
    positions = np.linspace(0, 1, 41)
    drawn_values = one.values(positions)
    assert all(contains(drawn, value) for value in drawn_values)
    back = one.values(np.array([one.position(value) for value in drawn_values]))
    assert [str(v)[:6] for v in back] == [str(v)[:6] for v in drawn_values]
    assert len(set(drawn_values)) > 2


def test_values_are_encoded_as_the_axis_encodes_its_own(space):
    rng = np.random.default_rng(0)
    for name, axis in space.within.items():
        some = [space.sample(rng)[name] for _ in range(5)]
        assert encode(axis, some).tolist() == pytest.approx(np.array([axis.encode(v) for v in some]))
    sizes = Choice([16, 32, 64, 128])
    assert encode(sizes, [16, 24, 256])[:, 0] == pytest.approx([0, math.log2(1.5) / 3, 4 / 3])
    assert encode(Choice(["adam", "adamw"]), ["sgd"]).tolist() == [[0, 0]]
    assert not Dimension(sizes, CategoricalDistribution([16, None])).understood()
    assert not Dimension(Choice(["adam", "adamw"]), FloatDistribution(0, 1)).understood()
