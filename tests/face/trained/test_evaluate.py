"""Eval mode for every network that is ever asked, and the mode it was in afterwards."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ohlora.face.drawing.generator import to_network
from ohlora.face.trained.evaluate import evaluating, predict
from ohlora.laboratory.networks.attributes import Ensemble
from ohlora.laboratory.networks.segmenter import UNet
from ohlora.laboratory.networks.settings import IdentitySettings, PartSettings, PictureSettings, TrunkSettings

NAMES = ("eyes", "hair_colour", "hair_length", "mouth", "roll", "background_mean", "background_std", "yaw")
NETWORKS = {
    "segmenter": lambda: UNet(4),
    "regressor a": lambda: TrunkSettings((4, 8), 8).build(NAMES, 32, None),
    "regressor b": lambda: PartSettings((4, 8), 8).build(NAMES, 32, UNet(4)),
    "embedder": lambda: IdentitySettings((4, 8), 8, 4).build(32),
    "ensemble": lambda: Ensemble([PictureSettings((4, 8), 8, 0.5).build(None) for _ in range(2)]),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_answers_alike_alone_and_in_company(name, batch):
    network = NETWORKS[name]().train()
    images = to_network(batch.images[:6])
    whole, parts = predict(network, images), predict(network, images, batch=2)
    assert torch.allclose(whole, parts, atol=1e-5)
    assert network.training
    assert not whole.requires_grad


def test_each_part_is_put_back_as_it_was():
    network = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2))
    network[0].eval()
    with evaluating(network):
        assert not network[1].training
    assert [part.training for part in network] == [False, True]


def test_a_network_that_never_answers_alike_is_found_out():
    class Noisy(nn.Linear):
        def forward(self, x):
            return super().forward(x) + torch.rand(())

    with pytest.raises(RuntimeError, match="Noisy answers the same question in two ways"):
        predict(Noisy(2, 1), torch.zeros(3, 2))
