"""Splits and what is measured of each image."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch

from ohlora.datasets.images import (
    ImageData,
    Split,
    cached_statistics,
    image_statistics,
    save_atomically,
)


def plain_colour(red: int, green: int, blue: int) -> torch.Tensor:
    return torch.tensor([red, green, blue], dtype=torch.uint8)[None, :, None, None].expand(1, 3, 6, 5)


def test_take_copies_rows_and_renames_labels():
    split = Split(torch.arange(5, dtype=torch.uint8)[:, None, None, None], torch.tensor([3, 0, 3, 7, 0]))
    taken = split.take(np.array([4, 2]), classes=[3, 0])
    assert taken.images.flatten().tolist() == [4, 2]
    assert taken.labels.tolist() == [1, 0]
    taken.images.zero_()
    assert split.images.flatten().tolist() == [0, 1, 2, 3, 4]


def test_grey_images_have_brightness_and_contrast():
    images = torch.zeros(3, 1, 4, 4, dtype=torch.uint8)
    images[1] = 255
    images[2, :, :2] = 255
    statistics = image_statistics(images)
    assert set(statistics) == {"brightness", "contrast"}
    assert statistics["brightness"].tolist() == [0, 1, 0.5]
    assert statistics["contrast"].tolist() == [0, 0, 0.5]


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (250, 200, 10), (40, 90, 200)])
def test_hue_is_the_angle_of_the_colour(colour):
    statistics = image_statistics(plain_colour(*colour))
    expected = colorsys.rgb_to_hsv(*(c / 255 for c in colour))[0]
    gap = abs(statistics["hue"][0] - expected) % 1
    assert min(gap, 1 - gap) < 0.02  # the angle of opponent colours is near the hexagon's, not on it
    assert statistics["saturation"][0] > 0.4
    assert statistics["spread_red"][0] == 0


def test_colour_without_colour_has_no_saturation():
    assert image_statistics(plain_colour(90, 90, 90))["saturation"][0] == 0


def test_statistics_match_a_plain_computation():
    images = torch.randint(
        0, 256, (40, 3, 7, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    scaled = images.double().flatten(1) / 255
    statistics = image_statistics(images)
    assert statistics["brightness"] == pytest.approx(scaled.mean(1).numpy(), abs=1e-4)
    assert statistics["contrast"] == pytest.approx(scaled.std(1, unbiased=False).numpy(), abs=1e-4)
    assert statistics["spread_blue"] == pytest.approx(
        (images[:, 2].double().flatten(1) / 255).std(1, unbiased=False).numpy(), abs=1e-4
    )


def same(one, other) -> bool:
    return all(
        np.array_equal(one[split][name], other[split][name])
        for split in ("train", "test")
        for name in one[split]
    )


class TestCache:
    def test_is_read_back(self, digits, tmp_path):
        first = cached_statistics(digits, tmp_path)
        assert len(list(tmp_path.rglob("*.npz"))) == 1
        assert same(first, cached_statistics(digits, tmp_path))

    @pytest.mark.parametrize(
        "damage", [lambda b: b"", lambda b: b"not this" * 50, lambda b: b[: len(b) // 2]]
    )
    def test_a_damaged_file_is_measured_afresh(self, digits, tmp_path, damage):
        first = cached_statistics(digits, tmp_path)
        file = next(tmp_path.rglob("*.npz"))
        file.write_bytes(damage(file.read_bytes()))
        assert same(first, cached_statistics(digits, tmp_path))
        assert same(first, cached_statistics(digits, tmp_path))

    def test_changed_pixels_are_measured_afresh(self, digits, tmp_path):
        first = cached_statistics(digits, tmp_path)
        images = digits.train.images.clone()
        images[0] = 255
        changed = ImageData(
            "digits", "digits", digits.class_names, Split(images, digits.train.labels), digits.test
        )
        assert not same(first, cached_statistics(changed, tmp_path))

    def test_a_place_that_cannot_be_written_costs_time_only(self, digits, tmp_path):
        (tmp_path / "file").write_text("in the way")
        first = cached_statistics(digits, tmp_path / "file")
        assert same(first, cached_statistics(digits, tmp_path))

    def test_a_failed_write_leaves_the_old_file(self, tmp_path):
        path = tmp_path / "kept.bin"
        path.write_bytes(b"old")

        def full_disk(file):
            file.write(b"half")
            raise OSError(28, "No space left on device")

        assert save_atomically(path, full_disk) is False
        assert path.read_bytes() == b"old"
