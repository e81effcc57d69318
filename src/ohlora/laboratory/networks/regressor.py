"""Image -> property values: two networks that share nothing, one to teach with and one to judge by.

Both give z-scored values, mean 0 and spread 1 over the training faces; `Regressor` turns them into raw ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ohlora.assets import load_network
from ohlora.face.drawing import classes
from ohlora.face.drawing.generator import to_network
from ohlora.face.trained.blocks import stem
from ohlora.face.trained.evaluate import evaluating, predict
from ohlora.laboratory.measures.scores import FAINT, centroid
from ohlora.laboratory.networks.learner import Learner
from ohlora.laboratory.networks.segmenter import UNet
from ohlora.laboratory.networks.settings import Augmentation, PartSettings, TrunkSettings
from ohlora.laboratory.sources.faces import Faces

REGRESSOR_KIND = "face_regressor"


def build_trunk(
    settings: TrunkSettings, properties: Sequence[str], resolution: int, segmenter: UNet | None
) -> nn.Module:
    """A network, its weights still random."""
    side = max(1, resolution >> len(settings.widths))
    network = nn.Sequential(
        stem(3, settings.widths, (side, side), settings.hidden), nn.Linear(settings.hidden, len(properties))
    )
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def build_parts(
    settings: PartSettings, properties: Sequence[str], resolution: int, segmenter: UNet | None
) -> nn.Module:
    """A network, its weights still random."""
    if segmenter is None:
        raise ValueError("parts are found by a segmenter, and none was given")
    return PartRegressor(segmenter, properties, resolution, settings.widths, settings.hidden)


@dataclass(frozen=True)
class Crop:
    """A window on the picture: what it is centred on, its size as shares of the picture, what it tells of."""

    properties: tuple[str, ...]
    centre: tuple[int, ...]  # classes; none: the window lies at `place`
    rows: float
    columns: float
    place: tuple[float, float] = (0.5, 0.5)  # row and column of its middle, shares of the picture
    shown: tuple[int, ...] = ()  # classes whose probability is handed over beside the colours


CROPS = (
    Crop(
        ("eyes",),
        (classes.LEFT_EYE, classes.RIGHT_EYE),
        0.25,
        0.5,
        shown=(classes.LEFT_EYE, classes.RIGHT_EYE),
    ),
    Crop(
        ("mouth",),
        (classes.UPPER_LIP, classes.INNER_MOUTH, classes.LOWER_LIP),
        0.25,
        0.3125,
        shown=(classes.INNER_MOUTH,),
    ),
    Crop(("roll", "yaw"), (), 1.0, 1.0, shown=(classes.NOSE,)),
    Crop(("hair_colour", "hair_length"), (), 1.0, 1.0, shown=(classes.HAIR,)),
    Crop(("background_mean", "background_std"), (), 0.5, 1.0, place=(0.25, 0.5), shown=(classes.BACKGROUND,)),
)


class PartRegressor(nn.Module):
    """Crops by a frozen segmenter, a stem for each, its properties off each."""

    def __init__(
        self,
        segmenter: UNet,
        properties: Sequence[str],
        resolution: int,
        widths: Sequence[int],
        hidden: int,
    ) -> None:
        super().__init__()
        # In the mode of the whole, or Lightning warns; it is asked in eval mode whatever that is.
        self.segmenter = segmenter.requires_grad_(False).train(self.training)
        self.resolution = resolution
        names = [name for crop in CROPS for name in crop.properties]
        if set(names) != set(properties):
            raise ValueError(f"crops tell of {', '.join(names)}; asked for {', '.join(properties)}")
        self.order = [names.index(name) for name in properties]
        self.stems = nn.ModuleList()
        for crop in CROPS:
            rows, columns = self.size(crop)
            grid = (max(1, rows >> len(widths)), max(1, columns >> len(widths)))
            channels = 3 + bool(crop.shown)
            self.stems.append(
                nn.Sequential(stem(channels, widths, grid, hidden), nn.Linear(hidden, len(crop.properties)))
            )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def size(self, crop: Crop) -> tuple[int, int]:
        """Rows and columns of a crop in pixels; a part smaller than half the picture is enlarged twice."""
        zoom = 2 if crop.rows < 0.5 else 1
        return round(zoom * crop.rows * self.resolution), round(zoom * crop.columns * self.resolution)

    def forward(self, images: Tensor) -> Tensor:
        with evaluating(self.segmenter):
            p = self.segmenter(images).float().softmax(dim=1)
            solid = ((p - FAINT) / (1 - FAINT)).clamp_min(0)
        readings = []
        for crop, network in zip(CROPS, self.stems, strict=True):
            seen = images
            if crop.shown:
                seen = torch.cat([images, solid[:, crop.shown].sum(1, keepdim=True)], dim=1)
            readings.append(network(self.window(seen, solid, crop)))
        return torch.cat(readings, dim=1)[:, self.order]

    def window(self, images: Tensor, solid: Tensor, crop: Crop) -> Tensor:
        """The crop of every picture; where its part is not to be seen, about the middle."""
        rows, columns = self.size(crop)
        middle = images.new_tensor([crop.place[1], crop.place[0]]).expand(len(images), 2) * 2 - 1
        if crop.centre:
            x, y, area = centroid(solid[:, crop.centre].sum(1))
            found = 2 * (torch.stack([x, y], dim=1) + 0.5) / self.resolution - 1
            middle = torch.where(area[:, None] > 0.5, found, middle)
        elif (crop.rows, crop.columns) == (1.0, 1.0):
            return images
        else:  # not centred on anything: no need to resample
            top = round((crop.place[0] - crop.rows / 2) * self.resolution)
            left = round((crop.place[1] - crop.columns / 2) * self.resolution)
            return images[:, :, top : top + rows, left : left + columns]
        spans = images.new_tensor([crop.columns, crop.rows]).diag().expand(len(images), 2, 2)
        place = torch.cat([spans, middle[:, :, None]], dim=2)
        grid = F.affine_grid(place, [len(images), 1, rows, columns], align_corners=False)
        return F.grid_sample(images, grid.to(images.dtype), padding_mode="border", align_corners=False)


class RegressorLearner(Learner):
    """Mean squared error of z-scored property values."""

    def __init__(
        self, network: nn.Module, augmentation: Augmentation, mean: Tensor, std: Tensor, **lesson: Any
    ) -> None:
        super().__init__(network, **lesson)
        self.augmentation = augmentation
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def losses(self, faces: Faces, generator: torch.Generator) -> dict[str, Tensor]:
        assert faces.properties is not None
        images = to_network(faces.images)
        if self.training:
            images, _ = self.augmentation.draw(images, generator)
        wanted = (faces.properties - self.mean) / self.std  # type: ignore[operator]
        return {"loss": F.mse_loss(self.network(images).float(), wanted)}


@dataclass(frozen=True)
class Regressor:
    """A trained regressor and its card."""

    network: nn.Module
    card: Mapping[str, Any]

    @property
    def resolution(self) -> int:
        return int(self.card["resolution"])

    @property
    def properties(self) -> tuple[str, ...]:
        return tuple(self.card["properties"])

    @property
    def mean(self) -> Tensor:
        return torch.tensor(self.card["mean"])

    @property
    def std(self) -> Tensor:
        return torch.tensor(self.card["std"])

    def measure(self, images: Tensor) -> Tensor:
        """Raw property values, float32 [n, properties] on the CPU, of uint8 images."""
        return predict(self.network, images, ask=self.ask) * self.std + self.mean

    def ask(self, images: Tensor) -> Tensor:
        return self.network(to_network(images)).float()


def settings_of(card: Mapping[str, Any]) -> TrunkSettings | PartSettings:
    kinds = {"trunk": TrunkSettings, "parts": PartSettings}
    return kinds[card["network"]["kind"]](**card["network"])


def load_regressor(folder: Path | str, name: str) -> Regressor:
    """The regressor `name` in `folder`, its segmenter with it; OhloraError where it is none."""

    def build(card: dict[str, Any]) -> nn.Module:
        width = card.get("segmenter_width")
        segmenter = UNet(int(width)) if width else None
        return settings_of(card).build(card["properties"], int(card["resolution"]), segmenter)

    return Regressor(*load_network(Path(folder), name, REGRESSOR_KIND, build))
