"""Advice for a folder: as an object, as text, JSON and a picture."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from PIL import Image

import ohlora
from ohlora.errors import OhloraError
from ohlora.predictor.explain import effects, nearest_known


@pytest.fixture(scope="module")
def advice(photos):
    return ohlora.advise(photos, image_size=8)


def test_it_explains_itself(advice):
    told = str(advice)
    assert told.startswith(
        "photos: 45 images to train, 12 to validate, 15 to test; 3 classes, 15 to train on"
    )
    for name, value in advice.params.items():
        assert name in told
        assert (f"{value:.3g}" if isinstance(value, float) else str(value)) in told
    assert "95 % from" in told
    assert "25,159 trainings" in told
    assert "note: 15 test images: one is worth 0.067" in told
    assert "nan" not in told.lower()


def test_as_data_it_says_the_same(advice):
    data = json.loads(json.dumps(advice.as_json(), allow_nan=False))
    assert data["params"] == advice.params
    low, high = data["expected"]["interval_95"]
    assert 0 <= low <= data["expected"]["macro_f1"] <= high <= 1
    assert {effect["name"] for effect in data["effects"]} == set(advice.space.free)
    assert len(data["nearest_known"]) == 5
    assert data["images"]["classes"] == {"cat": 15, "dog": 15, "개": 15}


def test_the_picture(advice, tmp_path):
    with Image.open(advice.save_picture(tmp_path / "advice.png")) as picture:
        assert picture.width > 900


def test_an_effect_is_one_change_at_a_time(advice):
    predictor, vector = advice.predictor, advice.predictor.vector(advice.features)
    found = effects(predictor, advice.space, vector, advice.params)
    assert [one.gain for one in found] == sorted((one.gain for one in found), reverse=True)
    effect = next(one for one in found if one.name == "learning_rate")
    value, f1 = effect.worst
    encoded = [advice.space.encode({**advice.params, "learning_rate": value})]
    assert float(predictor.on(vector).members(np.array(encoded)).mean()) == pytest.approx(f1, abs=1e-5)
    assert effect.gain > 0.02


def test_a_known_subset_is_nearest_to_itself(advice):
    predictor = advice.predictor
    first = nearest_known(predictor, predictor.known[7:8])[0]
    assert first.distance == pytest.approx(0, abs=1e-3)
    assert first.dataset == predictor.known_datasets[7]
    assert first.images is not None
    assert first.images > 10


@pytest.mark.parametrize(
    ("counts", "few"),
    [
        ({"a": 3, "b": 3, "c": 3}, "class a has 1 image to train on (2 more have fewer than 10)"),
        ({"a": 3, "b": 40}, "class a has 1 image to train on"),
        ({f"{k:03d}": 3 for k in range(200)}, "class 000 has 1 image to train on (199 more"),
    ],
    ids=["three a class", "one small class", "200 classes"],
)
def test_few_images_are_said_and_never_nan(class_folders, counts, few):
    advice = ohlora.advise(class_folders(counts), image_size=8)
    assert few in str(advice)
    assert all(map(math.isfinite, (*advice.interval, advice.predicted_f1, *advice.features.values())))


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"a": 8, "b": 1}, "fewer than 3 images to learn from: b 1"),
        ({"a": 8, "b": 8, "c": 0}, "no images in: c"),
        ({"a": 8}, "1 class folder with images"),
        ({}, "no such folder|not a directory"),
    ],
    ids=["one image", "an empty class", "one class", "nothing"],
)
def test_too_little_is_one_line(class_folders, counts, told):
    with pytest.raises(OhloraError, match=told) as caught:
        ohlora.advise(class_folders(counts), image_size=8)
    assert "\n" not in str(caught.value)


def test_blank_images(class_folders):
    folder = class_folders({"a": 4, "b": 4})
    for file in folder.rglob("*.png"):
        Image.new("L", (8, 8), 90).save(file)
    assert 0 <= ohlora.advise(folder, image_size=8).predicted_f1 <= 1
