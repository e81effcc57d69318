"""The CNN every trial trains: one LightningModule for any image size and channel count."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_f1_score

from ohlora.processes import share, world_size
from ohlora.schedules import SCHEDULES
from ohlora.space import Params
from ohlora.trials.augment import augment
from ohlora.trials.protocol import CnnSettings

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": partial(F.relu, inplace=True),
    "leaky_relu": partial(F.leaky_relu, negative_slope=0.1, inplace=True),
}
ADAM_BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-8


class CnnClassifier(LightningModule):
    """Whitened patches, two convolutions, one linear head; ends in logits.

    The first layer is fixed: the principal components of the subset's own image patches, whitened,
    with both signs (Coates & Ng 2012, "Learning Feature Representations with K-means"). It needs no
    gradient and is worth 0.05 to 0.07 accuracy on 2,000 CIFAR-10 (JPEG) images at equal time.
    """

    def __init__(
        self,
        params: Params,
        settings: dict[str, Any],
        image_shape: tuple[int, int, int],
        n_classes: int,
        total_steps: int,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()  # plain numbers, strings and lists only: loads with weights_only=True
        self.params = params
        self.n_classes = n_classes
        self.total_steps = total_steps
        s = CnnSettings(**settings)
        channels, height, width = image_shape
        # Tiny images keep their resolution: 8 x 8 digits would shrink to a point.
        stride = 2 if min(height, width) >= 16 else 1
        filters = min(s.whitening_filters, channels * s.whitening_patch**2)
        self.whitening = nn.Conv2d(
            channels, 2 * filters, s.whitening_patch, stride, padding=s.whitening_patch // 2, bias=False
        ).requires_grad_(False)
        early, late = s.widths
        self.conv_early = nn.Conv2d(2 * filters, early, 3, padding=1, bias=False)
        self.norm_early = nn.BatchNorm2d(early)
        self.conv_late = nn.Conv2d(early, late, 3, padding=1, bias=False)
        self.norm_late = nn.BatchNorm2d(late)
        self.head = nn.Linear(late * s.head_grid**2, n_classes)
        self.head_grid = s.head_grid
        self.activation = ACTIVATIONS[str(params["activation"])]
        self.dropout_early = nn.Dropout2d(float(params["dropout_conv_early"]))
        self.dropout_late = nn.Dropout2d(float(params["dropout_conv_late"]))
        self.dropout_fc = nn.Dropout(float(params["dropout_fc"]))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._val_outputs: list[tuple[Tensor, Tensor]] = []

    @classmethod
    def build(
        cls, params: Params, settings: CnnSettings, train_images: Tensor, n_classes: int, total_steps: int
    ) -> CnnClassifier:
        """A fresh network for standardised training images [n, channels, height, width]."""
        shape = tuple(train_images.shape[1:])
        module = cls(params, asdict(settings), shape, n_classes, total_steps)  # type: ignore[arg-type]
        kernel = whitening_filters(train_images, settings.whitening_patch)[
            : len(module.whitening.weight) // 2
        ]
        module.whitening.weight.data.copy_(torch.cat([kernel, -kernel]))
        return module

    def forward(self, images: Tensor) -> Tensor:
        """Logits float32 [n, classes] of standardised images."""
        # Pooling first: every elementwise pass after it touches a quarter of the numbers.
        # Dropout before BatchNorm shifts its statistics at test time (arXiv:1801.05134), so it goes after.
        maps = self.activation(self.whitening(images))
        maps = self.dropout_early(self.activation(self.norm_early(halve(self.conv_early(maps)))))
        maps = self.dropout_late(self.activation(self.norm_late(halve(self.conv_late(maps)))))
        features = self.dropout_fc(to_grid(maps, self.head_grid).flatten(1))
        return self.head(features).float()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        logits = self(augment(images, str(self.params["augmentation"])))
        loss = F.cross_entropy(logits, labels, label_smoothing=float(self.params["label_smoothing"]))
        if self._trainer is not None:
            loss = loss * share(len(labels))
            self.log("train_loss", loss, sync_dist=world_size() > 1)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._val_outputs.append((self(batch[0]), batch[1]))

    def on_validation_epoch_end(self) -> None:
        logits, labels = (torch.cat(parts) for parts in zip(*self._val_outputs, strict=True))
        self._val_outputs.clear()
        loss, f1 = score(logits, labels)
        # Every process has seen all validation images: nothing is averaged, they agree.
        self.log_dict({"val_loss": loss, "val_f1": f1}, prog_bar=True, sync_dist=world_size() > 1)

    def configure_optimizers(self) -> dict[str, Any]:  # type: ignore[override]
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[str(self.params["optimizer"])]
        optimizer = kind(
            [p for p in self.parameters() if p.requires_grad],
            lr=float(self.params["learning_rate"]),
            betas=ADAM_BETAS,
            eps=ADAM_EPSILON,
            # adam adds the decay to the gradient, adamw takes it off the weights (arXiv:1711.05101)
            weight_decay=float(self.params["weight_decay"]),
            fused=True,
        )
        curve = SCHEDULES[str(self.params["scheduler"])]
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: curve(step / self.total_steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def halve(maps: Tensor) -> Tensor:
    return F.max_pool2d(maps, 2, ceil_mode=True)


def to_grid(maps: Tensor, grid: int) -> Tensor:
    """Feature maps as grid x grid; the usual image sizes arrive there by themselves."""
    return maps if maps.shape[-2:] == (grid, grid) else F.adaptive_avg_pool2d(maps, grid)


def whitening_filters(images: Tensor, patch: int, epsilon: float = 1e-2) -> Tensor:
    """Principal patch filters of the images, largest variance first.

    The result is [channels*patch^2, channels, patch, patch]. Each is scaled to unit variance; `epsilon`
    keeps the faintest from turning into noise.
    """
    channels = images.shape[1]
    some = images[:: max(1, len(images) // 96)][:96].contiguous().float().cpu()
    size = min(images.shape[2], images.shape[3])
    patches = F.unfold(some, patch, padding=0 if size >= patch else patch // 2)
    flat = patches.transpose(1, 2).reshape(-1, channels * patch * patch)
    variance, vectors = torch.linalg.eigh(torch.cov(flat.T).double())
    filters = (vectors / (variance.clamp_min(0) + epsilon).sqrt()).T.flip(0)
    # Eigenvectors come with either sign; fix it, so that every machine gets the same filters.
    signs = torch.sign(filters.gather(1, filters.abs().argmax(dim=1, keepdim=True)))
    return (filters * signs).float().reshape(-1, channels, patch, patch)


def score(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Cross-entropy in nats and macro-F1, 0 to 1."""
    loss = F.cross_entropy(logits, labels).item()
    if not math.isfinite(loss):
        logits = torch.nan_to_num(logits)
    return loss, multiclass_f1_score(logits, labels, logits.shape[1], average="macro").item()
