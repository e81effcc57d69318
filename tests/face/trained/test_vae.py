from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from ohlora.errors import OhloraError
from ohlora.face.drawing.generator import to_network
from ohlora.face.trained.vae import (
    FaceVae,
    ModulatedConv,
    StyleDecoder,
    VaeGenerator,
    VaeSettings,
)

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


@pytest.fixture(scope="module")
def generator(renderer) -> VaeGenerator:
    torch.manual_seed(0)
    card = {"properties": {name: [axis.low, axis.high] for name, axis in renderer.properties.items()}}
    return VaeGenerator(FaceVae(SHAPE, renderer.properties, 32).eval(), card)


class TestModulation:
    @pytest.mark.parametrize("demodulate", [True, False])
    def test_scaling_in_and_out_is_scaling_the_weights(self, demodulate):
        torch.manual_seed(0)
        conv = ModulatedConv(6, 5, 4, 3, demodulate)
        conv.bias.data.normal_()
        x, w = torch.randn(3, 6, 8, 8), torch.randn(3, 4)
        style = conv.affine(w)
        for face in range(3):  # a kernel of its own for each face, as StyleGAN2 writes it
            kernel = conv.weight * style[face][None, :, None, None]
            if demodulate:
                kernel = kernel * torch.rsqrt(kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8)
            slow = F.conv2d(x[face : face + 1], kernel, conv.bias, padding=1)
            assert torch.allclose(conv(x, style)[face : face + 1], slow, atol=1e-5)

    def test_what_comes_out_varies_as_much_whatever_the_style(self):
        torch.manual_seed(0)
        conv = ModulatedConv(32, 16, 4, 3)
        x = torch.randn(1, 32, 32, 32)
        small, large = (conv(x, scale * torch.ones(1, 32)).std() for scale in (0.1, 30.0))
        assert float(small.detach()) == pytest.approx(1, rel=0.15)
        assert float(large.detach()) == pytest.approx(1, rel=0.15)


class TestDecoder:
    def test_one_style_is_the_same_style_in_every_layer(self):
        torch.manual_seed(0)
        decoder = StyleDecoder(SHAPE, 8, 32)
        w = torch.randn(2, decoder.w_dim)
        images, logits = decoder.synthesis(w)
        assert images.shape == (2, 3, 32, 32)
        assert logits.shape == (2, 11, 32, 32)
        again, _ = decoder.synthesis(w[:, None].expand(-1, decoder.layers, -1))
        assert torch.equal(images, again)

    def test_every_layer_hears_its_own_style(self):
        torch.manual_seed(0)
        decoder = StyleDecoder(SHAPE, 8, 32)
        styles = torch.randn(1, decoder.layers, decoder.w_dim)
        before, _ = decoder.synthesis(styles)
        for layer in range(decoder.layers):
            moved = styles.clone()
            moved[:, layer] += 1
            assert not torch.equal(decoder.synthesis(moved)[0], before), layer

    @pytest.mark.parametrize("direct", [True, False])
    def test_properties_reach_the_style(self, direct):
        torch.manual_seed(0)
        decoder = StyleDecoder(replace(SHAPE, direct=direct), 8, 16)
        z, c = torch.randn(1, 8), torch.zeros(1, 8)
        assert decoder.w_dim == 16 + 8 * direct
        for name in range(8):
            asked = c.clone()
            asked[:, name] = 1
            assert not torch.equal(decoder.mapping(z, asked), decoder.mapping(z, c))

    def test_who_is_drawn_moves_a_new_style_as_much_as_what_is_asked(self):
        torch.manual_seed(0)
        decoder = StyleDecoder(replace(SHAPE, mapping_layers=4, style=64), 8, 32)
        w = decoder.mapping(torch.randn(500, 8), 2 * torch.rand(500, 8) - 1)
        mapped, told = (part.detach().std(dim=0).mean() for part in (w[:, :64], w[:, 64:]))
        assert 0.5 < mapped / told < 2


class TestItIsAGenerator:
    def test_shapes_ranges_and_the_same_face_twice(self, generator, renderer):
        asked = torch.stack([torch.full((3,), axis.at(0.3)) for axis in renderer.properties.values()], dim=1)
        z = torch.randn(3, generator.latent_dim)
        w = generator.mapping(z, asked)
        images = generator.synthesis(50 * w)
        assert images.shape == (3, 3, 32, 32)
        assert images.abs().max() == 1
        assert torch.equal(generator.synthesis(w), generator.synthesis(w))
        assert generator.resolution == 32
        assert list(generator.properties) == list(renderer.properties)
        assert generator.w_mean.shape == w.shape[1:]
        picture = generator.picture(w)
        assert picture.images.dtype == picture.label_maps.dtype == torch.uint8
        assert picture.label_maps.shape == (3, 32, 32)
        assert 0 <= picture.hair.min() <= picture.hair.max() <= 1

    def test_channel_styles_show_the_same_people(self, generator, renderer):
        asked = torch.stack([torch.full((3,), axis.at(0.3)) for axis in renderer.properties.values()], dim=1)
        w = generator.mapping(torch.randn(3, generator.latent_dim), asked)
        styles = generator.channel_styles(w)
        assert torch.equal(generator.painted(styles), generator.synthesis(w))
        for channel in (0, styles.shape[1] - 1):
            moved = styles.clone()
            moved[:, channel] += 5
            assert not torch.equal(generator.painted(moved), generator.synthesis(w))

    def test_raw_properties_are_minus_one_to_one_inside(self, generator, renderer):
        ends = [[getattr(axis, end) for axis in renderer.properties.values()] for end in ("low", "high")]
        conditions = generator.network.conditions(torch.tensor(ends))
        assert torch.allclose(conditions, torch.tensor([[-1.0], [1.0]]).expand(2, 8), atol=1e-6)

    def test_photos_become_latents(self, generator, batch):
        z = generator.encode(to_network(batch.images), batch.properties)
        assert z.shape == (len(batch), 8)
        assert not z.requires_grad


def test_what_cannot_be_built_is_told():
    with pytest.raises(OhloraError) as caught:
        replace(SHAPE, latent=0, style=1.5, encoder_widths=[], direct="yes")
    for fault in (
        "latent=0 is not a whole number from 1 to 65536",
        "style=1.5",
        "encoder_widths=[] is not a list",
        "direct=yes is not true or false",
    ):
        assert fault in str(caught.value)
    (fault,) = SHAPE.faults(48)
    assert "resolution=48 is not a power of two" in fault
    assert SHAPE.faults(32) == []
