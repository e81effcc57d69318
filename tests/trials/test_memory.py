"""How many members a GPU's stack gets is asked of the network, whatever its widths."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from ohlora.hardware import Hardware
from ohlora.records.record import TrialKey
from ohlora.trials.cnn import CnnClassifier
from ohlora.trials.memory import fitting_members, footprint
from ohlora.trials.protocol import Protocol
from ohlora.trials.stack_members import StackedTrial
from ohlora.trials.stacked import train_stacked

GREY = (1, 28, 28)


@pytest.fixture(scope="module")
def network(smoke):
    return smoke.network


def wider(network, times: int):
    widths = tuple(times * width for width in network.widths)
    return dataclasses.replace(network, widths=widths, whitening_filters=times * network.whitening_filters)


@pytest.mark.parametrize("shape", [GREY, (3, 32, 32), (3, 8, 8)])
def test_a_step_holds_at_least_what_the_network_really_saves(network, shape, good_params):
    """Counted here by what memory really grows with: every map of a forward pass, in and out of the stack."""
    images = torch.randn(16, *shape)
    module = CnnClassifier.build(good_params, network, images, 5, total_steps=1)
    made: list[int] = []
    for layer in module.modules():
        if not list(layer.children()):
            layer.register_forward_hook(lambda *seen: made.append(seen[2].numel()))
    module(images)
    an_image, weights = footprint(network, shape, 5, element=4)
    assert an_image >= 4 * (sum(made) // 16)
    assert an_image <= 4 * 4 * (sum(made) // 16), "not so careful that a card stays empty"
    assert weights == sum(p.numel() for p in module.parameters())


def test_wider_networks_and_larger_images_hold_more(network):
    usual, weights = footprint(network, GREY, 10, element=4)
    twice, more_weights = footprint(wider(network, 2), GREY, 10, element=4)
    assert 1.9 < twice / usual < 2.1
    assert more_weights > 3 * weights
    assert footprint(network, (1, 56, 56), 10, element=4)[0] > 3.5 * usual
    assert usual / 2 <= footprint(network, GREY, 10, element=2)[0] < 0.8 * usual


def test_members_follow_the_widths(network, digits_subset, good_params, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**9, 10**9))
    key = TrialKey(digits_subset.recipe, "f", "p", {**good_params, "batch_size": 128}, 0)
    trials = [StackedTrial(key, digits_subset, "s")]
    cuda = torch.device("cuda")
    few, many = (fitting_members(trials, one, cuda, "32") for one in (wider(network, 4), network))
    assert 1 <= 3 * few < many
    assert fitting_members(trials, network, torch.device("cpu"), "32") == 8


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("times", [1, 4])
def test_a_full_stack_of_any_width_fits(network, times, digits_subset, good_params, smoke):
    protocol = Protocol(wider(network, times), smoke.budget)
    keys = [
        TrialKey(digits_subset.recipe, "f", "p", {**good_params, "batch_size": 128}, i) for i in range(64)
    ]
    trials = [StackedTrial(key, digits_subset, "s") for key in keys]
    torch.cuda.reset_peak_memory_stats()
    assert len(list(train_stacked(trials, protocol, Hardware("cuda", "32", None)))) == 64
    an_image, _ = footprint(protocol.network, digits_subset.image_shape, len(digits_subset.class_names), 4)
    assert torch.cuda.max_memory_allocated() < 2 * 64 * 128 * an_image
