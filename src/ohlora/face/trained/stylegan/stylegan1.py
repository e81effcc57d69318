"""StyleGAN (arXiv:1812.04948), its tensors named as in GenForce's checkpoints."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ohlora.face.trained.stylegan.layers import SLOPE, Dense, Plan, pixel_norm

GAIN = math.sqrt(2)  # of weights in front of a leaky ReLU
MAPPING_LR = 0.01
# From here on the original trained upsampling and convolution as one transposed convolution, whose kernel
# lies the other way round.
FUSED_FROM = 128


class Mapping1(nn.Module):
    """z and label -> w."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        if plan.label_dim:
            self.label_weight = nn.Parameter(torch.randn(plan.label_dim, plan.embedding))
        inputs = plan.latent_dim + plan.embedding
        for index, outputs in enumerate(plan.mapping):
            self.add_module(f"dense{index}", Dense(inputs, outputs, GAIN, MAPPING_LR))
            inputs = outputs
        self.plan = plan

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        if self.plan.label_dim:
            latents = torch.cat([latents, labels @ self.label_weight], dim=1)
        w = pixel_norm(latents)
        for index in range(len(self.plan.mapping)):
            w = F.leaky_relu(self.get_submodule(f"dense{index}")(w), SLOPE)
        return w


class Truncation(nn.Module):
    """Holds the moving average of w."""

    w_avg: Tensor

    def __init__(self, w_dim: int) -> None:
        super().__init__()
        self.register_buffer("w_avg", torch.zeros(w_dim))


class Noise(nn.Module):
    """One fixed picture of noise, added to each channel in that channel's strength."""

    noise: Tensor

    def __init__(self, resolution: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("noise", torch.randn(1, 1, resolution, resolution))
        self.weight = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.noise * self.weight[:, None, None]


class Blur(nn.Module):
    """Each channel under the binomial filter 1 2 1."""

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", torch.outer(line, line).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel, padding=1, groups=x.shape[1])


class Layer1(nn.Module):
    """Convolution (or the learnt constant), noise, bias, leaky ReLU, then AdaIN by the style."""

    def __init__(self, w_dim: int, inputs: int | None, outputs: int, resolution: int, up: bool) -> None:
        super().__init__()
        self.up, self.turned = up, up and resolution >= FUSED_FROM
        if inputs is None:
            self.const = nn.Parameter(torch.ones(1, outputs, resolution, resolution))
        else:
            self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
            self.scale = GAIN / math.sqrt(9 * inputs)
        self.blur = Blur(outputs) if up else nn.Identity()
        self.apply_noise = Noise(resolution, outputs)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = Dense(w_dim, 2 * outputs)

    def channel_style(self, w: Tensor) -> Tensor:
        """Scale, then shift, of each output channel [faces, 2 * outputs]."""
        return self.style(w)

    def forward(self, x: Tensor | None, w: Tensor) -> Tensor:
        return self.styled(x, self.channel_style(w))

    def styled(self, x: Tensor | None, style: Tensor) -> Tensor:
        """The output under a `channel_style`."""
        if x is None:
            x = self.const.expand(len(style), -1, -1, -1)
        else:
            if self.up:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            weight = self.weight * self.scale
            x = self.blur(F.conv2d(x, weight.flip(2, 3) if self.turned else weight, padding=1))
        x = F.leaky_relu(self.apply_noise(x) + self.bias[:, None, None], SLOPE)
        return adain(x, style)


def adain(x: Tensor, style: Tensor) -> Tensor:
    """Each channel of each face to mean 0 and variance 1, then scaled by 1 + style and shifted by style.

    `style` [faces, 2 * channels]: all scales, then all shifts.
    """
    x = x - x.mean(dim=(2, 3), keepdim=True)
    x = x * (x.square().mean(dim=(2, 3), keepdim=True) + 1e-8).rsqrt()
    scale, shift = style[:, :, None, None].chunk(2, dim=1)
    return x * (1 + scale) + shift


class ToRGB1(nn.Module):
    """A 1 x 1 convolution without style."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.scale = 1 / math.sqrt(inputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias)


class Synthesis1(nn.Module):
    """Styles [faces, layers, w] -> images. Only the last output is used; smaller ones served training."""

    lod: Tensor

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.register_buffer("lod", torch.zeros(()))
        inputs = None
        for block, outputs in enumerate(plan.channels):
            size = 2 ** (block + 2)
            self.add_module(f"layer{2 * block}", Layer1(plan.w_dim, inputs, outputs, size, block > 0))
            self.add_module(f"layer{2 * block + 1}", Layer1(plan.w_dim, outputs, outputs, size, False))
            self.add_module(f"output{block}", ToRGB1(outputs))
            inputs = outputs
        self.blocks = len(plan.channels)

    @property
    def styled_layers(self) -> list[Layer1]:
        return [self.get_submodule(f"layer{index}") for index in range(2 * self.blocks)]  # type: ignore[misc]

    def channel_styles(self, w: Tensor) -> list[Tensor]:
        """Scale and shift of the channels of every layer, [faces, 2 * channels] each."""
        return [layer.channel_style(w[:, index]) for index, layer in enumerate(self.styled_layers)]

    def painted(self, styles: Sequence[Tensor]) -> Tensor:
        """Images of `channel_styles`."""
        x = None
        for layer, style in zip(self.styled_layers, styles, strict=True):
            x = layer.styled(x, style)
        return self.get_submodule(f"output{self.blocks - 1}")(x)

    def forward(self, w: Tensor) -> Tensor:
        return self.painted(self.channel_styles(w))


class StyleGAN1(nn.Module):
    """The whole generator; weights random until loaded."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.mapping = Mapping1(plan)
        self.truncation = Truncation(plan.w_dim)
        self.synthesis = Synthesis1(plan)

    @property
    def w_mean(self) -> Tensor:
        return self.truncation.w_avg
