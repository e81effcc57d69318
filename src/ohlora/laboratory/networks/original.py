"""What the original project's attempts v1 to v4 do otherwise than ours, so that they can be run and compared.

Properties enter through the mapping alone, some of them not at all; parts of the network stand still; the
discriminator gets the conditions beside its features; a sample's styles may be mixed of two people's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ohlora.errors import OhloraError
from ohlora.face.trained.vae import FaceVae, VaeSettings
from ohlora.laboratory.networks.discriminator import Discriminator
from ohlora.laboratory.networks.vae_learner import (
    ADVERSARIAL,
    AdversarialLearner,
    Scene,
    Teachers,
    VaeLearner,
)
from ohlora.laboratory.networks.variants import OriginalVariant
from ohlora.laboratory.sources.faces import Faces
from ohlora.space import Real


class ConcatDiscriminator(Discriminator):
    """The conditions are set beside the features of the last layer, as in FineTune-v1."""

    def __init__(self, resolution: int, conditions: int, base: int, most_channels: int) -> None:
        super().__init__(resolution, conditions, base, most_channels)
        del self.projection
        self.head = nn.Linear(most_channels + conditions, 1)

    def logits(self, x: Tensor, conditions: Tensor) -> Tensor:
        return self.head(torch.cat([x, conditions.to(x.dtype)], dim=1))[:, 0].float()


class MixedScene(Scene):
    """A scene whose samples may have another identity's style in their later layers (style mixing)."""

    def __init__(self, learner: VaeLearner, faces: Faces, generator: torch.Generator, mixing: float) -> None:
        super().__init__(learner, faces, generator)
        self.mixing = mixing
        self.other = torch.randn(self.prior.shape, generator=generator).to(self.prior.device)
        self.mixed, self.crossing = torch.rand(2, len(self.prior), generator=generator).to(self.prior.device)

    def sample_styles(self, latents: Tensor) -> Tensor:
        layers = self.vae.decoder.layers
        w, other = super().sample_styles(latents), super().sample_styles(self.other)
        later = torch.arange(layers, device=w.device) > self.crossing[:, None] * layers
        later &= (self.mixed < self.mixing)[:, None]
        return torch.where(later[:, :, None], other[:, None], w[:, None])


class OriginalAdversarialLearner(AdversarialLearner):
    """Against a discriminator, with style mixing where the variant asks for it."""

    def scene(self, faces: Faces, generator: torch.Generator) -> Scene:
        mixing = self.variant.style_mixing
        return MixedScene(self, faces, generator, mixing) if mixing else super().scene(faces, generator)

    variant: OriginalVariant


def build_network(
    variant: OriginalVariant, settings: VaeSettings, properties: Mapping[str, Real], resolution: int
) -> FaceVae:
    """A generator with random weights that hears of the variant's properties alone, in the mapping alone."""
    return FaceVae(replace(settings, direct=False), properties, resolution, variant.conditions)


def build_learner(
    variant: OriginalVariant,
    network: FaceVae,
    teachers: Teachers,
    properties: Sequence[str],
    ema: float,
    **lesson: Any,
) -> VaeLearner:
    """What trains it; OhloraError where a part that shall learn is none of the network's."""
    weights = [name for name, _ in network.named_parameters()]
    for part in variant.trains:
        if not any(name.startswith(part) for name in weights):
            raise OhloraError(
                f"variant.trains={part} begins no weight's name (encoder, decoder, decoder.map, ...)"
            )
    given = (network, variant, teachers, properties, ema)
    if variant.losses.get(ADVERSARIAL):
        settings = network.settings
        opponent = ConcatDiscriminator(
            network.resolution, len(properties), settings.base, settings.most_channels
        )
        learner: VaeLearner = OriginalAdversarialLearner(opponent, *given, **lesson)
    else:
        learner = VaeLearner(*given, **lesson)
    for name, weight in network.named_parameters():
        weight.requires_grad_(any(name.startswith(part) for part in variant.trains))
    return learner
