"""An encoder that begins with an identity embedder's weights."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ohlora.face.trained.vae import FaceEncoder, VaeSettings
from ohlora.laboratory.networks.settings import IdentitySettings
from ohlora.laboratory.networks.warm_start import warm_start

SHAPE = VaeSettings(
    latent=8,
    style=16,
    mapping_layers=2,
    base=256,
    most_channels=16,
    encoder_widths=(8, 16),
    encoder_hidden=16,
    direct=True,
)


def test_it_sees_what_the_embedder_sees_whatever_is_asked():
    torch.manual_seed(0)
    embedder = IdentitySettings((8, 16, 16), 12, 4).build(32).eval()
    encoder = FaceEncoder(SHAPE, 8, 32).eval()
    assert warm_start(encoder, embedder)
    images, conditions = torch.randn(4, 3, 32, 32), torch.randn(4, 8)
    *_, seen = embedder.features(images)
    x = encoder.body(images)
    hidden = F.silu(encoder.hidden(torch.cat([x, conditions], dim=1)))
    assert torch.allclose(hidden[:, :12], seen, atol=1e-5)


@pytest.mark.parametrize(("widths", "hidden"), [((8, 16), 12), ((8, 16, 32), 12), ((8, 16, 16), 20)])
def test_another_shape_changes_nothing(widths, hidden):
    torch.manual_seed(0)
    encoder = FaceEncoder(SHAPE, 8, 32)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    assert not warm_start(encoder, IdentitySettings(widths, hidden, 4).build(32))
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
