"""StyleGAN2 (arXiv:1912.04958) and 2-ADA (2006.06676): one network, named as in the official `G_ema`.

Config F: weight demodulation, skip connections of RGB, no progressive growing. Everything runs in fp32, also
the layers the official code would run in fp16.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ohlora.face.trained.stylegan.layers import SLOPE, Dense, Plan, pixel_norm, upfirdn2d, upsampled

GAIN = math.sqrt(2)  # of a leaky ReLU, to keep the variance
MAPPING_LR = 0.01


@dataclass(frozen=True)
class Plan2(Plan):
    conv_clamp: float | None  # activations are kept within this; files trained with fp16 layers have 256


def activated(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE) * GAIN


def clamped(x: Tensor, limit: float | None) -> Tensor:
    return x if limit is None else x.clamp(-limit, limit)


class Filtered(nn.Module):
    """Holds the FIR filter of resampling, [4, 4] with sum 1."""

    resample_filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("resample_filter", torch.outer(line, line))


class Mapping2(nn.Module):
    """z and label -> w. Each is normalised by itself."""

    w_avg: Tensor

    def __init__(self, plan: Plan2) -> None:
        super().__init__()
        if plan.label_dim:
            self.embed = Dense(plan.label_dim, plan.embedding)
        inputs = plan.latent_dim + plan.embedding
        for index, outputs in enumerate(plan.mapping):
            self.add_module(f"fc{index}", Dense(inputs, outputs, lr_multiplier=MAPPING_LR))
            inputs = outputs
        self.register_buffer("w_avg", torch.zeros(plan.w_dim))
        self.plan = plan

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        w = pixel_norm(latents)
        if self.plan.label_dim:
            w = torch.cat([w, pixel_norm(self.embed(labels))], dim=1)
        for index in range(len(self.plan.mapping)):
            w = activated(self.get_submodule(f"fc{index}")(w))
        return w


def modulated_conv2d(
    x: Tensor, weight: Tensor, style: Tensor, demodulate: bool = True, up_filter: Tensor | None = None
) -> Tensor:
    """Convolve each face [inputs, rows, columns] with `weight` [outputs, inputs, k, k] under its own style.

    `style` [faces, inputs] scales the inputs; demodulation scales each output so that, for independent inputs
    of variance 1, it has variance 1. Both are done on activations, so that all faces share one convolution:
    the same numbers as a kernel for each face. With `up_filter` the output is twice the size.
    """
    y = x * style[:, :, None, None]
    if up_filter is None:
        y = F.conv2d(y, weight, padding=weight.shape[-1] // 2)
    else:
        y = F.conv_transpose2d(y, weight.transpose(0, 1), stride=2)
        y = upfirdn2d(y, up_filter, padding=(1, 1), gain=4)
    if demodulate:
        power = style.square() @ weight.square().sum(dim=(2, 3)).T
        y = y * (power + 1e-8).rsqrt()[:, :, None, None]
    return y


class Layer2(Filtered):
    """Modulated convolution, noise of one strength, bias, leaky ReLU."""

    noise_const: Tensor

    def __init__(self, plan: Plan2, inputs: int, outputs: int, resolution: int, up: bool) -> None:
        super().__init__()
        self.affine = Dense(plan.w_dim, inputs)
        nn.init.ones_(self.affine.bias)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.up, self.limit = up, plan.conv_clamp

    def channel_style(self, w: Tensor) -> Tensor:
        """What scales each input channel [faces, inputs]."""
        return self.affine(w)

    def styled(self, x: Tensor, style: Tensor) -> Tensor:
        """The output under a `channel_style`."""
        up_filter = self.resample_filter if self.up else None
        y = modulated_conv2d(x, self.weight, style, up_filter=up_filter)
        y = y + self.noise_const * self.noise_strength + self.bias[:, None, None]
        return clamped(activated(y), self.limit)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return self.styled(x, self.channel_style(w))


class ToRGB2(nn.Module):
    """A modulated 1 x 1 convolution without demodulation."""

    def __init__(self, plan: Plan2, inputs: int) -> None:
        super().__init__()
        self.affine = Dense(plan.w_dim, inputs)
        nn.init.ones_(self.affine.bias)
        self.weight = nn.Parameter(torch.randn(3, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.scale, self.limit = 1 / math.sqrt(inputs), plan.conv_clamp

    def channel_style(self, w: Tensor) -> Tensor:
        """What scales each input channel [faces, inputs]."""
        return self.affine(w) * self.scale

    def styled(self, x: Tensor, style: Tensor) -> Tensor:
        """RGB under a `channel_style`."""
        y = modulated_conv2d(x, self.weight, style, demodulate=False)
        return clamped(y + self.bias[:, None, None], self.limit)


class Block2(Filtered):
    """All layers of one size. The RGB of smaller sizes is enlarged and added to."""

    def __init__(self, plan: Plan2, inputs: int | None, outputs: int, resolution: int) -> None:
        super().__init__()
        if inputs is None:
            self.const = nn.Parameter(torch.randn(outputs, resolution, resolution))
        else:
            self.conv0 = Layer2(plan, inputs, outputs, resolution, up=True)
        self.conv1 = Layer2(plan, outputs, outputs, resolution, up=False)
        self.torgb = ToRGB2(plan, outputs)

    def styled_layers(self) -> list[Layer2 | ToRGB2]:
        """Its two or three layers, in the order of their styles."""
        first = [self.conv0] if hasattr(self, "conv0") else []
        return [*first, self.conv1, self.torgb]

    def forward(
        self, x: Tensor | None, image: Tensor | None, styles: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """`styles`: the channel style of each of its layers."""
        start = (
            self.const.expand(len(styles[0]), -1, -1, -1) if x is None else self.conv0.styled(x, styles[0])
        )
        features: Tensor = self.conv1.styled(start, styles[-2])
        rgb: Tensor = self.torgb.styled(features, styles[-1])
        if image is not None:
            rgb = upsampled(image, self.resample_filter) + rgb
        return features, rgb


class Synthesis2(nn.Module):
    """Styles [faces, layers, w] -> images. A block's RGB shares its style with the next one's first layer."""

    def __init__(self, plan: Plan2) -> None:
        super().__init__()
        self.sizes = [2 ** (block + 2) for block in range(len(plan.channels))]
        inputs = None
        for size, outputs in zip(self.sizes, plan.channels, strict=True):
            self.add_module(f"b{size}", Block2(plan, inputs, outputs, size))
            inputs = outputs

    @property
    def blocks(self) -> list[Block2]:
        return [self.get_submodule(f"b{size}") for size in self.sizes]  # type: ignore[misc]

    def channel_styles(self, w: Tensor) -> list[Tensor]:
        """What scales the input channels of each layer, [faces, channels]: StyleSpace (arXiv:2011.12799)."""
        styles = []
        for number, block in enumerate(self.blocks):
            first = max(0, 2 * number - 1)
            styles += [layer.channel_style(w[:, first + i]) for i, layer in enumerate(block.styled_layers())]
        return styles

    def painted(self, styles: Sequence[Tensor]) -> Tensor:
        """Images of `channel_styles`."""
        x, image, left = None, None, list(styles)
        for block in self.blocks:
            count = len(block.styled_layers())
            x, image = block(x, image, left[:count])
            left = left[count:]
        assert image is not None
        return image

    def forward(self, w: Tensor) -> Tensor:
        return self.painted(self.channel_styles(w))


class StyleGAN2(nn.Module):
    """The whole generator; weights random until loaded."""

    def __init__(self, plan: Plan2) -> None:
        super().__init__()
        self.plan = plan
        self.mapping = Mapping2(plan)
        self.synthesis = Synthesis2(plan)

    @property
    def w_mean(self) -> Tensor:
        return self.mapping.w_avg
