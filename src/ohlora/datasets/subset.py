"""Subsets: small image-classification problems cut from a dataset, each told by (dataset, family, seed)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ohlora.datasets.families import Family, SubsetFamily, SubsetRecipe, WholeDataset
from ohlora.datasets.images import ImageData, Split, cached_statistics
from ohlora.errors import OhloraError
from ohlora.seeds import LEAGUE_SEEDS


@dataclass(frozen=True)
class Subset:
    """A small dataset; labels are positions in `class_names`, most images first drawn."""

    recipe: SubsetRecipe
    title: str
    class_names: tuple[str, ...]
    train: Split
    val: Split
    test: Split

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    @property
    def class_counts(self) -> list[int]:
        """Training images of each class."""
        return self.train.labels.bincount(minlength=len(self.class_names)).tolist()


class TooFewImages(OhloraError):
    """This seed's ranges leave a class with too few images."""


def draw_from_family(family: SubsetFamily, data: ImageData, seed: int, cache_dir: Path) -> Subset:
    """Cut subset `seed` from `data`; TooFewImages where its ranges leave too little.

    Ranges for the images' brightness and contrast (and colour) are drawn as shares of the training
    images, the largest classes inside them are kept, and each split is filled from what is left:
    train in the drawn imbalance, validation and test as even over the classes as the images allow. Test
    images are of the sweeps' half or, for seeds of the league, of the matches' half.
    """
    statistics = cached_statistics(data, cache_dir)
    rng = recipe_rng(data, seed)
    kept_train = np.ones(len(data.train), dtype=bool)
    kept_test = np.ones(len(data.test), dtype=bool)
    for name, values in statistics["train"].items():
        share = rng.uniform(
            *(family.keep_share if name in ("brightness", "contrast") else family.colour_keep_share)
        )
        start = rng.uniform()
        ordered = np.sort(values)
        if share >= 1:
            continue  # all of them; around the circle the ends would meet and leave nothing
        if name == "hue":  # around the circle: the range may pass 1 and go on at 0
            low, high = (ordered[int((start + x) % 1 * (len(ordered) - 1))] for x in (0.0, share))
            for kept, column in ((kept_train, values), (kept_test, statistics["test"][name])):
                inside = (column >= low) & (column <= high)
                kept &= inside if low <= high else (column >= low) | (column <= high)
        else:
            first = start * (1 - share)
            low, high = (ordered[int(x * (len(ordered) - 1))] for x in (first, first + share))
            kept_train &= (values >= low) & (values <= high)
            kept_test &= (statistics["test"][name] >= low) & (statistics["test"][name] <= high)

    labels, test_labels = data.train.labels.numpy(), data.test.labels.numpy()
    available = np.bincount(labels[kept_train], minlength=len(data.class_names))
    present = int((available > 0).sum())
    low, high = (min(bound, present) for bound in family.classes)
    n_classes = int(rng.integers(low, high + 1)) if present >= 2 else 0
    if n_classes < 2:
        raise TooFewImages(
            f"{data.title} seed {seed}: {present} classes left inside its ranges",
            ("subset_classes", {"seed": seed}),
        )
    classes = np.argsort(-available, kind="stable")[:n_classes]

    u = rng.uniform()
    low, high = family.train_images
    n_train = low * (high / low) ** u if family.train_images_log else low + u * (high - low)
    if family.imbalance is None:
        weights = available[classes].astype(float)
    else:
        ratio = family.imbalance[0] * (family.imbalance[1] / family.imbalance[0]) ** rng.uniform()
        weights = ratio ** -np.linspace(0, 1, n_classes)
        weights = weights[np.argsort(rng.random(n_classes))]
    wanted = n_train * weights / weights.sum()
    n_val = min(max(family.val_share * n_train, family.val_images[0]), family.val_images[1]) / n_classes

    rows: dict[str, list[np.ndarray]] = {"train": [], "val": [], "test": []}
    for k, label in enumerate(classes):
        pool = shuffled(np.flatnonzero(kept_train & (labels == label)), rng)
        in_test = shuffled(np.flatnonzero(kept_test & (test_labels == label)), rng)
        enough = len(in_test) >= family.min_test_per_class
        in_test = in_test[for_matches(in_test) == (seed >= LEAGUE_SEEDS)]
        take = min(max(round(wanted[k]), family.min_train_per_class), int(len(pool) * 0.7))
        val = pool[take : take + round(n_val)]
        test = in_test[: round(family.test_images / n_classes)]
        short = (
            take < family.min_train_per_class
            or len(val) < family.min_val_per_class
            or not (enough and len(test))
        )
        if short:
            raise TooFewImages(
                f"{data.title} {family.name} seed {seed}: class {data.class_names[label]} has"
                f" {len(pool)} images to learn from and {len(in_test)} to test on inside its ranges",
                ("subset_few", {"name": data.class_names[label], "train": len(pool), "test": len(in_test)}),
            )
        for split, chosen in zip(rows, (pool[:take], val, test), strict=True):
            rows[split].append(chosen)
    return assemble(data, SubsetRecipe(data.name, family.name, seed), classes.tolist(), rows)


def draw_whole(family: WholeDataset, data: ImageData, seed: int, cache_dir: Path) -> Subset:
    """Split the whole of `data`; the seed chooses which images validate, unless its maker has."""
    rng = recipe_rng(data, seed)
    labels, test_labels = data.train.labels.numpy(), data.test.labels.numpy()
    share = min(family.val_share, family.max_val_images / len(labels))
    classes = np.flatnonzero(np.bincount(labels, minlength=len(data.class_names)))
    rows: dict[str, list[np.ndarray]] = {"train": [], "val": [], "test": []}
    for label in classes:
        pool = shuffled(np.flatnonzero(labels == label), rng)
        chosen = np.isin(pool, [] if data.val_rows is None else data.val_rows)
        pool = np.concatenate([pool[chosen], pool[~chosen]])
        cut = int(chosen.sum()) or max(1, min(round(len(pool) * share), len(pool) - 1))
        in_test = np.flatnonzero(test_labels == label)
        if len(pool) < 2 or len(in_test) < 1:
            raise TooFewImages(
                f"{data.title}: class {data.class_names[label]} has {len(pool)} images to learn from and"
                f" {len(in_test)} to test on; at least 2 and 1 are needed",
                ("subset_few", {"name": data.class_names[label], "train": len(pool), "test": len(in_test)}),
            )
        for split, chosen in zip(rows, (pool[cut:], pool[:cut], in_test), strict=True):
            rows[split].append(chosen)
    return assemble(data, SubsetRecipe(data.name, family.name, seed), classes.tolist(), rows)


def for_matches(rows: np.ndarray) -> np.ndarray:
    """Which test images judge matches (true), which give sweeps their targets: half each, by a hash.

    So no sweep scores an image that judges a match. Fibonacci hashing: the top bit of the row times 2^64
    over the golden ratio.
    """
    return (rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(63) == 1


def recipe_rng(data: ImageData, seed: int) -> np.random.Generator:
    """Draws differ between datasets also where the seed is the same."""
    return np.random.default_rng([seed, zlib.crc32(data.name.encode())])


def shuffled(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    # Sorting uniform draws, not rng.permutation: its stream is numpy's to change between versions.
    return rows[np.argsort(rng.random(len(rows)), kind="stable")]


def assemble(
    data: ImageData, recipe: SubsetRecipe, classes: list[int], rows: dict[str, list[np.ndarray]]
) -> Subset:
    source = {"train": data.train, "val": data.train, "test": data.test}
    splits = {name: source[name].take(np.concatenate(parts), classes) for name, parts in rows.items()}
    return Subset(recipe, data.title, tuple(data.class_names[c] for c in classes), **splits)


def draw_valid_seeds(
    family: Family, data: ImageData, first_seed: int, cache_dir: Path, tries: int = 500
) -> Iterator[tuple[int, Subset]]:
    """Yield (seed, subset) for the seeds from `first_seed` on whose recipe is not refused."""
    refused: TooFewImages | None = None
    seed, failures = first_seed, 0
    while failures < tries:
        try:
            subset = family.draw(data, seed, cache_dir)
        except TooFewImages as error:
            refused, failures = error, failures + 1
        else:
            failures = 0
            yield seed, subset
        seed += 1
    part = ("subset_none", {"tries": tries})
    raise OhloraError(f"{tries} seeds in a row gave no {family.name} subset; the last: {refused}", part)
