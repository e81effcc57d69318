"""Batches: every image once an epoch, in a seeded order."""

from __future__ import annotations

import itertools

import torch
from hypothesis import given
from hypothesis import strategies as st

from ohlora.datasets.families import SubsetRecipe
from ohlora.datasets.images import Split
from ohlora.datasets.loading import Batches, SubsetDataModule
from ohlora.datasets.subset import Subset


def numbers(n: int, batch_size: int, shuffled: bool, rank: int = 0, world_size: int = 1) -> Batches:
    generator = torch.Generator().manual_seed(7) if shuffled else None
    return Batches(torch.arange(n), torch.arange(n), batch_size, generator, rank, world_size)


@given(n=st.integers(1, 60), batch_size=st.integers(1, 20), shuffled=st.booleans())
def test_an_epoch_is_every_image_once(n, batch_size, shuffled):
    batches = numbers(n, batch_size, shuffled)
    epoch = list(batches)
    assert len(epoch) == len(batches)
    assert sorted(torch.cat([images for images, _ in epoch]).tolist()) == list(range(n))
    assert all(torch.equal(images, labels) for images, labels in epoch)
    if not shuffled:
        assert torch.cat([images for images, _ in epoch]).tolist() == list(range(n))


@given(n=st.integers(4, 60), batch_size=st.integers(1, 9), world=st.integers(2, 4), shuffled=st.booleans())
def test_processes_share_each_batch_and_lose_no_image(n, batch_size, world, shuffled):
    alone = list(numbers(n, batch_size, shuffled))
    shares = [numbers(n, batch_size, shuffled, rank, world) for rank in range(world)]
    assert {len(share) for share in shares} == {len(alone)}
    for images, *parts in zip(alone, *shares, strict=True):
        batch, mine = images[0].tolist(), [part[0].tolist() for part in parts]
        if len(batch) < world:
            assert mine == [batch] * world, "too few to share: all take all"
        else:
            assert sorted(itertools.chain.from_iterable(mine)) == sorted(batch)
            assert max(map(len, mine)) - min(map(len, mine)) <= 1


def test_epochs_differ_and_the_seed_repeats_them():
    batches = numbers(40, 40, shuffled=True)
    first, second = (next(iter(batches))[0].tolist() for _ in range(2))
    assert first != second
    again = numbers(40, 40, shuffled=True)
    assert [next(iter(again))[0].tolist() for _ in range(2)] == [first, second]


def test_pixels_are_scaled_by_the_training_images(digits_subset):
    data = SubsetDataModule(digits_subset, batch_size=16, seed=0)
    train, val = data.split("train").images, data.split("val").images
    assert abs(train.mean().item()) < 1e-5
    assert abs(train.std().item() - 1) < 1e-4
    raw = digits_subset.val.images.float() / 255
    assert torch.allclose(val * data.std + data.mean, raw, atol=1e-6)
    unit = SubsetDataModule(digits_subset, 16, 0, standardise=False).split("test").images
    assert (unit.min().item(), unit.max().item()) == (0, 1)


def test_images_without_any_spread_stay_finite():
    blank = Split(torch.full((6, 1, 8, 8), 9, dtype=torch.uint8), torch.arange(6) % 2)
    subset = Subset(SubsetRecipe("blank", "none", 0), "blank", ("a", "b"), blank, blank, blank)
    assert torch.isfinite(SubsetDataModule(subset, 2, 0).split("train").images).all()


def test_only_training_batches_are_shuffled(digits_subset):
    data = SubsetDataModule(digits_subset, batch_size=16, seed=0)
    labels = torch.cat([labels for _, labels in data.test_dataloader()])
    assert torch.equal(labels, digits_subset.test.labels)
    shuffled = torch.cat([labels for _, labels in data.train_dataloader()])
    assert not torch.equal(shuffled, digits_subset.train.labels)
    assert torch.equal(shuffled.bincount(), digits_subset.train.labels.bincount())
