"""The two reports: numbers that can be checked by hand, pictures that are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ohlora.datasets.images import ImageData
from ohlora.features.report import (
    distinct,
    draw_nearest_pairs,
    draw_reconstructions,
    meaning,
    neighbour_accuracy,
    one_of_each,
    plot_codes,
    rebuilding,
    spread_over,
)


def test_distances_of_four_points_on_a_line() -> None:
    scores = meaning(torch.tensor([[0.0], [1.0], [10.0], [12.0]]), torch.tensor([0, 0, 1, 1]))
    assert scores["same_label_distance"] == pytest.approx(1.5)
    assert scores["different_label_distance"] == pytest.approx((10 + 12 + 9 + 11) / 4)
    assert scores["different_over_same"] == pytest.approx(7.0)
    assert scores["pairs"] == 6


def test_one_image_a_class_has_no_pair_of_one_label(tmp_path: Path) -> None:
    codes, labels = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0, 1, 2])
    scores = meaning(codes, labels)
    assert (scores["same_label_distance"], scores["different_over_same"]) == (None, None)
    assert scores["different_label_distance"] == pytest.approx(2.0)
    plot_codes(codes, labels, ("a", "b", "c"), "one each", tmp_path / "c.png")


def test_codes_without_meaning_have_ratio_one() -> None:
    generator = torch.Generator().manual_seed(0)
    codes, labels = torch.randn(400, 8, generator=generator), torch.arange(400) % 4
    assert meaning(codes, labels)["different_over_same"] == pytest.approx(1.0, abs=0.01)


def test_five_neighbours_vote_and_the_nearer_break_ties() -> None:
    codes = torch.tensor([[0.0], [0.1], [1.0], [1.1], [1.2], [9.0]])
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    near_one, near_zero = torch.tensor([[1.3]]), torch.tensor([[0.0]])
    assert neighbour_accuracy(codes, labels, near_one, torch.tensor([1])) == 1.0
    assert neighbour_accuracy(codes, labels, near_zero, torch.tensor([1])) == 1.0  # three against two
    assert neighbour_accuracy(codes[:4], labels[:4], near_zero, torch.tensor([0])) == 1.0  # two all: nearer


def test_rebuilding_knows_perfect_and_mean_images() -> None:
    images = torch.randint(0, 256, (20, 1, 6, 6), dtype=torch.uint8)
    pixels = images.float() / 255
    perfect = rebuilding(images, pixels)
    assert perfect["psnr"] == 99.0
    assert perfect["explained"] == pytest.approx(1.0)
    assert rebuilding(images, pixels.mean(dim=0).expand(20, -1, -1, -1))["explained"] == pytest.approx(
        0.0, abs=1e-5
    )


def test_samples_are_fixed_and_spread() -> None:
    assert torch.equal(spread_over(1000, 50), spread_over(1000, 50))
    assert spread_over(10, 50).tolist() == list(range(10))
    assert one_of_each(torch.tensor([0, 0, 0, 1, 2]), 4) == [0, 3, 4, 1]
    assert distinct([(0, 1), (1, 0), (2, 1), (3, 4)], 5) == [(0, 1), (3, 4)]


@pytest.mark.parametrize(("channels", "size"), [(1, (8, 8)), (3, (12, 9)), (3, (90, 70))])
def test_pictures_are_drawn_for_any_images(
    stripes: Callable[..., ImageData], tmp_path: Path, channels: int, size: tuple[int, int]
) -> None:
    test = stripes(channels, size, n=60).test
    names = ("얼룩", "a rather long name of a class of stripes", "c")
    codes = test.images.flatten(1).float()
    rebuilt = (test.images.float() / 255 + 0.05).clamp(0, 1)
    pictures = [
        draw_reconstructions(test.images, rebuilt, test.labels, "stripes", tmp_path / "r.png"),
        draw_nearest_pairs(test.images, codes, test.labels, names, "stripes", tmp_path / "p.png"),
        plot_codes(codes, test.labels, names, "stripes", tmp_path / "c.png"),
    ]
    for path in pictures:
        with Image.open(path) as picture:
            assert min(picture.size) > 100
            assert len(np.unique(np.asarray(picture.convert("L")))) > 10
