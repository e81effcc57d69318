"""What held-out predictions teach: how much of a subset's own wishes to believe, bias and spread."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ohlora.predictor.calibration import (
    NEIGHBOURS,
    Calibration,
    Errors,
    HeldOut,
    Known,
    TopTrials,
    bias_basis,
    calibrate,
    held_within,
    log_spread,
    neutral,
    order_near_the_best,
    spread_basis,
    widening,
)
from ohlora.predictor.predictor import Predictor
from ohlora.predictor.search import NO_DIFFERENCE, WORTH_LEAVING, Belief, search, trusted
from ohlora.predictor.table import PredictorTable
from ohlora.space import Space


def held_out_world(wish: float, mistake: float, off: float = 0.0, noise: float = 0.01):
    """A table whose subsets want something of their own, and predictions that know it up to a mistake."""
    rng = np.random.default_rng(0)
    groups, rows = 150, 20
    common = rng.uniform(0.5, 0.9, groups * rows)
    wishes, mistakes = (scale * rng.normal(size=groups * rows) for scale in (wish, mistake))
    target = common + wishes + rng.normal(0, noise, groups * rows)
    group = np.repeat(np.arange(groups), rows)
    nothing = np.zeros((len(target), 1))
    table = PredictorTable(("f",), nothing, nothing, target, group, np.array(["made", "drawn"])[group % 2])
    near = np.tile(common[:, None] + off, len(NEIGHBOURS))
    return table, HeldOut(common + wishes + mistakes + off, near, nothing[:, 0], nothing[:, 0])


SUBSETS = Known(torch.arange(150.0)[:, None])  # of that world, in a row


def fitted(table: PredictorTable, known: HeldOut, unseen: HeldOut | None = None) -> Calibration:
    return calibrate(table, SUBSETS, known, unseen)[0]


def bias_at(found: Calibration, level, error: float = 0.0) -> np.ndarray:
    return bias_basis(0.0, np.asarray(level), Errors(np.asarray(error), np.asarray(0.0))) @ np.array(
        found.bias
    )


def sd_at(found: Calibration, level, rms: float, novelty: float = 0.0) -> np.ndarray:
    nearby = Errors(np.asarray(0.0), np.asarray(rms))
    return np.exp(spread_basis(0.0, np.asarray(level), nearby, novelty) @ np.array(found.log_sd))


@pytest.mark.parametrize(
    ("wish", "mistake", "share"), [(0.02, 0.0, 1.0), (0.02, 0.02, 0.5), (0.01, 0.02, 0.2), (0.0, 0.02, 0.0)]
)
def test_own_wishes_count_as_much_as_they_come_true(wish, mistake, share):
    """Least squares: the share of the wishes' variance in that of what is predicted of them."""
    table, held_out = held_out_world(wish, mistake)
    assert fitted(table, held_out).own_share == pytest.approx(share, abs=0.1)


def test_the_order_near_the_best_is_told():
    table, held_out = held_out_world(0.02, 0.02, noise=0.02)
    found = order_near_the_best(table, held_out, fitted(table, held_out))
    assert found["own"] > 0.5  # of one part wish, one mistake, one noise, and what is common to all
    assert found["calibrated"] > max(found["own"], found["neighbours"])
    flat = HeldOut(0 * held_out.own, 0 * held_out.near, held_out.novelty, held_out.size)
    nothing = replace(neutral(0.05), neighbours=NEIGHBOURS[0])
    assert set(order_near_the_best(table, flat, nothing).values()) == {0.0}


def test_a_source_held_out_says_how_far_off_not_which_way():
    table, held_out = held_out_world(0.02, 0.0, off=0.0)
    shifted = replace(
        held_out, own=held_out.own - 0.1, near=held_out.near - 0.1, novelty=held_out.novelty + 2
    )
    found = fitted(table, held_out, shifted)
    assert found.bias == fitted(table, held_out).bias
    assert sd_at(found, 0.8, 0.02, novelty=3) > np.e * sd_at(found, 0.8, 0.02)


def test_what_is_predicted_too_high_is_lowered():
    table, held_out = held_out_world(0.02, 0.0, off=0.03)
    found, errors = calibrate(table, SUBSETS, held_out, None)
    assert errors.mean == pytest.approx(-0.03, abs=0.02)
    assert bias_at(found, [0.6, 0.9], -0.03) == pytest.approx([-0.03, -0.03], abs=0.006)
    rms = float(errors.rms.mean())
    assert sd_at(found, [0.6, 0.9], rms) == pytest.approx([0.01, 0.01], abs=0.003)


def test_where_known_subsets_were_missed_a_prediction_is_corrected_and_doubted_more():
    """The last third of the subsets is predicted badly: too high, and by chance besides."""
    table, held_out = held_out_world(0.0, 0.0)
    bad = table.group >= 100
    off = np.where(bad, 0.05 + np.random.default_rng(1).normal(0, 0.05, len(bad)), 0.0)
    missed = replace(held_out, own=held_out.own + off, near=held_out.near + off[:, None])
    found, errors = calibrate(table, SUBSETS, missed, None)
    good, poor = (errors.of(SUBSETS.nearest_others(np.arange(150), 32)[i]) for i in (30, 130))
    assert poor.mean < good.mean - 0.04
    assert bias_at(found, 0.8, float(poor.mean)) < bias_at(found, 0.8, float(good.mean)) - 0.03
    assert sd_at(found, 0.8, float(poor.rms)) > 2 * sd_at(found, 0.8, float(good.rms))


def test_taking_the_best_of_mistaken_predictions_expects_too_much():
    """Though predictions are right on average: the best of them are so by luck (optimizer's curse)."""
    table, held_out = held_out_world(0.0, 0.0)
    rng = np.random.default_rng(1)
    mistaken = held_out.own + rng.normal(0, 0.1, len(held_out.own))
    all_mistaken = HeldOut(
        mistaken, np.tile(mistaken[:, None], len(NEIGHBOURS)), held_out.novelty, held_out.size
    )
    found, errors = calibrate(table, SUBSETS, all_mistaken, None)
    assert bias_at(found, 0.95, float(errors.mean.mean())) < -0.05


def test_sources_that_are_new_are_less_certain():
    table, known = held_out_world(0.0, 0.0, noise=0.01)
    far = np.full_like(known.own, 2.0)
    rng = np.random.default_rng(2)
    wrong = known.own + rng.normal(0, 0.1, len(far))
    unseen = HeldOut(wrong, np.tile(wrong[:, None], len(NEIGHBOURS)), far, known.size)
    found, errors = calibrate(table, SUBSETS, known, unseen)
    here, there = (sd_at(found, 0.7, float(errors.rms.mean()), novelty) for novelty in (0, 2))
    assert here < 0.04
    assert there > 2 * here


def test_spread_follows_what_it_depends_on():
    rng = np.random.default_rng(0)
    x = bias_basis(rng.normal(size=6000), 0.7, Errors(np.asarray(0.0), np.asarray(0.0)))
    residual = rng.normal(size=6000) * np.exp(-3 - 0.5 * x[:, 1])
    assert log_spread(x, residual)[:2] == pytest.approx([-3, -0.5], abs=0.05)


def test_the_intervals_hold_what_they_are_to_hold_though_few_are_far_off():
    """Errors of Student's t, four degrees of freedom: its own deviation holds 0.77 of them, not 0.68."""
    error = 0.02 * np.random.default_rng(1).standard_t(4, 3000)
    table, held_out = held_out_world(0.0, 0.0, noise=0.0)
    found, errors = calibrate(replace(table, target=table.target + error), SUBSETS, held_out, None)
    sd = sd_at(found, 0.8, float(errors.rms.mean()))
    held = [(np.abs(error) < times * sd).mean() for times in found.reach]
    assert held == pytest.approx([0.68, 0.95], abs=0.03)
    assert found.reach[0] * sd < 0.9 * error.std()
    assert found.reach[1] > 2.2 * found.reach[0]


def test_the_intervals_hold_as_much_where_novelty_widens_them():
    """A third of the known subsets is new to the others, and no worse predicted than those."""
    table, held_out = held_out_world(0.02, 0.02, noise=0.02)
    new = replace(held_out, novelty=np.where(table.group % 3 == 0, 1.5, 0.0))
    wrong = replace(held_out, own=held_out.own + 0.1, near=held_out.near + 0.1, novelty=held_out.novelty + 2)
    alone, found = fitted(table, new), fitted(table, new, wrong)
    assert found.log_sd[-1] > 0 == alone.log_sd[-1]
    assert found.reach[0] < 0.9 * alone.reach[0]


def test_a_source_of_many_trials_widens_as_much_as_one_of_few():
    def far(trials: tuple[int, int]) -> TopTrials:
        source = np.repeat(["right", "wrong"], trials)
        residual = np.where(source == "wrong", 0.3, 0.03)
        return TopTrials(source, np.ones((len(source), 1)), np.ones((len(source), 2)), residual)

    near = TopTrials(np.repeat("known", 50), np.ones((50, 1)), np.zeros((50, 2)), np.zeros(50))
    log_sd = np.array([np.log(0.03), 0.0])
    few, many = (widening(near, far(trials), np.zeros(1), log_sd) for trials in ((50, 50), (95, 5)))
    assert few == pytest.approx(many, rel=1e-3)
    assert few == pytest.approx(np.log((0.5 * (1 + 100)) ** 0.5), rel=1e-2)


@pytest.mark.parametrize("scale", [0.01, 1.0, 7.0])
def test_errors_of_a_normal_reach_as_far_as_a_normal(scale):
    in_sds = scale * np.random.default_rng(0).normal(size=20_000)
    assert held_within(in_sds) == pytest.approx((0.994 * scale, 1.96 * scale), rel=0.02)


def test_no_error_at_all_is_no_reach_of_zero():
    assert min(held_within(np.zeros(5))) > 0


class TestKnown:
    known = Known(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [10.0, 10.0]]))

    def test_near(self):
        assert self.known.near(torch.tensor([[0.1, 0.1]]), 3).tolist() == [pytest.approx([1 / 3, 1 / 3])]

    def test_novelty(self):
        assert self.known.novelty(torch.tensor([[1.0, 0.0]])) == 0
        assert self.known.novelty(torch.tensor([[5.0, 0.0]])) == pytest.approx(np.log(4), abs=0.01)
        assert self.known.novelty(torch.tensor([[1e6, 0.0]])) == 3

    def test_others_are_of_another_name(self):
        assert self.known.nearest_others(np.arange(4), 2).tolist() == [[1, 2], [0, 2], [0, 1], [1, 2]]
        assert self.known.nearest_others(np.array(["a", "a", "b", "b"]), 9).tolist() == [[2, 3]] * 2 + [
            [0, 1],
            [1, 0],
        ]

    def test_one_subset(self):
        assert Known(torch.zeros(1, 2)).novelty(torch.ones(1, 2)) == pytest.approx(0.3466, abs=1e-3)


def calibrated(predictor: Predictor, **changes) -> Predictor:
    card = {**predictor.card, "calibration": asdict(replace(neutral(predictor.noise), **changes))}
    return replace(predictor, card=card)


class TestPredictor:
    @pytest.fixture
    def vector(self, predictor):
        return predictor.vector({"ease": 0.9, "noise": 0.5})

    @pytest.fixture
    def encoded(self, space):
        rng = np.random.default_rng(0)
        return np.array([space.encode(space.sample(rng)) for _ in range(20)])

    def test_without_calibration_it_is_the_networks_word(self, predictor, vector, encoded):
        assert torch.equal(predictor.on(vector).members(encoded), predictor.members(vector, encoded))
        expected = (predictor.noise, 1.96 * predictor.noise)
        assert predictor.on(vector).half_widths(0.8) == pytest.approx(expected)

    def test_a_card_of_before_the_reach_was_told_says_a_normal(self, predictor, vector):
        said = asdict(neutral(predictor.noise))
        del said["reach"]
        old = replace(predictor, card={**predictor.card, "calibration": said})
        assert old.on(vector).half_widths(0.8) == predictor.on(vector).half_widths(0.8)

    def test_the_reach_is_what_the_intervals_hold(self, predictor, vector, space):
        found = search(calibrated(predictor, reach=(0.5, 3.0)), space, vector, seed=0)
        assert (found.predicted_sd, found.predicted_95) == pytest.approx(
            (0.5 * predictor.noise, 3 * predictor.noise)
        )

    def test_a_share_is_the_neighbours(self, predictor, vector, encoded):
        near = Known(predictor.known).near(vector, 4)
        expected = 0.25 * predictor.members(vector, encoded) + 0.75 * predictor.members(near, encoded)
        found = calibrated(predictor, own_share=0.25, neighbours=4).on(vector).members(encoded)
        assert torch.allclose(found, expected)

    def test_bias_is_added(self, predictor, vector, encoded):
        found = calibrated(predictor, bias=(-0.1, 0.0, 0.0, 0.0)).on(vector).members(encoded)
        assert torch.allclose(found, predictor.members(vector, encoded) - 0.1, atol=1e-6)

    def test_the_card_keeps_it(self, predictor, vector, space, tmp_path):
        ours = calibrated(predictor, own_share=0.5, log_sd=(-3.0, 0.1, 0.2, 0.3, 0.4, 0.5), reach=(0.9, 2.2))
        ours.card["fixed_answers"] = {"made": space.at([0.5] * len(space.free))}
        ours.card["fixed_answer"] = space.at([0.4] * len(space.free))
        ours.save(tmp_path, "p")
        again = Predictor.load(tmp_path, "p")
        assert again.calibration == ours.calibration == Calibration(**asdict(ours.calibration))
        assert again.on(again.known[:1]).fixed_answer() == ours.card["fixed_answers"]["made"]
        assert again.on(again.known[:1] + 9).fixed_answer() == ours.card["fixed_answer"]

    @pytest.mark.parametrize(
        ("card", "told"),
        [
            ({"calibration": {"own_share": 2}}, "own_share=2 is not .*neighbours is missing"),
            ({"calibration": 5}, "calibration=5"),
            ({"calibration": {**asdict(neutral(0.1)), "reach": [0, 2]}}, "reach.*0"),
            (
                {"fixed_answers": {"made": {"learning_rate": 9}}},
                "fixed_answers.made: .*learning_rate=9 is outside",
            ),
            ({"fixed_answer": {"learning_rate": 9}}, "fixed_answer: .*learning_rate=9 is outside"),
        ],
    )
    def test_a_card_that_says_nonsense(self, card, told, predictor, tmp_path):
        replace(predictor, card={**predictor.card, **card}).save(tmp_path, "p")
        with pytest.raises(Exception, match=f"not a whole predictor: .*{told}"):
            Predictor.load(tmp_path, "p")

    @given(share=st.floats(0, 1), bias=st.floats(-0.5, 0.5), spread=st.floats(-20, 20))
    def test_what_is_expected_stays_a_score(self, share, bias, spread, predictor, space):
        ours = calibrated(predictor, own_share=share, bias=(bias,) * 4, log_sd=(spread,) * 6)
        found = search(ours, space, ours.vector({"ease": 3.0, "noise": -9.0}), seed=0)
        assert 0 <= found.predicted_f1 <= 1
        assert 0 < found.predicted_sd <= 0.5
        assert found.predicted_sd < found.predicted_95 <= 1


@pytest.mark.parametrize(("far", "known"), [(0.0, True), (3.0, False)], ids=["known", "unknown"])
def test_what_makes_no_difference_stays_at_the_fixed_answer(predictor: Predictor, space: Space, far, known):
    """Only the learning rate and the last dropout count in the world of these tests.

    It is the dataset's fixed answer where that is known, else the one for all datasets.
    """
    fixed = {**space.at([0.3] * len(space.free)), "dropout_fc": 0.5, "learning_rate": 1e-4}
    other = {**space.at([0.7] * len(space.free)), "dropout_fc": 0.5, "learning_rate": 1e-4}
    vector = predictor.vector({"ease": 0.9, "noise": 0.5}) + far
    free = search(predictor, space, vector, seed=0)
    of_made, of_all = (fixed, other) if known else (other, fixed)
    answers = {"fixed_answers": {"made": of_made}, "fixed_answer": of_all}
    ours = replace(predictor, card={**predictor.card, **answers})
    assert ours.on(vector).fixed_answer() == fixed
    plain = search(ours, space, vector, seed=0)
    before, same = (
        {name for name in space.free if found.params[name] == fixed[name]} for found in (free, plain)
    )
    assert {"learning_rate", "dropout_fc"}.isdisjoint(same)
    assert len(same) >= len(before) + 3
    assert plain.predicted_f1 > free.predicted_f1 - NO_DIFFERENCE - 1e-6


@pytest.mark.parametrize(("far", "stays"), [(0.0, True), (3.0, False)], ids=["known", "unknown"])
def test_small_promises_are_not_followed_on_a_dataset_that_is_known(
    predictor: Predictor, space: Space, far, stays
):
    vector = predictor.known[:1] + far
    free = search(predictor, space, vector, seed=0)
    below = {**free.params, "dropout_fc": free.params["dropout_fc"] + 0.02}
    belief = Belief(predictor, space, vector, [])
    assert belief.expected.familiar == stays
    promised = free.predicted_f1 - belief.mean(np.array([space.encode(below)]))[0]
    assert NO_DIFFERENCE < promised < WORTH_LEAVING
    ours = replace(predictor, card={**predictor.card, "fixed_answers": {"made": below}})
    assert (search(ours, space, vector, seed=0).params == below) == stays
    worse = {**below, "learning_rate": 1e-5}
    ours = replace(predictor, card={**predictor.card, "fixed_answers": {"made": worse}})
    assert search(ours, space, vector, seed=0).params != worse


def test_a_fixed_value_that_may_not_be_played_is_not_taken(predictor: Predictor, classic_space: Space):
    belief = Belief(predictor, classic_space, predictor.vector({"ease": 0.5, "noise": 0.5}), [])
    params = classic_space.at([0.5] * len(classic_space.free))
    fixed = {**params, "learning_rate": 4e-2, "batch_size": 256}
    assert trusted(params, fixed, classic_space, belief, 0.0) == params
