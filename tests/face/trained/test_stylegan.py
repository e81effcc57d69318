"""The borrowed generators against slow, literal readings of the papers' definitions."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.signal import convolve2d

from ohlora.errors import OhloraError
from ohlora.face.trained.stylegan.layers import Dense, Plan, pixel_norm, upfirdn2d, upsampled
from ohlora.face.trained.stylegan.pretrained import PretrainedGenerator
from ohlora.face.trained.stylegan.stylegan1 import Layer1, StyleGAN1, adain
from ohlora.face.trained.stylegan.stylegan2 import Layer2, Plan2, StyleGAN2, modulated_conv2d

FILTER = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64
SMALL1 = Plan(latent_dim=12, label_dim=0, embedding=0, mapping=(16, 16, 10), channels=(8, 6, 5))
SMALL2 = Plan2(
    latent_dim=12, label_dim=0, embedding=0, mapping=(16, 10), channels=(8, 6, 5, 4), conv_clamp=None
)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def with_random_weights(network: torch.nn.Module) -> torch.nn.Module:
    """Every tensor drawn anew, so that no term is hidden behind a zero."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in network.state_dict().items():
        if not name.endswith(("resample_filter", "blur.kernel", "lod")):
            scale = 100.0 if ".fc" in name or ".dense" in name else 1.0
            scale = 20.0 if scale > 1 and name.endswith("bias") else scale
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * scale)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize(
    ("up", "down", "padding"), [(1, 1, (2, 1)), (2, 1, (2, 1)), (1, 2, (1, 1)), (3, 2, (4, 0))]
)
def test_upfirdn_is_zeros_then_a_convolution_then_every_nth(up, down, padding):
    kernel = drawn(4, 3, seed=1)  # neither square nor symmetric
    image = drawn(2, 3, 5, 6)
    ours = upfirdn2d(image, kernel, up, down, padding, gain=1.5)
    for face in range(2):
        for channel in range(3):
            sparse = np.zeros((5 * up, 6 * up))
            sparse[::up, ::up] = image[face, channel].numpy()
            naive = convolve2d(np.pad(sparse, padding), kernel.numpy() * 1.5, mode="valid")[::down, ::down]
            np.testing.assert_allclose(ours[face, channel].numpy(), naive, atol=1e-5)


def test_enlarging_keeps_brightness_and_doubles():
    image = torch.full((1, 3, 8, 8), 0.7)
    assert upsampled(image, FILTER).shape == (1, 3, 16, 16)
    torch.testing.assert_close(upsampled(image, FILTER)[..., 2:-2, 2:-2], torch.full((1, 3, 12, 12), 0.7))


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_modulated_convolution_is_a_kernel_for_each_face(up, demodulate):
    x, weight, style = drawn(3, 4, 6, 6), drawn(5, 4, 3, 3, seed=1), drawn(3, 4, seed=2) + 1
    ours = modulated_conv2d(x, weight, style, demodulate, FILTER if up else None)
    for face in range(3):
        kernel = weight * style[face][None, :, None, None]
        if demodulate:
            kernel = kernel / (kernel.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:  # the definition: enlarge through the filter, then convolve (not correlate)
            large = upfirdn2d(x[face : face + 1], FILTER, up=2, padding=(3, 2), gain=4)
            slow = F.conv2d(large, kernel.flip(2, 3))
        else:
            slow = F.conv2d(x[face : face + 1], kernel, padding=1)
        torch.testing.assert_close(ours[face : face + 1], slow, atol=1e-4, rtol=1e-4)


def test_demodulation_gives_unit_variance_whatever_the_style():
    x, weight, style = drawn(4, 32, 32, 32), drawn(48, 32, 3, 3, seed=1), drawn(4, 32, seed=2) * 7 + 3
    inner = modulated_conv2d(x, weight, style)[..., 1:-1, 1:-1]
    torch.testing.assert_close(inner.var(dim=(2, 3)).mean(1), torch.ones(4), atol=0.08, rtol=0)
    loud = modulated_conv2d(x, weight, style, demodulate=False)[..., 1:-1, 1:-1]
    assert loud.var() > 1000


def test_dense_layers_are_scaled_when_used():
    layer = Dense(64, 256, gain=math.sqrt(2), lr_multiplier=0.01)
    with torch.no_grad():
        layer.weight.copy_(drawn(256, 64) / 0.01)
        layer.bias.fill_(5.0)
        y = layer(drawn(500, 64, seed=1))
    assert float(y.mean()) == pytest.approx(0.05, abs=0.03)
    assert float(y.var()) == pytest.approx(2, rel=0.1)


def test_pixel_norm():
    x = drawn(5, 20) * 9
    torch.testing.assert_close(pixel_norm(x).square().mean(1), torch.ones(5))
    torch.testing.assert_close(pixel_norm(x), pixel_norm(x / 50), atol=1e-4, rtol=1e-4)


def test_adain_replaces_mean_and_spread():
    style = torch.cat([drawn(2, 3, seed=1), drawn(2, 3, seed=2)], dim=1)
    y = adain(drawn(2, 3, 16, 16) * 6 + 4, style)
    torch.testing.assert_close(y.mean(dim=(2, 3)), style[:, 3:], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        y.std(dim=(2, 3), correction=0), (1 + style[:, :3]).abs(), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("resolution", [8, 128])
def test_a_stylegan_layer_step_by_step(resolution):
    """Below 128 px nearest neighbour, then convolution; from 128 px one transposed convolution."""
    layer = with_random_weights(Layer1(10, 3, 4, resolution, up=True))
    x, w = drawn(2, 3, resolution // 2, resolution // 2), drawn(2, 10, seed=3)
    kernel = layer.weight * math.sqrt(2) / math.sqrt(27)
    if resolution == 8:
        y = F.conv2d(x.repeat_interleave(2, 2).repeat_interleave(2, 3), kernel, padding=1)
    else:
        padded = F.pad(kernel, (1, 1, 1, 1))
        four = sum(padded[:, :, a : a + 4, b : b + 4] for a in (0, 1) for b in (0, 1))
        y = F.conv_transpose2d(x, four.transpose(0, 1), stride=2, padding=1)
    binomial = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    y = F.conv2d(F.pad(y, (1, 1, 1, 1)), binomial.repeat(4, 1, 1, 1), groups=4)
    y = y + layer.apply_noise.noise * layer.apply_noise.weight.view(1, 4, 1, 1) + layer.bias.view(1, 4, 1, 1)
    y = torch.where(y > 0, y, 0.2 * y)
    y = (y - y.mean((2, 3), keepdim=True)) / (y.var((2, 3), keepdim=True, correction=0) + 1e-8).sqrt()
    style = (w @ layer.style.weight.T / math.sqrt(10) + layer.style.bias).view(2, 2, 4, 1, 1)
    torch.testing.assert_close(layer(x, w), y * (style[:, 0] + 1) + style[:, 1], atol=1e-4, rtol=1e-4)


def test_a_stylegan2_layer_step_by_step():
    plan = Plan2(12, 0, 0, (10,), (3, 4), conv_clamp=2.0)
    layer = with_random_weights(Layer2(plan, 3, 4, 8, up=False))
    x, w = drawn(2, 3, 8, 8), drawn(2, 10, seed=3)
    style = w @ layer.affine.weight.T / math.sqrt(10) + layer.affine.bias
    y = modulated_conv2d(x, layer.weight, style)
    y = y + layer.noise_strength * layer.noise_const + layer.bias.view(1, 4, 1, 1)
    y = (torch.where(y > 0, y, 0.2 * y) * math.sqrt(2)).clamp(-2, 2)
    torch.testing.assert_close(layer(x, w), y)
    assert float(y.abs().max()) == 2
    assert float(layer.requires_grad_(False).noise_strength) != 0


@pytest.mark.parametrize(
    ("build", "gain"), [(lambda: StyleGAN1(SMALL1), "weights"), (lambda: StyleGAN2(SMALL2), "relu")]
)
def test_the_mapping_by_hand(build, gain):
    network = with_random_weights(build())
    z = drawn(6, 12)
    w = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for index in range(len(network.plan.mapping)):
        layer = network.mapping.get_submodule(f"{'dense' if gain == 'weights' else 'fc'}{index}")
        w = w @ layer.weight.T * (0.01 / math.sqrt(w.shape[1])) * (math.sqrt(2) if gain == "weights" else 1)
        w = w + layer.bias * 0.01
        w = torch.where(w > 0, w, 0.2 * w) * (1 if gain == "weights" else math.sqrt(2))
    torch.testing.assert_close(network.mapping(z, torch.empty(6, 0)), w, atol=1e-5, rtol=1e-5)


def test_labels_enter_as_each_paper_says():
    z, labels = drawn(4, 12), F.one_hot(torch.arange(4) % 3, 3).float()
    first = with_random_weights(StyleGAN1(Plan(12, 3, 5, (16, 10), (8, 6))))
    whole = torch.cat([z, labels @ first.mapping.label_weight], dim=1)  # normalised together
    alone = StyleGAN1(Plan(17, 0, 0, (16, 10), (8, 6)))
    alone.mapping.load_state_dict(
        {k: v for k, v in first.mapping.state_dict().items() if k != "label_weight"}
    )
    torch.testing.assert_close(first.mapping(z, labels), alone.mapping(whole, labels[:, :0]))
    second = with_random_weights(StyleGAN2(Plan2(12, 3, 5, (16, 10), (8, 6), None)))
    changed = second.mapping(z, labels.roll(1, 0))
    assert not torch.allclose(second.mapping(z, labels), changed)
    torch.testing.assert_close(second.mapping(z * 3, labels), second.mapping(z, labels), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("build", [lambda: StyleGAN1(SMALL1), lambda: StyleGAN2(SMALL2)])
class TestEveryPretrainedGenerator:
    def test_keeps_the_generators_promises(self, build):
        generator = PretrainedGenerator(with_random_weights(build()), {})
        w = generator.mapping(drawn(3, generator.latent_dim), torch.empty(3, 0))
        images = generator.synthesis(w)
        assert images.shape == (3, 3, generator.resolution, generator.resolution)
        assert torch.equal(images, generator.synthesis(w))
        torch.testing.assert_close(images[1:2], generator.synthesis(w[1:2]), atol=1e-4, rtol=1e-4)
        assert not generator.properties
        assert generator.w_mean.shape == w.shape[1:]
        with pytest.raises(ValueError, match="latents"):
            generator.mapping(drawn(3, 5), torch.empty(3, 0))
        with pytest.raises(ValueError, match="styles"):
            generator.synthesis(w[:, :-1])

    def test_channel_styles_are_all_that_a_style_does(self, build):
        generator = PretrainedGenerator(with_random_weights(build()), {})
        w = drawn(3, 10)
        styles = generator.channel_styles(w)
        torch.testing.assert_close(generator.painted(styles), generator.synthesis(w))
        changed = styles + drawn(*styles.shape, seed=4)
        assert float((generator.painted(changed) - generator.synthesis(w)).abs().max()) > 0.01

    def test_truncation_draws_towards_the_mean(self, build):
        network = with_random_weights(build())
        z = drawn(4, 12)
        full, half, none = (
            PretrainedGenerator(network, {}, psi).mapping(z, torch.empty(4, 0)) for psi in (1.0, 0.5, 0.0)
        )
        torch.testing.assert_close(half, (full + network.w_mean) / 2)
        torch.testing.assert_close(none, network.w_mean.expand(4, -1))
        with pytest.raises(OhloraError, match="psi=2"):
            PretrainedGenerator(network, {}, 2)

    def test_every_layer_has_a_style_of_its_own(self, build):
        """Mixing at layer k changes the picture for every k, and not at all past the last."""
        generator = PretrainedGenerator(with_random_weights(build()), {})
        coarse, fine = generator.mapping(drawn(2, 12), torch.empty(2, 0)).split(1)
        pictures = [
            generator.synthesis(
                torch.cat([coarse.expand(k, -1), fine.expand(generator.layers - k, -1)])[None]
            )
            for k in range(generator.layers + 1)
        ]
        torch.testing.assert_close(pictures[0], generator.synthesis(fine), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(pictures[-1], generator.synthesis(coarse), atol=1e-4, rtol=1e-4)
        for before, after in pairwise(pictures):
            assert float((before - after).abs().max()) > 0.01

    def test_gradients_reach_the_style(self, build):
        generator = PretrainedGenerator(with_random_weights(build()), {})
        w = generator.w_mean[None].clone().requires_grad_()
        generator.synthesis(w).square().mean().backward()
        assert w.grad is not None
        assert float(w.grad.abs().sum()) > 0


def test_the_constant_is_all_that_stylegan_starts_from():
    network = with_random_weights(StyleGAN1(SMALL1))
    before = network.synthesis(drawn(1, 6, 10))
    network.synthesis.layer0.const.add_(drawn(*network.synthesis.layer0.const.shape, seed=5))
    assert not torch.allclose(before, network.synthesis(drawn(1, 6, 10)))
