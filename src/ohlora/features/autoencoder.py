"""Images -> codes of a few numbers, learned without labels by rebuilding the images from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import fuse_conv_bn_eval

from ohlora.assets import load_network, save_model
from ohlora.config import InvalidConfig
from ohlora.features.autoencoder_job import NetworkSettings, Views
from ohlora.processes import share, summed, world_size
from ohlora.schedules import one_cycle

ENCODER_KIND = "encoder"
GREY_OF_RGB = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma
ENCODE_BATCH = 256  # images whose maps fit a processor's cache: a quarter faster than 512


class ImageEncoder(nn.Module):
    """Pixels float [n, channels, height, width], 0 to 1 -> codes float32 [n, code].

    Over the training images every code dimension has mean 0 and spread 1.
    """

    def __init__(self, settings: NetworkSettings, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, width = image_shape
        stages = settings.stages(height, width)
        layers: list[nn.Module] = []
        for i, (inputs, outputs) in enumerate(zip([channels, *stages], stages, strict=False)):
            kernel = 5 if i == 0 and min(height, width) >= 16 else 3
            layers += [
                nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(0.1, inplace=True),
            ]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(settings.grid), nn.Flatten())
        # The last BatchNorm holds the spread of every dimension at 1, so codes cannot shrink to agree.
        self.head = nn.Sequential(
            nn.Linear(stages[-1] * settings.grid**2, settings.code, bias=False),
            nn.BatchNorm1d(settings.code, affine=False),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images)).float()

    def folded(self) -> nn.Sequential:
        """The same for inference, each BatchNorm folded into the convolution before it."""
        layers: list[nn.Module] = []
        for layer in (*self.eval().body, *self.head):
            # _BatchNorm: SyncBatchNorm too, of a training by several processes
            if isinstance(layer, _BatchNorm) and isinstance(layers[-1], nn.Conv2d):
                layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
            else:
                layers.append(layer)
        return nn.Sequential(*layers).to(memory_format=torch.channels_last)


class ImageDecoder(nn.Module):
    """Codes float [n, code] -> pixels float32 [n, channels, height, width], 0 to 1."""

    def __init__(self, settings: NetworkSettings, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.size = (height, width)
        stages = settings.stages(height, width)[::-1]
        self.start = nn.Sequential(
            nn.Linear(settings.code, stages[0] * settings.grid**2),
            nn.Unflatten(1, (stages[0], settings.grid, settings.grid)),
            nn.BatchNorm2d(stages[0]),
            nn.LeakyReLU(0.1, inplace=True),
        )
        # Pixel shuffle (arXiv:1609.05158): half the time of upsampling first and convolving the larger map.
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(stages):
            layers += [
                nn.Conv2d(inputs, 4 * outputs, 1, bias=False),
                nn.PixelShuffle(2),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(0.1, inplace=True),
            ]
        self.body = nn.Sequential(
            *layers, nn.Conv2d(stages[-1], 4 * channels, 3, padding=1), nn.PixelShuffle(2)
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, codes: Tensor) -> Tensor:
        image = self.body(self.start(codes).contiguous(memory_format=torch.channels_last)).float()
        if image.shape[2:] != self.size:
            image = F.interpolate(image, size=self.size, mode="bilinear", align_corners=False)
        return image.sigmoid()


class Autoencoder(LightningModule):
    """Encoder and decoder, trained to rebuild images and to give two views of an image one code.

    The loss is the share of the pixels' variance not rebuilt, plus `agreement` times the mean squared
    distance between the codes of an image and of another view of it, plus `decorrelation` times the
    squared correlations between code dimensions (invariance and covariance of VICReg,
    arXiv:2105.04906; its variance term is the encoder's last BatchNorm). With both at 0 it is a plain
    autoencoder, whose codes keep what costs pixels rather than what tells images apart.
    """

    def __init__(
        self,
        network: dict[str, Any],
        views: dict[str, Any],
        image_shape: tuple[int, int, int],
        pixel_variance: float,  # over the training images, pixels 0 to 1
        agreement: float,
        decorrelation: float,
        learning_rate: float,
        weight_decay: float,
        total_steps: int,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()  # plain numbers, lists and dicts only: loads with weights_only=True
        settings = NetworkSettings(**network)
        self.encoder = ImageEncoder(settings, image_shape)
        self.decoder = ImageDecoder(settings, image_shape)
        self.views = Views(**views)
        self.pixel_variance = max(pixel_variance, 1e-4)  # blank images have none
        self.agreement = agreement
        self.decorrelation = decorrelation
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.total_steps = total_steps

    def forward(self, images: Tensor) -> Tensor:
        """Rebuild images, 0 to 1."""
        return self.decoder(self.encoder(images))

    def losses(self, images: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The loss and its parts; `images` is [n, channels, height, width], 0 to 1."""
        codes = self.encoder(images)
        error = F.mse_loss(self.decoder(codes), images)
        parts = {"loss": error / self.pixel_variance, "mse": error}
        if self.agreement or self.decorrelation:
            with torch.no_grad():
                view = self.views.draw(images, generator)
            others = self.encoder(view)
            # bf16 would round the small correlations away
            with torch.autocast(images.device.type, enabled=False):
                parts["agreement"] = F.mse_loss(codes, others)
                parts["decorrelation"] = correlations(codes, self.training) + correlations(
                    others, self.training
                )
            parts["loss"] = (
                parts["loss"]
                + self.agreement * parts["agreement"]
                + self.decorrelation * parts["decorrelation"]
            )
        return parts

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        parts = self.losses(batch[0])
        self.log_dict(
            {f"train_{name}": value.detach() for name, value in parts.items()},
            sync_dist=world_size() > 1,
        )
        return parts["loss"] * share(len(batch[0]))

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        # the same views at every check, so that losses can be compared
        parts = self.losses(batch[0], torch.Generator().manual_seed(batch_idx))
        self.log_dict(
            {f"val_{name}": value for name, value in parts.items()},
            batch_size=len(batch[0]),
            sync_dist=self.trainer.world_size > 1,
        )

    def on_validation_epoch_end(self) -> None:
        mse = float(self.trainer.callback_metrics["val_mse"])
        self.log("val_psnr", psnr(mse), prog_bar=True, sync_dist=self.trainer.world_size > 1)

    def configure_optimizers(self) -> dict[str, Any]:  # type: ignore[override]
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay, fused=True
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: one_cycle(step / self.total_steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def correlations(codes: Tensor, over_all: bool = False) -> Tensor:
    """Sum of squared covariances between different code dimensions, per dimension.

    `over_all` takes the codes of all processes together.
    """
    gathered = summed if over_all else lambda x: x
    n = gathered(torch.tensor(float(len(codes)), device=codes.device))
    centred = codes - gathered(codes.sum(dim=0)) / n
    covariance = gathered(centred.T @ centred) / (n - 1).clamp_min(1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / codes.shape[1]


def psnr(mean_squared_error: float) -> float:
    """Peak signal-to-noise ratio in dB of pixels 0 to 1; 99 where nothing is lost."""
    return min(99.0, -10 * math.log10(max(mean_squared_error, 1e-12)))


@dataclass(frozen=True)
class Encoder:
    """A trained encoder, ready for images of any size, grey or colour, and the card it came with."""

    network: ImageEncoder
    card: Mapping[str, Any]

    @property
    def code_size(self) -> int:
        return int(self.card["code_size"])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height, width it was trained on."""
        channels, height, width = self.card["image_shape"]
        return channels, height, width

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Codes float32 [n, code], on the CPU, of images uint8 [n, 1 or 3 channels, height, width].

        Images of another shape than it was trained on are resized, and turned grey or repeated over
        three channels.
        """
        network = self.network.folded()
        device = next(network.parameters()).device
        codes = [
            network(as_trained(batch.to(device), self.image_shape)).float().cpu()
            for batch in images.split(ENCODE_BATCH)
            if len(batch)
        ]
        return torch.cat(codes) if codes else torch.empty(0, self.code_size)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> Encoder:
        """The encoder in a folder or, by owner/name, on the Hugging Face Hub; OhloraError if none is.

        `options`: name (of the two files), and ModelHubMixin's revision, token, cache_dir, force_download,
        local_files_only.
        """
        from ohlora.features.pretrained import NAME, PretrainedEncoder

        return PretrainedEncoder.from_pretrained(pretrained_model_name_or_path, **{"name": NAME, **options})


def as_trained(images: Tensor, image_shape: tuple[int, int, int]) -> Tensor:
    """uint8 images [n, c, h, w] as float32 pixels 0 to 1 of `image_shape` (channels, height, width)."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"images are {images.dtype} {tuple(images.shape)}; expected uint8 [n, 1 or 3, height, width]"
        )
    channels, height, width = image_shape
    pixels = images.float().div_(255)
    if images.shape[1] == 3 and channels == 1:
        weights = torch.tensor(GREY_OF_RGB, device=pixels.device).view(1, 3, 1, 1)
        pixels = (pixels * weights).sum(dim=1, keepdim=True)
    elif images.shape[1] == 1 and channels == 3:
        pixels = pixels.expand(-1, 3, -1, -1)
    if pixels.shape[2:] != (height, width):
        pixels = F.interpolate(pixels, size=(height, width), mode="bilinear", antialias=True).clamp(0, 1)
    return pixels.contiguous(memory_format=torch.channels_last)


def save_encoder(path: Path, encoder: Encoder) -> Path:
    """Write `<path>.safetensors` and its card; return the path of the weights."""
    path = path.with_suffix("") if path.suffix == ".safetensors" else path
    return save_model(
        path.parent, path.name, encoder.network.state_dict(), {**encoder.card, "kind": ENCODER_KIND}
    )


def load_encoder(path: Path | str) -> Encoder:
    """The encoder at `<path>.safetensors` with its card beside it; OhloraError where it is not one."""
    path = Path(path)
    path = path.with_suffix("") if path.suffix in (".safetensors", ".json") else path
    network, card = load_network(path.parent, path.name, ENCODER_KIND, build_encoder)
    return Encoder(network, card)


def build_encoder(card: Mapping[str, Any]) -> ImageEncoder:
    """The network a card tells of, its weights still random."""
    channels, height, width = (int(x) for x in card["image_shape"])
    try:
        settings = NetworkSettings(**card["network"])
    except InvalidConfig as error:  # of a card: whoever loads it names the file
        raise ValueError(str(error)) from None
    if int(card["code_size"]) != settings.code:
        raise ValueError(f"code_size={card['code_size']} but network.code={settings.code}")
    return ImageEncoder(settings, (channels, height, width))


def network_card(settings: NetworkSettings, image_shape: tuple[int, int, int]) -> dict[str, Any]:
    """What `load_encoder` needs to build the network again."""
    return {
        "image_shape": list(image_shape),
        "code_size": settings.code,
        "network": {**asdict(settings), "widths": list(settings.widths)},
    }
