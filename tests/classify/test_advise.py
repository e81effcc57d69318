"""Advice for a folder: as an object, as text, JSON and a picture."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import ohlora
from ohlora.errors import OhloraError
from ohlora.figures import plt
from ohlora.predictor.advice_report import draw_effects, effect_words, few_tested
from ohlora.predictor.explain import departure, effects, nearest_known
from ohlora.predictor.search import NO_DIFFERENCE, expected, search
from ohlora.space import Space


@pytest.fixture(scope="module")
def advice(photos):
    return ohlora.advise(photos, image_size=8)


def features_of(predictor, row):
    """The features of a known subset, by name."""
    raw = predictor.known[row] * predictor.std + predictor.mean
    return dict(zip(predictor.feature_names, raw.tolist(), strict=True))


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


def test_it_says_what_moved_the_choice(advice):
    moved = {"learning_rate": 0.01, "optimizer": "adam"}
    advice = replace(advice, params={**advice.predictor.card["fixed_answer"], **moved})
    said = advice.as_json()["fixed_answer"]
    assert (said["dataset"], said["params"]) == (None, advice.predictor.card["fixed_answer"])
    assert {change["name"]: change["value"] for change in said["changed"]} == moved
    vector = advice.predictor.vector(advice.features)

    def f1(*names):
        params = {**said["params"], **{name: moved[name] for name in names}}
        return expected(advice.predictor, advice.space, vector, params).predicted_f1

    rate = next(change for change in said["changed"] if change["name"] == "learning_rate")
    assert rate["alone"] == pytest.approx(f1("learning_rate") - f1(), abs=1e-4)
    assert rate["with_the_others"] == pytest.approx(f1(*moved) - f1("optimizer"), abs=1e-4)
    assert said["gain"] == pytest.approx(f1(*moved) - f1(), abs=1e-4)
    told = str(advice)
    assert "from the fixed answer of all datasets" in told
    assert f"all together {said['gain']:+.3f}:" in told
    assert "adam, not adamw" in told
    assert f"{rate['alone']:+.3f} alone, {rate['with_the_others']:+.3f} with the others" in told


def test_a_choice_that_is_the_fixed_answer_says_so(advice):
    predictor = advice.predictor
    row = predictor.known_datasets.index("mnist")
    answer = predictor.card["fixed_answers"]["mnist"]
    known = replace(advice, params=answer, features=features_of(predictor, row))
    assert "what moved the choice: nothing, it is the fixed answer of MNIST" in str(known)
    assert known.as_json()["fixed_answer"]["changed"] == []


def test_a_hyperparameter_fixed_elsewhere_is_no_part_of_the_fixed_answer(advice):
    predictor = advice.predictor
    answer = {**predictor.card["fixed_answer"], "batch_size": 32}
    space = Space({**advice.space.within, "batch_size": 32}, advice.space.within)
    given = replace(advice, params=answer, space=space)
    assert "nothing, it is the fixed answer of all datasets" in str(given)
    assert "the known subsets), but for batch_size" in str(given)
    assert given.as_json()["fixed_answer"]["not_free"] == ["batch_size"]


def test_what_leaves_the_fixed_answer_is_never_said_to_make_no_difference(advice):
    """She puts back what makes no difference: what she leaves must not read as chance."""
    predictor, space = advice.predictor, advice.space
    small = 0
    for row in range(0, len(predictor.known), 20):
        vector = (predictor.known[row : row + 1] + predictor.known[row - 7][None]) / 2
        params = search(predictor, space, vector, seed=0).params
        away = departure(predictor, space, vector, params)
        assert away is not None
        fixed = expected(predictor, space, vector, away.fixed).predicted_f1
        chosen = expected(predictor, space, vector, params).predicted_f1
        assert away.gain == pytest.approx(chosen - fixed, abs=1e-4)
        for effect in effects(predictor, space, vector, params):
            left = effect.name in away.names
            told = effect_words(effect, left)
            assert left == (params[effect.name] != away.fixed[effect.name])
            assert ("no difference" in told) == (effect.gain <= NO_DIFFERENCE and not left), (row, told)
            small += left and effect.gain <= NO_DIFFERENCE
    assert small, "none of these subsets asks for a change that is small by itself: look at others"


def test_the_picture(advice, tmp_path):
    advice = replace(advice, params={**advice.params, "learning_rate": 0.01})
    with Image.open(advice.save_picture(tmp_path / "advice.png")) as picture:
        assert picture.width > 900


def test_the_legend_covers_no_row(advice):
    figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
    draw_effects(advice, axes)
    figure.draw_without_rendering()
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_window_extent().y1 < axes.get_window_extent().y0
    plt.close(figure)


def test_one_is_told_as_one():
    assert few_tested(1) == ["1 test image: one is worth 1"]
    assert few_tested(2) == ["2 test images: one is worth 0.5"]


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
