"""Hyperparameters: what is drawn is allowed, what is not allowed is named."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohlora.errors import OhloraError
from ohlora.space import Choice, Real, Space

UNIT = st.floats(0, 1)
REALS = st.builds(
    lambda low, width, log: Real(low, low * (1 + width), log),
    st.floats(1e-6, 1e3),
    st.floats(1e-3, 1e3),
    st.booleans(),
)
CHOICES = st.one_of(
    st.lists(st.integers(-9, 9), min_size=2, max_size=6, unique=True),
    st.lists(st.text("abc", min_size=1, max_size=3), min_size=2, max_size=6, unique=True),
).map(Choice)


class TestReal:
    @given(axis=REALS, u=UNIT)
    def test_every_position_is_a_value_inside_and_leads_back(self, axis, u):
        value = axis.at(u)
        assert axis.low <= value <= axis.high
        assert axis.fault(value) is None
        assert axis.position(value) == pytest.approx(u, abs=1e-6)

    @given(axis=REALS, u=UNIT, v=UNIT)
    def test_positions_keep_their_order(self, axis, u, v):
        assert axis.at(min(u, v)) <= axis.at(max(u, v))

    def test_a_log_axis_has_its_geometric_mean_in_the_middle(self):
        assert Real(1e-4, 1e-2, log=True).at(0.5) == pytest.approx(1e-3)
        assert Real(0, 10).at(0.5) == pytest.approx(5)

    @pytest.mark.parametrize(
        "value", [True, "0.1", None, [0.1], math.nan, math.inf, -math.inf, 0.7, -1, 10**400]
    )
    def test_what_is_not_a_number_inside_is_refused(self, value):
        assert "0 to 0.5" in (Real(0, 0.5).fault(value) or "")

    @pytest.mark.parametrize(
        ("low", "high", "log"), [(1, 1, False), (2, 1, False), (0, 1, True), (math.nan, 1, False)]
    )
    def test_an_impossible_range_is_refused(self, low, high, log):
        with pytest.raises(OhloraError, match=r"low < high|low=nan is not a number"):
            Real(low=low, high=high, log=log)


class TestChoice:
    @given(axis=CHOICES, u=UNIT)
    def test_every_position_is_an_option_and_the_middle_of_its_share_leads_back(self, axis, u):
        value = axis.at(u)
        assert axis.fault(value) is None
        assert axis.at(axis.position(value)) == value

    @given(axis=CHOICES)
    def test_every_option_owns_an_equal_share(self, axis):
        n = len(axis.options)
        assert [axis.at((i + 0.5) / n) for i in range(n)] == list(axis.options)
        assert axis.at(1.0) == axis.options[-1]

    @given(axis=CHOICES)
    def test_numbers_are_encoded_in_order_words_apart(self, axis):
        codes = [axis.encode(option) for option in axis.options]
        assert {len(code) for code in codes} == {axis.width}
        if axis.ordered:
            assert codes == sorted(codes)
            assert (codes[0], codes[-1]) == ([0.0], [1.0])
        else:
            assert np.array_equal(np.array(codes), np.eye(len(codes)))

    @pytest.mark.parametrize("value", [True, "sdg", None, math.nan, ["adam"], {}])
    def test_anything_else_is_refused_with_what_is_allowed(self, value):
        assert "adam | sgd" in (Choice(["adam", "sgd"]).fault(value) or "")

    def test_a_slip_of_the_pen_gets_a_hint(self):
        assert (Choice(["adamw", "relu"]).fault("adamv") or "").endswith("(did you mean adamw?)")

    def test_true_is_not_one(self):
        assert Choice([1, 2]).fault(True)

    def test_numbers_come_out_as_the_option_is_written(self):
        assert type(Choice([16, 32]).read(16.0)) is int

    @pytest.mark.parametrize("options", [[], ["a"], ["a", "a"]])
    def test_a_choice_has_two_different_options(self, options):
        with pytest.raises(OhloraError, match="at least two"):
            Choice(options)


class TestSpace:
    def test_classic_is_the_slice_of_default_with_four_standing_still(self, space, classic_space):
        assert len(classic_space.free) == 7
        assert len(space.free) == 11
        assert set(classic_space.fixed) == {"weight_decay", "batch_size", "label_smoothing", "augmentation"}
        assert classic_space.columns == space.columns
        assert classic_space.fingerprint == space.fingerprint
        inside = classic_space.points(1, seed=0)[0]
        assert space.check(inside) == inside

    @given(seed=st.integers(0, 10_000))
    def test_drawn_params_are_allowed_and_lead_back(self, space, seed):
        params = space.sample(np.random.default_rng(seed))
        assert space.check(params) == params
        again = space.at(space.positions(params))
        for name, value in params.items():
            assert again[name] == (pytest.approx(value) if isinstance(value, float) else value)

    @given(seed=st.integers(0, 10_000))
    def test_encoding_is_one_number_a_column_from_0_to_1(self, space, classic_space, seed):
        for one in (space, classic_space):
            code = one.encode(one.sample(np.random.default_rng(seed)))
            assert len(code) == len(one.columns)
            assert all(-1e-9 <= x <= 1 + 1e-9 for x in code)

    def test_different_params_have_different_codes(self, space):
        points = space.points(64, seed=1)
        assert len({tuple(space.encode(p)) for p in points}) == 64

    @given(count=st.integers(0, 40), more=st.integers(0, 40), seed=st.integers(0, 99))
    def test_a_longer_sequence_starts_with_the_shorter(self, space, count, more, seed):
        points = space.points(count, seed)
        assert len(points) == count
        assert space.points(count + more, seed)[:count] == points

    def test_another_seed_gives_other_points(self, space):
        assert space.points(4, 0) != space.points(4, 1)

    @pytest.mark.parametrize("name", ["learning_rate", "batch_size", "dropout_fc", "augmentation"])
    def test_fixing_one_hyperparameter_leaves_the_draws_of_the_others_alone(self, space, name):
        axis = space.within[name]
        drawn = space.points(8, seed=4)
        for value in (axis.at(0.0), axis.at(0.5), axis.at(0.99)):
            fixed = Space(params={**space.params, name: value}, within=space.within)
            assert fixed.points(8, seed=4) == [{**params, name: value} for params in drawn]

    def test_the_sequence_is_that_of_the_first_tables(self, space):
        """Other points, and every sweep over the whole space would start anew."""
        params = space.points(3, seed=1)[2]
        rate = space.within["learning_rate"].position(params["learning_rate"])
        assert rate == pytest.approx(0.177450, abs=1e-6)
        assert (params["scheduler"], params["batch_size"]) == ("cosine", 64)

    def test_points_fill_the_space_evenly(self, space):
        points = space.points(64, seed=5)
        for name, axis in space.free.items():
            low, high = np.histogram([axis.position(p[name]) for p in points], bins=2, range=(0, 1))[0]
            assert abs(low - high) <= 16, name

    def test_a_space_without_freedom_repeats_itself(self):
        fixed = Space(params={"a": 0.5}, within={"a": Real(0, 1)})
        assert fixed.points(3, seed=0) == [{"a": 0.5}] * 3

    def test_every_fault_is_named_at_once(self, space, good_params):
        wrong = {k: v for k, v in good_params.items() if k != "scheduler"}
        wrong |= {
            "sheduler": "cosine",
            "dropout_conv_early": 0.9,
            "optimizer": "sgd",
            "learning_rate": math.nan,
        }
        with pytest.raises(OhloraError) as caught:
            space.check(wrong)
        text = str(caught.value)
        assert "scheduler is missing (exp_80 | exp_90 | exp_95 | exp_98 | cosine)" in text
        assert "sheduler is not a hyperparameter (did you mean scheduler?)" in text
        assert "dropout_conv_early=0.9 is outside 0 to 0.3" in text
        assert "optimizer='sgd' is not one of adam | adamw" in text
        assert "learning_rate=nan is outside 2e-05 to 0.05 (log)" in text
        assert len(text.split("; ")) == 5

    @given(
        value=st.one_of(
            st.booleans(),
            st.none(),
            st.floats(),
            st.integers(),
            st.text(),
            st.lists(st.integers(), max_size=2),
        ),
        data=st.data(),
    )
    def test_any_value_is_either_allowed_or_refused_by_name(self, space, good_params, value, data):
        name = data.draw(st.sampled_from(sorted(good_params)))
        try:
            checked = space.check({**good_params, name: value})
        except OhloraError as error:
            assert str(error).startswith(name)  # noqa: PT017  some values are allowed
        else:
            assert space.check(checked) == checked
            assert 0 <= space.within[name].position(checked[name]) <= 1

    def test_names_that_are_no_words_are_refused_too(self, space, good_params):
        with pytest.raises(OhloraError, match="7 is not a hyperparameter"):
            space.check({**good_params, 7: 1})

    def test_what_stands_still_may_be_left_out_or_repeated_but_not_moved(self, classic_space):
        params = classic_space.points(1, 0)[0]
        assert classic_space.check({n: params[n] for n in classic_space.free}) == params
        with pytest.raises(OhloraError, match="batch_size=64 cannot be chosen here: it stands at 32"):
            classic_space.check({**params, "batch_size": 64})

    def test_a_space_is_checked_when_it_is_built(self):
        axes = {"a": Real(0, 1), "b": Choice([1, 2])}
        with pytest.raises(OhloraError) as caught:
            Space(params={"a": 7, "bb": 1}, within=axes)
        for words in (
            "a=7 is outside 0 to 1",
            "bb is not a hyperparameter (did you mean b?)",
            "b is missing",
        ):
            assert words in str(caught.value)

    def test_the_fingerprint_follows_the_axes(self, space):
        wider = {**space.within, "dropout_fc": Real(0, 0.7)}
        assert Space(params=wider, within=wider).fingerprint != space.fingerprint

    def test_the_rules_card_has_every_free_axis(self, classic_space):
        card = dict(classic_space.describe())
        assert card["dropout_fc"] == "0 to 0.6"
        assert list(card) == list(classic_space.free)

    def test_positions_are_encoded_all_at_once_as_one_by_one(self, space, classic_space):
        narrow = Space(params={**space.params, "dropout_fc": Real(0.1, 0.3)}, within=space.within)
        for one in (space, classic_space, narrow):
            positions = np.random.default_rng(0).random((50, len(one.free)))
            singly = [one.encode(one.at(row)) for row in positions]
            assert one.encode_positions(positions) == pytest.approx(np.array(singly), abs=1e-9)
