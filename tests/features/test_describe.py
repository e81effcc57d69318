"""Features of a subset: their values on hand-made images, and that none is ever missing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlora.assets import assets_dir
from ohlora.datasets.families import SubsetRecipe
from ohlora.datasets.images import Split
from ohlora.datasets.subset import Subset
from ohlora.features import describe as features
from ohlora.features.autoencoder import load_encoder
from ohlora.features.describe import count_features, describe, landmarks, pixel_features, spread_rows


def images(*planes) -> torch.Tensor:
    """uint8 [n, 1, height, width] of nested lists."""
    return torch.tensor(planes, dtype=torch.uint8)[:, None]


def subset_of(train: Split, classes: int) -> Subset:
    names = tuple("abcdefghij"[:classes])
    return Subset(SubsetRecipe("made", "none", 0), "made", names, train, train, train)


class Pixels:
    """An encoder whose codes are the pixels."""

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1).float() / 255


class TestCounts:
    def test_known_values(self):
        assert count_features([30, 10]) == pytest.approx(
            {
                "log_images": math.log(40),
                "classes": 2,
                "log_images_per_class": math.log(20),
                "log_smallest_class": math.log(10),
                "log_imbalance": math.log(3),
                "evenness": 0.8112781,  # bits: of 3/4 and 1/4
            }
        )

    def test_balanced_is_even(self):
        even = count_features([7] * 5)
        assert (even["evenness"], even["log_imbalance"]) == (pytest.approx(1), 0)

    def test_one_class_and_empty_classes(self):
        assert count_features([6])["evenness"] == 1
        assert count_features([6, 0, 6]) == count_features([6, 6])


class TestPixels:
    def test_known_values(self):
        """Two black images of class 0, two of class 1 whose left half is white, 2 x 4."""
        black, half = [[0, 0, 0, 0]] * 2, [[255, 255, 0, 0]] * 2
        found = pixel_features(Split(images(black, black, half, half), torch.tensor([0, 0, 1, 1])))
        assert found == pytest.approx(
            {
                "log_side": math.log(math.sqrt(8)),
                "colour": 0,
                "brightness": 0.25,
                "brightness_spread": 0.25,
                "brightness_between_classes": 0.25,
                "contrast": 0.25,
                "contrast_spread": 0.25,
                "saturation": 0,
                # a step of 1 at one of three places in half of the images, none downwards
                "detail": (1 / 6 + 0) / 2 / (torch.tensor([1.0] * 8 + [0.0] * 24).std().item() + 1e-3),
            }
        )

    def test_colour(self):
        red = torch.zeros(3, 3, 4, 4, dtype=torch.uint8)
        red[:, 0] = 255
        found = pixel_features(Split(red, torch.tensor([0, 1, 1])))
        assert (found["colour"], found["saturation"], found["detail"]) == (1, 1, 0)
        assert found["brightness"] == pytest.approx(1 / 3, abs=1e-4)


def positions(*places: float) -> Split:
    """Images of one pixel; the first half are class 0."""
    labels = torch.arange(len(places)) * 2 // len(places)
    return Split(images(*[[[place]] for place in places]), labels)


class TestLandmarks:
    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.flatten(1).float()

    def of(self, sample: Split) -> dict[str, float]:
        return landmarks(sample, self.embed(sample.images), self.embed, 2)

    def test_classes_apart(self):
        found = self.of(positions(0, 1, 2, 3, 200, 201, 202, 203))
        for name in (
            "neighbour_f1",
            "probe_f1",
            "half_probe_f1",
            "mirror_neighbour_f1",
            "shift_neighbour_f1",
        ):
            assert found[name] == 1, name
        # within a class |i - j| is 5/3 on average over the pairs, between the classes it is 200
        assert found["separation"] == pytest.approx(200 / (5 / 3), rel=1e-3)
        assert found["mirror_distance"] == found["shift_distance"] == 0  # one pixel: nothing moves

    def test_classes_in_each_other(self):
        """Every image's neighbour is of the other class."""
        places = torch.tensor([0, 20, 40, 60, 1, 21, 41, 61])
        sample = Split(places.to(torch.uint8)[:, None, None, None], torch.tensor([0] * 4 + [1] * 4))
        assert self.of(sample)["neighbour_f1"] == 0

    def test_what_mirroring_and_shifting_move(self):
        """Class 0 is bright on the left, class 1 on the right: mirrored, each is the other."""
        left, right = [[200, 0, 0, 0]] * 4, [[0, 0, 0, 200]] * 4
        noise = np.random.default_rng(0).integers(0, 9, (12, 4, 4))
        planes = [(np.array(left if i < 6 else right) + n).tolist() for i, n in enumerate(noise)]
        sample = Split(images(*planes), torch.tensor([0] * 6 + [1] * 6))
        found = self.of(sample)
        assert (found["neighbour_f1"], found["mirror_neighbour_f1"]) == (1, 0)
        assert found["mirror_distance"] > 1
        planes = [[[v] * 4] * 4 for v in (0, 1, 2, 3, 200, 201)]
        symmetric = self.of(Split(images(*planes), torch.tensor([0] * 4 + [1] * 2)))
        assert symmetric["mirror_distance"] == symmetric["shift_distance"] == 0

    def test_a_sample_keeps_every_class(self):
        split = Split(torch.zeros(1003, 1, 1, 1, dtype=torch.uint8), torch.tensor([0] * 1000 + [1] * 3))
        assert split.take(spread_rows(split, 100)).labels.bincount().tolist() == [99, 2]
        assert spread_rows(split.take(np.arange(50)), 100).tolist() == [*range(50)]


@pytest.mark.parametrize("length", [3, 60])
def test_leave_one_out_is_what_refitting_without_each_image_gives(length):
    """By code (3 numbers of 40 images) and by image (60 of 40)."""
    rng = torch.Generator().manual_seed(0)
    codes = torch.randn(40, length, generator=rng)
    labels = torch.randint(0, 3, (40,), generator=rng)
    x = torch.cat([codes.double() / length**0.5, torch.ones(40, 1, dtype=torch.float64)], dim=1)
    targets = torch.nn.functional.one_hot(labels, 3).double()
    refitted = []
    for left_out in range(40):
        rest = torch.arange(40) != left_out
        normal = x[rest].T @ x[rest] + 0.1 * torch.eye(length + 1, dtype=torch.float64)
        refitted.append(x[left_out] @ torch.linalg.solve(normal, x[rest].T @ targets[rest]))
    assert features.ridge_leave_one_out(codes, labels, 3).tolist() == torch.stack(refitted).argmax(1).tolist()


def test_every_class_is_looked_at():
    """Images lie by class: of the last one, more than the first 800 would have to be seen."""
    rng = np.random.default_rng(0)
    labels = torch.tensor([0] * 900 + [1] * 300)

    def described(last: int) -> dict[str, float]:
        pixels = rng.integers(0, 2, (1200, 1, 6, 6))
        pixels[900:, :, :, :3] += last
        return describe(subset_of(Split(torch.from_numpy(pixels.astype(np.uint8)), labels), 2), Pixels())

    plain, striking = described(0), described(200)
    for name in ("pixels.detail", "landmarks.patch_probe_f1", "landmarks.code_probe_f1"):
        assert abs(striking[name] - plain[name]) > 0.1, name


def test_codes_are_told_by_mean_and_spread():
    found = describe(subset_of(positions(0, 51, 102, 153), 2), Pixels())
    assert found["codes.mean_0"] == pytest.approx(0.3)
    assert found["codes.spread_0"] == pytest.approx(np.std([0, 0.2, 0.4, 0.6], ddof=1))


def test_one_thread_looks():
    """Several threads of torch wait for each other by spinning: beside other work, 16 s for 1.1."""
    threads = []

    class Counting(Pixels):
        def encode(self, images: torch.Tensor) -> torch.Tensor:
            threads.append(torch.get_num_threads())
            return super().encode(images)

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        describe(subset_of(positions(0, 51, 102, 153), 2), Counting())
        assert set(threads) == {1}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_the_names_are_those_the_shipped_predictor_knows(digits_subset):
    found = describe(digits_subset, load_encoder(assets_dir() / "encoders" / "digits"))
    assert len(found) == 6 + 9 + 16 + 2 * 64
    assert {name.split(".")[0] for name in found} == {"counts", "pixels", "landmarks", "codes"}


GOLDEN = {
    "counts.log_images": 6.2324,
    "counts.evenness": 0.9804,
    "pixels.brightness": 0.3036,
    "pixels.detail": 0.654,
    "landmarks.code_neighbour_f1": 0.9859,
    "landmarks.code_probe_f1": 0.984,
    "landmarks.code_half_probe_f1": 0.9655,
    "landmarks.code_separation": 1.5634,
    "landmarks.code_mirror_neighbour_f1": 0.2771,
    "landmarks.patch_shift_distance": 3.1324,
    "codes.mean_0": 0.3289,
    "codes.spread_1": 1.0948,
}


def test_the_values_are_those_the_shipped_table_was_made_of(digits_subset):
    """Raise FEATURES_VERSION and fit the predictor anew where one of these changes."""
    found = describe(digits_subset, load_encoder(assets_dir() / "encoders" / "digits"))
    assert features.FEATURES_VERSION == 2
    assert {name: found[name] for name in GOLDEN} == pytest.approx(GOLDEN, abs=2e-3)


@settings(max_examples=10)
@given(data=st.data())
def test_no_feature_is_ever_missing(data):
    """One image, one class, one pixel, blank images: every feature is a finite number."""
    n = data.draw(st.integers(1, 6), "images")
    classes = data.draw(st.integers(1, 3), "classes")
    channels = data.draw(st.sampled_from([1, 3]), "channels")
    height, width = data.draw(st.tuples(st.integers(1, 7), st.integers(1, 7)), "size")
    labels = torch.tensor(data.draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n), "labels"))
    if data.draw(st.booleans(), "blank"):
        pixels = torch.full((n, channels, height, width), data.draw(st.sampled_from([0, 7, 255]), "grey"))
    else:
        generator = torch.Generator().manual_seed(0)
        pixels = torch.randint(0, 256, (n, channels, height, width), generator=generator)
    found = describe(subset_of(Split(pixels.to(torch.uint8), labels), classes), Pixels())
    assert [name for name, value in found.items() if not math.isfinite(value)] == []
