"""Subsets as batches: tensors in memory, an epoch is an index."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from ohlora.datasets.images import Split
from ohlora.datasets.subset import Subset


@dataclass
class Batches:
    """Batches of (images, labels), shuffled anew each epoch by `generator`, or in order without one.

    Several processes share each batch: of the same `batch_size` images, each takes every
    `world_size`-th. A last batch of fewer images than processes goes to all of them whole.
    """

    images: Tensor
    labels: Tensor
    batch_size: int
    generator: torch.Generator | None = None
    rank: int = 0
    world_size: int = 1

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        n = len(self.labels)
        order = torch.arange(n) if self.generator is None else torch.randperm(n, generator=self.generator)
        for batch in order.split(self.batch_size):
            rows = batch[self.rank :: self.world_size] if len(batch) >= self.world_size else batch
            if self.generator is None and self.world_size == 1:
                yield self.images[rows[0] : rows[-1] + 1], self.labels[rows]
            else:
                yield self.images[rows], self.labels[rows]


class SubsetDataModule(LightningDataModule):
    """One subset for any Trainer or loop: float32 images scaled by the training images' mean and spread.

    `standardise=False` leaves pixels in 0 to 1 (the autoencoder reconstructs them).
    """

    def __init__(self, subset: Subset, batch_size: int, seed: int, standardise: bool = True) -> None:
        super().__init__()
        self.subset = subset
        self.batch_size = batch_size
        self.seed = seed
        self.mean, self.std = torch.zeros(1), torch.ones(1)
        if standardise:
            pixels = subset.train.images.float().div_(255)
            self.mean = pixels.mean(dim=(0, 2, 3), keepdim=True)
            # A blank folder of one colour has no spread; 1e-3 keeps it finite.
            self.std = pixels.std(dim=(0, 2, 3), keepdim=True).clamp_min(1e-3)
        self._splits: dict[str, Split] = {}

    def split(self, name: str) -> Split:
        """ "train", "val" or "test", scaled when first asked for: training alone never opens "test"."""
        if name not in self._splits:
            part: Split = getattr(self.subset, name)
            images = part.images.float().div_(255).sub_(self.mean).div_(self.std)
            self._splits[name] = Split(images.contiguous(memory_format=torch.channels_last), part.labels)
        return self._splits[name]

    def batches(self, split: str, shuffle: bool = False, batch_size: int | None = None) -> Batches:
        """Batches of "train", "val" or "test"; only "train" is ever shuffled or shared between processes."""
        part = self.split(split)
        generator = torch.Generator().manual_seed(self.seed) if shuffle else None
        rank, world = (
            (self.trainer.global_rank, self.trainer.world_size) if shuffle and self.trainer else (0, 1)
        )
        return Batches(part.images, part.labels, batch_size or self.batch_size, generator, rank, world)

    def train_dataloader(self) -> Batches:
        return self.batches("train", shuffle=True)

    def val_dataloader(self) -> Batches:
        return self.batches("val", batch_size=EVAL_BATCH)

    def test_dataloader(self) -> Batches:
        return self.batches("test", batch_size=EVAL_BATCH)


EVAL_BATCH = 256
