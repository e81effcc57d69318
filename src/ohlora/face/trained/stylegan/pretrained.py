"""A converted StyleGAN: its mapping, its synthesis, and the channel styles between them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ohlora.assets import load_model
from ohlora.errors import OhloraError
from ohlora.face.trained.stylegan.naming import KINDS, Network, network_for
from ohlora.space import Real

PIXELS_TOGETHER = 2**20


@dataclass(frozen=True)
class PretrainedGenerator:
    """A generator that knows nothing of eyes and mouths: directions have to be found first (`acting.py`).

    A conditional network's labels are its properties, `label_0` and so on, 0 to 1; most have none. Noise
    is the file's fixed one, so the same style gives the same picture. `psi` draws styles towards the average
    (truncation): 1 leaves them, less is less variety and fewer failures.
    """

    network: Network
    card: Mapping[str, Any]
    psi: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.psi <= 1:
            raise OhloraError(f"psi={self.psi} is outside 0 to 1")

    @property
    def resolution(self) -> int:
        return self.network.plan.resolution

    @property
    def latent_dim(self) -> int:
        return self.network.plan.latent_dim

    @property
    def layers(self) -> int:
        """How many styles a picture takes; each may be another one."""
        return self.network.plan.layers

    @property
    def properties(self) -> Mapping[str, Real]:
        return {f"label_{i}": Real(low=0.0, high=1.0, log=False) for i in range(self.network.plan.label_dim)}

    @property
    def w_mean(self) -> Tensor:
        """The style [w] of the average face."""
        return self.network.w_mean

    def mapping(self, latents: Tensor, properties: Tensor) -> Tensor:
        """Styles [faces, w] of latents [faces, latent_dim] and labels [faces, labels], often none."""
        faces, labels = len(latents), self.network.plan.label_dim
        if latents.shape != (faces, self.latent_dim) or properties.shape != (faces, labels):
            raise ValueError(
                f"latents {list(latents.shape)} and properties {list(properties.shape)} instead of"
                f" [faces, {self.latent_dim}] and [faces, {labels}]"
            )
        return truncated(self.network.mapping(latents.float(), properties.float()), self.w_mean, self.psi)

    def synthesis(self, w: Tensor) -> Tensor:
        """Images [faces, 3, resolution, resolution], about -1 to 1; `w` [faces, w] or [faces, layers, w]."""
        if w.dim() == 2:
            w = w[:, None].expand(-1, self.layers, -1)
        if w.shape[1:] != (self.layers, self.network.plan.w_dim):
            raise ValueError(
                f"styles {list(w.shape)} instead of [faces, {self.layers}, {self.network.plan.w_dim}]"
            )
        return torch.cat([self.network.synthesis(some) for some in w.split(self.together)])

    def channel_styles(self, w: Tensor) -> Tensor:
        """All that acts on channels, side by side, [faces, channels], of styles w [faces, w]."""
        return torch.cat(self.network.synthesis.channel_styles(w[:, None].expand(-1, self.layers, -1)), dim=1)

    def painted(self, styles: Tensor) -> Tensor:
        """Images as of `synthesis`, of `channel_styles`."""
        widths = [part.shape[1] for part in self.network.synthesis.channel_styles(self.average)]
        parts = [some.split(widths, dim=1) for some in styles.split(self.together)]
        return torch.cat([self.network.synthesis.painted(part) for part in parts])

    @property
    def average(self) -> Tensor:
        """The average style for every layer, [1, layers, w]."""
        return self.w_mean.expand(1, self.layers, -1)

    @property
    def together(self) -> int:
        """Faces drawn at once: more need more memory and are hardly faster."""
        return max(1, PIXELS_TOGETHER // self.resolution**2)


def truncated(w: Tensor, w_mean: Tensor, psi: float) -> Tensor:
    """Styles drawn towards the average; psi=1 leaves them, psi=0 gives the average itself."""
    return w if psi == 1 else w_mean.lerp(w, psi)


def load_generator(path: Path | str, psi: float = 1.0) -> PretrainedGenerator:
    """The generator convert_weights wrote; OhloraError where the file is missing, damaged or another's."""
    path = Path(path)
    path = path.with_suffix("") if path.suffix in (".safetensors", ".json") else path
    kind = card_kind(path)
    tensors, card = load_model(path.parent, path.name, kind)
    network = network_for(kind, tensors, card.get("conv_clamp"))
    if network.plan.resolution != card.get("resolution"):
        raise OhloraError(
            f"{path}: the card says {card.get('resolution')} px, the weights are for"
            f" {network.plan.resolution}"
        )
    return PretrainedGenerator(network, card, psi)


def card_kind(path: Path, known: Sequence[str] = KINDS) -> str:
    """The kind a card names, where it is a `known` one; load_model tells what else may be wrong with it."""
    try:
        card = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return known[-1]
    kind = card.get("kind") if isinstance(card, dict) else None
    if not isinstance(kind, str) or kind not in known:
        raise OhloraError(f"{path}.json is of kind={kind}; expected {' | '.join(known)}")
    return kind
