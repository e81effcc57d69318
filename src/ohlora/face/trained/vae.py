"""Identity and property values -> face and label map: a conditional VAE whose decoder is driven by styles.

Encoder q(z | image, properties); decoder after StyleGAN2 (arXiv:1912.04958): a mapping network, convolutions
whose input channels are scaled by the style and whose outputs are scaled back to unit variance, and images
that are sums over resolutions. There is no noise input: the same (z, properties) is the same face.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ohlora.assets import load_network, need_resolution
from ohlora.face.drawing.classes import CLASSES
from ohlora.face.drawing.generator import Picture, to_uint8
from ohlora.face.trained.blocks import halving
from ohlora.face.trained.evaluate import BATCH, evaluating
from ohlora.face.trained.matting import hair_shares
from ohlora.face.trained.prior import Prior
from ohlora.face.trained.settings import START, SavedGenerator, VaeSettings
from ohlora.space import Real

VAE_KIND = "face_generator"
SLOPE = 0.2  # of the leaky ReLU
LOG_VARIANCE = -4.0  # of z before training: a decoder that begins with noise learns to do without z
MEAN_FACES = 4096  # styles the mean style is taken over


class ModulatedConv(nn.Module):
    """A convolution shared by all faces, whose input channels each face's style scales.

    Scaling inputs and outputs rather than weights is the same sum, and one convolution instead of one a face.
    """

    def __init__(self, inputs: int, outputs: int, w_dim: int, kernel: int, demodulate: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            torch.randn(outputs, inputs, kernel, kernel) / math.sqrt(inputs * kernel**2)
        )
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.affine = nn.Linear(w_dim, inputs)
        nn.init.normal_(self.affine.weight, std=1 / math.sqrt(w_dim))
        nn.init.ones_(self.affine.bias)
        self.padding = kernel // 2
        self.demodulate = demodulate

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """`style` [n, inputs] is what `affine` makes of w."""
        x = F.conv2d(x * style.to(x.dtype)[:, :, None, None], self.weight, padding=self.padding)
        bias = self.bias.to(x.dtype)[:, None, None]
        if not self.demodulate:
            return x + bias
        with torch.autocast(x.device.type, enabled=False):  # sums of squares lose too much in bf16
            energy = style.float().square() @ self.weight.float().square().sum((2, 3)).T
            scale = torch.rsqrt(energy + 1e-8)
        return torch.addcmul(bias, x, scale.to(x.dtype)[:, :, None, None])


class Block(nn.Module):
    """One resolution: twice as large as the last one but for the first, and what it adds to image and map."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, first: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            ModulatedConv(a, b, w_dim, 3)
            for a, b in ([(inputs, outputs)] if first else [(inputs, outputs), (outputs, outputs)])
        )
        self.head = ModulatedConv(outputs, 3 + len(CLASSES), w_dim, 1, demodulate=False)
        self.first = first

    @property
    def modulated(self) -> list[ModulatedConv]:
        """Its convolutions in the order of their styles: the head's is the last."""
        return [*self.convs, self.head]  # type: ignore[list-item]

    def forward(self, x: Tensor, shown: Tensor | None, styles: list[Tensor]) -> tuple[Tensor, Tensor]:
        if not self.first:
            x = F.interpolate(x, scale_factor=2.0)
        for conv, style in zip(self.convs, styles, strict=False):
            x = F.leaky_relu(conv(x, style), SLOPE, inplace=True)
        added = self.head(x, styles[-1]).float()
        if shown is None:
            return x, added
        return x, added + F.interpolate(shown, scale_factor=2.0, mode="bilinear", align_corners=False)


class StyleDecoder(nn.Module):
    """z [n, latent], conditions [n, properties], -1 to 1 -> images [n, 3, ...], map logits [n, 11, ...]."""

    def __init__(self, settings: VaeSettings, conditions: int, resolution: int) -> None:
        super().__init__()
        self.settings = settings
        widths = [settings.latent + conditions, *[settings.style] * settings.mapping_layers]
        self.map = nn.Sequential(
            *(
                layer
                for inputs, outputs in pairwise(widths)
                for layer in (nn.Linear(inputs, outputs), nn.LeakyReLU(SLOPE))
            )
        )
        for layer in self.map:
            if isinstance(layer, nn.Linear):  # or four layers leave z a thirtieth of what is told directly
                nn.init.kaiming_normal_(layer.weight, SLOPE)
                nn.init.zeros_(layer.bias)
        self.w_dim = settings.style + (conditions if settings.direct else 0)
        sizes = [START << i for i in range(round(math.log2(resolution / START)) + 1)]
        channels = [settings.channels(size) for size in sizes]
        self.constant = nn.Parameter(torch.randn(1, channels[0], START, START))
        self.blocks = nn.ModuleList(
            Block(inputs, outputs, self.w_dim, first=i == 0)
            for i, (inputs, outputs) in enumerate(zip([channels[0], *channels], channels, strict=False))
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def layers(self) -> int:
        """Styles a face has: one to each 3 x 3 convolution."""
        return 2 * len(self.blocks) - 1

    def mapping(self, z: Tensor, conditions: Tensor) -> Tensor:
        """Styles w [n, w_dim]."""
        mapped = self.map(torch.cat([z, conditions], dim=1))
        return torch.cat([mapped, conditions.to(mapped.dtype)], dim=1) if self.settings.direct else mapped

    def synthesis(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Images, about -1 to 1, and map logits of a style [n, w_dim], or one a layer [n, layers, w_dim]."""
        return self.painted(self.channel_styles(w))

    def channel_styles(self, w: Tensor) -> list[Tensor]:
        """What scales every convolution's input channels, [n, inputs] each: StyleSpace (arXiv:2011.12799)."""
        given = list(w.expand(self.layers, *w.shape) if w.ndim == 2 else w.unbind(dim=1))
        styles = []
        for i, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            own = given[max(0, 2 * i - 1) : 2 * i + 1]
            styles += [conv.affine(one) for conv, one in zip(block.modulated, [*own, own[-1]], strict=True)]
        return styles

    def painted(self, styles: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Images and map logits of `channel_styles`."""
        x = self.constant.expand(len(styles[0]), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        shown, left = None, list(styles)
        for block in self.blocks:
            assert isinstance(block, Block)
            own, left = left[: len(block.modulated)], left[len(block.modulated) :]
            x, shown = block(x, shown, own)
        assert shown is not None
        return shown[:, :3], shown[:, 3:]

    def forward(self, z: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        return self.synthesis(self.mapping(z, conditions))


class FaceEncoder(nn.Module):
    """Images, -1 to 1 [n, 3, ...], and conditions -> mean and log variance of z, each float32 [n, latent]."""

    def __init__(self, settings: VaeSettings, conditions: int, resolution: int) -> None:
        super().__init__()
        halvings = round(math.log2(resolution / START))
        given = settings.encoder_widths
        widths = [given[min(i, len(given) - 1)] for i in range(halvings)]
        self.body = nn.Sequential(
            *(halving(inputs, outputs) for inputs, outputs in pairwise([3, *widths])), nn.Flatten()
        )
        self.hidden = nn.Linear(widths[-1] * START**2 + conditions, settings.encoder_hidden)
        self.head = nn.Linear(settings.encoder_hidden, 2 * settings.latent)
        nn.init.constant_(self.head.bias[settings.latent :], LOG_VARIANCE)
        # As wide as the prior from the first step on (arXiv:2004.12585): a KL alone leaves the means too
        # close together, where the decoder hardly sees them, and the prior draws people it never saw.
        self.spread = nn.BatchNorm1d(settings.latent, affine=False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(images.contiguous(memory_format=torch.channels_last))
        x = F.silu(self.hidden(torch.cat([x, conditions.to(x.dtype)], dim=1)))
        mean, log_variance = self.head(x).float().chunk(2, dim=1)
        return self.spread(mean), log_variance.clamp(-12, 6)  # a spread of 0.002 to 20


class FaceVae(nn.Module):
    """A conditional VAE: encoder, style decoder, prior, and the ranges of the properties.

    `conditioned_on` names the properties it is conditioned on (None: all).
    """

    def __init__(
        self,
        settings: VaeSettings,
        properties: Mapping[str, Real],
        resolution: int,
        conditioned_on: Collection[str] | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.resolution = resolution
        self.encoder = FaceEncoder(settings, len(properties), resolution)
        self.decoder = StyleDecoder(settings, len(properties), resolution)
        self.register_buffer("low", torch.tensor([axis.low for axis in properties.values()]))
        self.register_buffer("high", torch.tensor([axis.high for axis in properties.values()]))
        mask = [conditioned_on is None or name in conditioned_on for name in properties]
        # "told" is a name that weights files have.
        self.register_buffer("told", torch.tensor(mask, dtype=torch.float32))
        self.prior = Prior(settings.latent)

    low: Tensor
    high: Tensor
    told: Tensor

    def conditions(self, properties: Tensor) -> Tensor:
        """Raw property values [n, properties] as the networks take them, -1 to 1 over their ranges.

        Those that it is not conditioned on are 0 whatever they are.
        """
        return (2 * (properties - self.low) / (self.high - self.low) - 1) * self.told

    def forward(self, images: Tensor, properties: Tensor) -> tuple[Tensor, Tensor]:
        """Images rebuilt from their mean latent, and their map logits."""
        conditions = self.conditions(properties)
        return self.decoder(self.encoder(images, conditions)[0], conditions)


@dataclass(frozen=True)
class VaeGenerator:
    """A trained decoder behind the generator's interface, with its mask head; and the encoder, for photos."""

    network: FaceVae
    card: Mapping[str, Any]

    @property
    def resolution(self) -> int:
        return self.network.resolution

    @property
    def latent_dim(self) -> int:
        return self.network.settings.latent

    @property
    def properties(self) -> Mapping[str, Real]:
        return properties_of(self.card)

    @property
    def notice(self) -> Mapping[str, str]:
        """What it is, for those who see its pictures."""
        side = f"{self.resolution} px"
        return {
            "en": f"Drawn by a network at {side}: eyes, mouth and head move; brows, gaze and cheeks do not.",
            "ko": f"네트워크가 {side}로 그린 얼굴이야. 움직이는 것은 눈, 입, 고개뿐이야.",
        }

    @property
    def w_mean(self) -> Tensor:
        """The style [w] of the average face: the mean over fixed random latents and property values."""
        return self.average_style

    @cached_property
    def average_style(self) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        latents = torch.randn(MEAN_FACES, self.latent_dim, generator=generator)
        u = torch.rand(MEAN_FACES, len(self.properties), generator=generator)
        low, high = self.network.low.cpu(), self.network.high.cpu()
        return self.mapping(latents, low + u * (high - low)).mean(dim=0)

    @property
    def device(self) -> torch.device:
        return self.network.low.device

    def mapping(self, latents: Tensor, properties: Tensor) -> Tensor:
        """Styles [faces, w] of latents [faces, latent_dim] and raw properties [faces, properties]."""
        with evaluating(self.network):
            conditions = self.network.conditions(properties.to(self.device).float())
            known = self.network.prior(latents.to(self.device).float())
            return self.network.decoder.mapping(known, conditions)

    def synthesis(self, w: Tensor) -> Tensor:
        """Images [faces, 3, resolution, resolution], -1 to 1."""
        return self.drawn(w)[0]

    def channel_styles(self, w: Tensor) -> Tensor:
        """All that scales channels, side by side, [faces, channels], of styles w."""
        with evaluating(self.network):
            parts = self.network.decoder.channel_styles(w.to(self.device))
        return torch.cat(parts, dim=1)

    def painted(self, styles: Tensor) -> Tensor:
        """Images as of `synthesis`, of `channel_styles`."""
        decoder = self.network.decoder
        with evaluating(self.network):
            widths = [
                part.shape[1] for part in decoder.channel_styles(self.average_style[None].to(self.device))
            ]
            images = [
                decoder.painted(some.to(self.device).split(widths, dim=1))[0] for some in styles.split(BATCH)
            ]
        return torch.cat(images).clamp(-1, 1)

    def picture(self, w: Tensor) -> Picture:
        """Images as they are kept, the maps of the mask head and, by its probability, the shares of hair."""
        images, logits = self.drawn(w)
        kept, hair = to_uint8(images), logits.softmax(dim=1)[:, CLASSES.index("hair")]
        return Picture(kept, logits.argmax(dim=1).byte(), hair_shares(kept, hair))

    def drawn(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Images, -1 to 1, and map logits [faces, 11, resolution, resolution]."""
        with evaluating(self.network):
            parts = [self.network.decoder.synthesis(some.to(self.device)) for some in w.split(BATCH)]
        images, logits = zip(*parts, strict=True)
        return torch.cat(images).clamp(-1, 1), torch.cat(logits)

    def encode(self, images: Tensor, properties: Tensor) -> Tensor:
        """Mean latents [faces, latent_dim] of images, -1 to 1, whose raw properties are known."""
        with evaluating(self.network):
            parts = zip(images.split(BATCH), properties.split(BATCH), strict=True)
            return torch.cat(
                [
                    self.network.prior.back(
                        self.network.encoder(
                            some.to(self.device), self.network.conditions(asked.to(self.device))
                        )[0]
                    )
                    for some, asked in parts
                ]
            )


def in_half(network: FaceVae) -> dict[str, Tensor]:
    """Its weights rounded to float16, which half a file holds and no eye sees; the network is rounded too.

    The prior keeps its float32: it must lead back to where one came from.
    """
    weights = {
        name: value.half() if value.is_floating_point() and not name.startswith("prior.") else value
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(weights)
    return weights


def properties_of(card: Mapping[str, Any]) -> dict[str, Real]:
    return {name: Real(low, high) for name, (low, high) in card["properties"].items()}


def load_generator(folder: Path | str, name: str, resolution: int | None = None) -> VaeGenerator:
    """The generator `name` in `folder`; OhloraError where it is none, or draws at another resolution."""

    def build(card: dict[str, Any]) -> FaceVae:
        return FaceVae(VaeSettings(**card["network"]), properties_of(card), int(card["resolution"]))

    network, card = load_network(Path(folder), name, VAE_KIND, build)
    if resolution is not None:
        need_resolution(card, resolution)
    return VaeGenerator(network, card)


def load_saved(saved: SavedGenerator) -> VaeGenerator:
    return load_generator(saved.folder, saved.name, saved.resolution)
