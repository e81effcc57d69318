"""Many trials as one model give what each gives alone."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from ohlora.datasets.images import Split
from ohlora.errors import OhloraError
from ohlora.hardware import Hardware
from ohlora.records.record import TrialKey
from ohlora.trials.drivers import train_and_score
from ohlora.trials.memory import fitting_members
from ohlora.trials.protocol import Budget, Protocol
from ohlora.trials.stack_kernels import EachMember, masked_batch_norm
from ohlora.trials.stack_members import Pool, StackedTrial
from ohlora.trials.stacked import Stack, train_stacked, while_memory_lasts

HERE = Path(__file__).parent
OCCASION = ("elapsed_s", "finished_at", "driver")


@pytest.fixture(scope="module")
def short(smoke) -> Protocol:
    """24 steps, 6 validations."""
    return Protocol(smoke.network, Budget(epochs=1, min_steps=24, checks=6, patience=2))


@pytest.fixture(scope="module")
def trial(digits_subset, good_params):
    """`trial(seed, batch_size=16, ...)` on digits."""

    def build(seed: int, subset=digits_subset, **changes) -> StackedTrial:
        params = {**good_params, **changes}
        return StackedTrial(TrialKey(subset.recipe, "f", "p", params, seed), subset, "s")

    return build


def alone(one: StackedTrial, protocol: Protocol, hardware: Hardware):
    return train_and_score(one.key.params, one.subset, "f", "s", protocol, one.key.seed, hardware)


def result(record) -> dict:
    return {k: v for k, v in record.row().items() if k not in (*OCCASION, "trial", "protocol")}


def test_a_trial_that_is_not_tested_never_looks_at_test_images(trial, short, cpu, sealed_subset):
    sealed = dataclasses.replace(trial(3, subset=sealed_subset), tested=False)
    [(_, outcome)] = train_stacked([sealed], short, cpu)
    assert outcome.record.test_f1 is None
    assert len(outcome.test_labels) == 0
    key = sealed.key
    lean = train_and_score(key.params, sealed_subset, "f", "s", short, key.seed, cpu, tested=False)
    assert (lean.record.test_f1, lean.record.val_f1) == (None, outcome.record.val_f1)
    [(_, tested)] = train_stacked([trial(3)], short, cpu)
    assert tested.record.val_f1 == outcome.record.val_f1
    assert tested.record.test_f1 is not None


@pytest.mark.slow
def test_members_equal_the_lean_loop_to_the_last_bit(cache_dir):
    done = subprocess.run(
        [sys.executable, str(HERE / "stacked_and_lean.py"), str(cache_dir)],
        env={**os.environ, "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"trials": 18, "differ": {}}


def test_small_last_batches_differ_by_rounding_only(trial, short, cpu, digits_subset):
    sizes = (len(digits_subset.train), 70, 33)
    subsets = [
        dataclasses.replace(
            digits_subset,
            train=Split(digits_subset.train.images[:n], digits_subset.train.labels[:n]),
        )
        for n in sizes
    ]
    trials = [trial(seed, subset=subset, batch_size=32) for seed, subset in enumerate(subsets)]
    stacked = {one.key.seed: out for one, out in train_stacked(trials, short, cpu)}
    for one in trials:
        lean, other = alone(one, short, cpu), stacked[one.key.seed]
        assert other.record.n_train == len(one.subset.train)
        assert [c["step"] for c in other.curve] == [c["step"] for c in lean.curve]
        for name in ("val_loss", "train_loss"):
            mine, theirs = ([c[name] for c in out.curve] for out in (other, lean))
            assert mine == pytest.approx(theirs, rel=2e-3)


def test_joint_kernels_differ_by_rounding_only_where_nothing_is_random(trial, short, cpu, digits_subset):
    calm = {"dropout_conv_early": 0.0, "dropout_conv_late": 0.0, "dropout_fc": 0.0, "augmentation": "none"}
    few = dataclasses.replace(
        digits_subset, train=Split(digits_subset.train.images[:70], digits_subset.train.labels[:70])
    )
    trials = [
        trial(0, **calm, optimizer="adam", weight_decay=0.05),
        trial(1, **calm, optimizer="adamw", weight_decay=0.05, label_smoothing=0.2),
        trial(2, subset=few, **calm, scheduler="exp_80", learning_rate=3e-3),
    ]
    joint = {one.key.seed: out for one, out in train_stacked(trials, short, cpu, joint=True)}
    for one in trials:
        lean = alone(one, short, cpu)
        for mine, theirs in zip(joint[one.key.seed].curve, lean.curve, strict=True):
            assert mine["val_loss"] == pytest.approx(theirs["val_loss"], rel=5e-3)


RANDOM = {
    "dropout_conv_early": 0.3,
    "dropout_conv_late": 0.3,
    "dropout_fc": 0.6,
    "augmentation": "shift_flip",
    "learning_rate": 2e-3,
}
SEEDS = range(24)


@pytest.fixture(scope="module")
def losses(trial, short, cpu):
    """`losses(joint, ...)`: validation loss at the end for every seed."""
    to_the_end = Protocol(short.network, dataclasses.replace(short.budget, patience=99))

    def run(joint: bool, **changes) -> np.ndarray:
        trials = [trial(seed, **{**RANDOM, **changes}) for seed in SEEDS]
        outcomes = train_stacked(trials, to_the_end, cpu, members=12, joint=joint)
        last = {one.key.seed: out.curve[-1]["val_loss"] for one, out in outcomes}
        return np.array([last[seed] for seed in SEEDS])

    return run


@pytest.fixture(scope="module")
def each(losses):
    """Masks drawn as the lean loop draws them."""
    return losses(joint=False)


@pytest.mark.slow
class TestRandomMasks:
    """Drawn for all members at once, scores keep their distribution; a wrong mask would be seen."""

    def test_scores_are_equal_in_distribution(self, losses, each):
        joint = losses(joint=True)
        assert not np.array_equal(joint, each)
        assert stats.ttest_rel(joint, each).pvalue > 1e-3
        assert stats.ks_2samp(joint, each).pvalue > 1e-3
        assert 0.5 < joint.std() / each.std() < 2

    @pytest.mark.parametrize(
        "wrong",
        [
            {"dropout_conv_early": 0.0},
            {"dropout_conv_late": 0.0},
            {"dropout_fc": 0.0},
            {"augmentation": "none"},
        ],
        ids=lambda wrong: next(iter(wrong)),
    )
    def test_a_mask_left_out_would_be_seen(self, losses, each, wrong):
        joint = losses(joint=True, **wrong)
        assert stats.ttest_rel(joint, each).pvalue < 1e-3


def test_places_are_refilled_and_every_trial_comes_back_once(trial, short, cpu):
    trials = [trial(seed, batch_size=(16, 32)[seed % 2], learning_rate=6e-3) for seed in range(9)]
    outcomes = list(train_stacked(trials, short, cpu, members=2))
    assert sorted(one.key.seed for one, _ in outcomes) == list(range(9))
    assert {out.record.driver for _, out in outcomes} == {"stacked"}
    for one, out in outcomes:
        assert out.record.key == one.key
        assert out.record.test_f1 == pytest.approx(alone(one, short, cpu).record.test_f1, abs=0.03)
    # They stop where the lean loop stops, not together.
    assert len({out.record.steps for _, out in outcomes}) > 1


class TestMemoryRunsOut:
    @pytest.fixture
    def card(self, short):
        """`card(room)`: builds stacks on the CPU, and has memory for so many members."""

        def of(room: int):
            def build(queue: deque[StackedTrial], places: int) -> Stack:
                if min(places, len(queue)) > room:
                    raise torch.OutOfMemoryError(
                        "CUDA out of memory. Tried to allocate 1.27 GiB. GPU 0 has a"
                    )
                device = torch.device("cpu")
                return Stack(queue, places, Pool(queue, device, "32"), short, device, "32", EachMember)

            return build

        return of

    def test_the_trials_are_trained_in_smaller_stacks(self, card, trial, short, cpu):
        trials = [trial(seed) for seed in range(7)]
        outcomes = {one.key.seed: o for one, o in while_memory_lasts(card(3), trials, places=7)}
        assert sorted(outcomes) == list(range(7))
        assert result(outcomes[5].record) == result(alone(trials[5], short, cpu).record)

    def test_what_has_ended_stays(self, card, trial):
        trials = [trial(seed) for seed in range(4)]

        class EndsAfterOne:
            def __init__(self, stack: Stack) -> None:
                self.stack = stack

            def run(self):
                yield next(self.stack.run())
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

        stacks = []

        def first_fails(queue, places):
            stacks.append([one.key.seed for one in queue])
            made = card(4)(queue, places)
            return EndsAfterOne(made) if len(stacks) == 1 else made

        seen = [one.key.seed for one, _ in while_memory_lasts(first_fails, trials, places=4)]
        assert sorted(seen) == [0, 1, 2, 3]
        assert stacks == [[0, 1, 2, 3], [one for one in range(4) if one != seen[0]]]

    def test_no_room_for_one_is_told_in_one_line(self, card, trial):
        with pytest.raises(
            OhloraError, match=r"no memory left .*goes on .*Tried to allocate 1\.27 GiB"
        ) as told:
            list(while_memory_lasts(card(0), [trial(1), trial(2)], places=2))
        assert "\n" not in str(told.value)


def test_a_member_that_diverges_leaves_the_others_alone(trial, short, cpu):
    calm = [trial(seed) for seed in range(2)]
    wild = trial(7, learning_rate=1e30, optimizer="adam")
    with_it = {one.key.seed: out.record for one, out in train_stacked([*calm, wild], short, cpu)}
    without = {one.key.seed: out.record for one, out in train_stacked(calm, short, cpu)}
    assert with_it[7].status == "diverged"
    assert math.isfinite(with_it[7].test_f1)
    for seed in range(2):
        assert result(with_it[seed]) == result(without[seed])


def test_who_shares_the_stack_does_not_matter(trial, short, cpu):
    one = trial(3, augmentation="shift", dropout_fc=0.4)
    [(_, single)] = train_stacked([one], short, cpu)
    others = [trial(seed, dropout_fc=0.1) for seed in range(4, 7)]
    shared = {each.key.seed: out for each, out in train_stacked([one, *others], short, cpu)}
    assert shared[3].record.val_loss == pytest.approx(single.record.val_loss, rel=1e-4)


def test_the_global_random_state_is_left_alone(trial, short, cpu):
    before = torch.random.get_rng_state()
    for joint in (False, True):
        list(train_stacked([trial(0), trial(1)], short, cpu, joint=joint))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_masked_batch_norm_is_batch_norm_of_each_members_images():
    generator = torch.Generator().manual_seed(0)
    counts, channels = [5, 3, 1], 4
    maps = torch.randn(5, 3 * channels, 2, 2, generator=generator, requires_grad=True)
    weight, bias = torch.rand(2, 3 * channels, generator=generator)
    mean, var = torch.zeros(3 * channels), torch.ones(3 * channels)
    out = masked_batch_norm(maps, counts, mean, var, weight, bias, 0.1, 1e-5)
    upstream = torch.randn(out.shape, generator=generator)
    for i, n in enumerate(counts):
        upstream[n:, i * channels : (i + 1) * channels] = 0
    out.backward(upstream)
    assert maps.grad is not None
    for i, n in enumerate(counts):
        of = slice(i * channels, (i + 1) * channels)
        own = maps.detach()[:n, of].requires_grad_()
        own_mean, own_var = torch.zeros(channels), torch.ones(channels)
        expected = F.batch_norm(own, own_mean, own_var, weight[of], bias[of], True, 0.1, 1e-5)
        expected.backward(upstream[:n, of])
        torch.testing.assert_close(out[:n, of], expected)
        torch.testing.assert_close(mean[of], own_mean)
        torch.testing.assert_close(var[of], own_var)
        torch.testing.assert_close(maps.grad[:n, of], own.grad)
        assert not maps.grad[n:, of].any()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_gpu_takes_as_many_members_as_its_memory_holds(trial, short):
    device = torch.device("cuda")
    trials = [trial(seed, batch_size=128) for seed in range(64)]
    assert 64 <= fitting_members(trials, short.network, device, "32") < 1_000_000
    outcomes = list(train_stacked(trials, short, Hardware("cuda", "32", None)))
    cpu = list(train_stacked(trials, short, Hardware("cpu", "32", 1)))
    scores = [np.mean([out.record.test_f1 for _, out in some]) for some in (outcomes, cpu)]
    assert scores[0] == pytest.approx(scores[1], abs=0.05)
