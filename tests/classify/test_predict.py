"""What a classifier sees: files, folders, CSV and JSON; and what is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.ExifTags import Base
from safetensors.torch import load_file, save_file
from tests.offline_runs import shows
from tests.reported import reported

import ohlora
from ohlora.classify.predicting import as_csv, thumbnail
from ohlora.door import named_job
from ohlora.errors import OhloraError
from ohlora.positional import quoted
from ohlora.trials.classifier import ImageClassifier, Prediction


@pytest.fixture(scope="module")
def classifier(model) -> ImageClassifier:
    loaded = ohlora.load(model)
    assert isinstance(loaded, ImageClassifier)
    return loaded


def test_files_and_folders(classifier, photos):
    seen = classifier.predict([photos / "dog" / "1.png", photos / "cat", photos / "dog" / "1.png"])
    assert [one.file for one in (seen[0], seen[-1])] == 2 * [str(photos / "dog" / "1.png")]
    assert seen[0] == seen[-1]
    assert len(seen) == 26
    assert len(classifier.predict([photos / "cat", photos, photos / "dog"])) == 72
    for one in seen:
        assert sum(one.probabilities.values()) == pytest.approx(1)
        assert one.probability == max(one.probabilities.values()) == one.probabilities[one.label]
    (alone,) = classifier.predict(str(photos / "dog" / "1.png"))
    assert (alone.file, alone.label) == (seen[0].file, seen[0].label)
    assert alone.probabilities == pytest.approx(seen[0].probabilities, abs=1e-6)


def test_a_file_is_read_as_it_was_trained_on(classifier, photos):
    """Through the folder reader and through `read` the same pixels."""
    from ohlora.datasets.readers import Folder

    data = Folder(str(photos), 8).load()
    files = [photos / path for path in data.test_files]
    pictures = classifier.read(files)
    assert torch.equal(torch.stack(list(pictures.values())), data.test.images)


def test_deep_pictures_keep_the_scale_of_the_training_images(class_folders, tmp_path):
    """A dark 12-bit picture stays dark: white is that of the whole folder, not its own."""
    folder = class_folders({"dark": 0, "light": 0})
    for level, name in ((200, "dark"), (4000, "light")):
        for i in range(6):
            Image.fromarray(np.full((8, 8), level + i, dtype=np.uint16)).save(folder / name / f"{i}.png")
    settings = ["image_size=8", "size=smoke", "hardware.device=cpu"]
    classifier = ohlora.fit(folder, tmp_path / "model", settings=settings)
    assert list(classifier.card["scales"].values()) == [4095]
    dark, light = classifier.read([folder / "dark" / "0.png", folder / "light" / "0.png"]).values()
    assert int(dark.max()) < 16
    assert int(light.min()) > 240


def test_a_thumbnail_is_what_was_predicted_on(tmp_path):
    """Upright, and of a deep picture not the top of its values alone."""
    photo = Image.new("RGB", (40, 20), "red")
    photo.paste("blue", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[Base.Orientation] = 6  # to be turned clockwise
    photo.save(tmp_path / "a.png", exif=exif)
    upright = thumbnail(str(tmp_path / "a.png"))
    assert upright.size == (20, 40)
    assert upright.getpixel((10, 5)) == (0, 0, 255)
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    assert len(np.unique(np.asarray(thumbnail(str(tmp_path / "deep.png"))))) > 60


def test_what_is_missing_or_no_image(classifier, photos, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    (tmp_path / "empty").mkdir()
    with pytest.raises(OhloraError, match=r"1 of 2 files cannot be read as images: .*a\.png"):
        classifier.predict([tmp_path / "a.png", photos / "dog" / "1.png"])
    assert len(classifier.predict([tmp_path / "a.png", photos / "dog" / "1.png"], skip_unreadable=True)) == 1
    with pytest.raises(OhloraError, match="none of the files"):
        classifier.predict(tmp_path / "a.png", skip_unreadable=True)
    with pytest.raises(OhloraError, match=r"b\.png: no such file or folder; .*empty has no images in it"):
        classifier.predict([tmp_path / "b.png", tmp_path / "empty"])
    with pytest.raises(OhloraError, match="no image files were named"):
        classifier.predict([])
    with pytest.raises(
        OhloraError, match=r"^None is no path: name an image .*; x{150}.*: File name too long$"
    ):
        classifier.predict([None, "x" * 5000])


def test_probabilities_of_many_classes_add_up_in_csv():
    every = torch.randn(200, generator=torch.Generator().manual_seed(0), dtype=torch.float64).softmax(0)
    seen = Prediction("a.png", "0", float(every[0]), {str(k): float(every[k]) for k in range(200)})
    (_, row) = csv.reader(as_csv([seen], list(seen.probabilities)).splitlines())
    assert sum(map(float, row[3:])) == pytest.approx(1, abs=1e-5)


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="names are Unicode there")
def test_a_name_that_is_not_utf8(classifier, photos, tmp_path):
    """No CSV could name it."""
    shutil.copy(photos / "dog" / "1.png", os.fsencode(tmp_path) + b"/caf\xe9.png")
    with pytest.raises(OhloraError, match=r"whose names are not UTF-8: .*caf\\udce9\.png; rename them"):
        classifier.predict(tmp_path)


class TestTheFileItWrites:
    def predict(self, model, files, out):
        listed = ",".join(quoted(str(file)) for file in files)
        words = [f"classifier={quoted(str(model))}", f"files=[{listed}]", f"out={quoted(str(out))}"]
        named_job("predict", words).run()

    def test_replaces_no_image_that_is_asked_about(self, model, photos):
        image = photos / "dog" / "1.png"
        before = image.read_bytes()
        for files in ([image], [photos]):
            with pytest.raises(OhloraError, match=r"out=.*1\.png is one of the images"):
                self.predict(model, files, image)
        assert image.read_bytes() == before

    def test_nor_anything_of_the_classifier(self, model, photos):
        with pytest.raises(OhloraError, match="lies in the classifier's folder"):
            self.predict(model, [photos], model / "classifier.json")

    def test_is_looked_at_before_the_work(self, model, photos, tmp_path, monkeypatch):
        monkeypatch.setattr(ImageClassifier, "predict", None)
        (tmp_path / "file").touch()
        with pytest.raises(OhloraError, match=r"out=.* is a folder; name a file"):
            self.predict(model, [photos], tmp_path)
        with pytest.raises(OhloraError, match=r"out=.*file/a\.csv cannot be written: "):
            self.predict(model, [photos], tmp_path / "file" / "a.csv")

    def test_everything_wrong_is_told_at_once(self, photos, tmp_path):
        told = r"no image_classifier at .*nope.*; .*nope\.png: no such file or folder; out=.* is a folder"
        with pytest.raises(OhloraError, match=told):
            self.predict(tmp_path / "nope", [tmp_path / "nope.png"], tmp_path)


class TestOnTheCommandLine:
    @pytest.mark.slow
    def test_csv(self, door, model, photos, tmp_path):
        files = (str(photos / "dog" / "1.png"), str(photos / "개"))
        done = door("predict", str(model), *files, "logger=wandb", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        shows(tmp_path, "Predictions")
        assert reported(model, "Classifiers").summary["classes"] == 3
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        assert len(rows) == 25
        assert list(rows[0]) == ["file", "class", "probability", "p(cat)", "p(dog)", "p(개)"]
        assert sum(float(rows[0][name]) for name in ("p(cat)", "p(dog)", "p(개)")) == pytest.approx(
            1, abs=1e-3
        )

    @pytest.mark.slow
    def test_json_into_a_file(self, door, model, photos, tmp_path):
        words = (str(model), str(photos / "dog"), "format=json", "out=seen here.json")
        done = door("predict", *words, cwd=tmp_path)
        assert done.stdout == "24 images: seen here.json\n", done.stderr
        rows = json.loads((tmp_path / "seen here.json").read_text(encoding="utf-8"))
        assert list(rows[0]) == ["file", "class", "probability", "probabilities"]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("words", "told"),
        [
            ((), "classifier=null: name the folder that fit has left"),
            (("MODEL",), "files=[]: name image files or folders"),
            (("MODEL", "nothere.png"), "nothere.png: no such file or folder"),
            (("nothere", "PHOTOS"), "no image_classifier at nothere"),
            (("MODEL", "PHOTOS", "format=xml"), "format=xml is not one of csv | json"),
        ],
        ids=str,
    )
    def test_what_is_wrong_is_one_line(self, door, model, photos, tmp_path, words, told):
        meant = {"MODEL": str(model), "PHOTOS": str(photos)}
        done = door("predict", *(meant.get(word, word) for word in words), cwd=tmp_path)
        assert done.returncode == 2
        assert done.stdout == ""
        assert told in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1

    @pytest.mark.slow
    def test_advice_as_json_is_nothing_but_json(self, door, photos, tmp_path):
        done = door("advise", str(photos), "image_size=8", "format=json", "logger=wandb", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        shows(tmp_path, "Advice")
        assert reported(tmp_path, "Advice").summary["classes"] == 3
        assert json.loads(done.stdout)["params"]
        (out,) = (tmp_path / "outputs" / "advice").iterdir()
        assert {"advice.json", "advice.png"} <= {path.name for path in out.iterdir()}


class TestAModelFromElsewhere:
    @pytest.fixture
    def copy(self, model, tmp_path):
        return shutil.copytree(model, tmp_path / "copy")

    def change(self, folder, **changes):
        card = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
        (folder / "classifier.json").write_text(json.dumps(card | changes), encoding="utf-8")

    @pytest.mark.parametrize(
        "changes",
        [
            {"class_names": ["개", "dog", "cat"]},
            {"scales": {"I": 4095.0}},
            {"class_names": ["a"]},
            {"class_names": ["a", "a", "b"]},
            {"class_names": ["a", "b", "c", "d"]},
            {"class_names": "abc"},
            {"image_shape": [2, 8, 8]},
            {"image_shape": [1, 10**9, 8]},
            {"image_shape": None},
            {"mean": []},
            {"mean": [0.1, 0.2]},
            {"std": [0.0]},
            {"std": [float("nan")]},
            {"params": {}},
            {"params": {"activation": "__import__"}},
            {"protocol": {}},
            {"protocol": {"network": {"widths": [10**7, 10**7]}}},
            {"scales": {"I": -1.0}},
            {"format": 99},
            {"kind": "something"},
        ],
        ids=str,
    )
    def test_a_card_that_does_not_fit_is_refused(self, copy, changes):
        self.change(copy, **changes)
        with pytest.raises(OhloraError, match="classifier"):
            ohlora.load(copy)

    def test_a_card_of_before_there_was_a_digest_is_read(self, copy):
        card = json.loads((copy / "classifier.json").read_text(encoding="utf-8"))
        del card["sha256"]
        (copy / "classifier.json").write_text(json.dumps(card), encoding="utf-8")
        assert ohlora.load(copy).class_names == ("cat", "dog", "개")  # type: ignore[union-attr]

    def test_wide_layers_take_no_memory(self, copy, model):
        card = json.loads((model / "classifier.json").read_text(encoding="utf-8"))
        network = card["protocol"]["network"] | {"widths": [10**6, 10**6]}
        self.change(copy, protocol={"network": network})
        with pytest.raises(OhloraError, match="of no classifier"):
            ohlora.load(copy)

    def test_other_weights(self, copy):
        weights = load_file(copy / "classifier.safetensors")
        save_file({name: tensor * 2 for name, tensor in weights.items()}, copy / "classifier.safetensors")
        with pytest.raises(OhloraError, match="is not the file its card"):
            ohlora.load(copy)

    def test_a_folder_of_nothing(self, tmp_path):
        with pytest.raises(OhloraError, match=r"holds neither a classifier .* nor a predictor"):
            ohlora.load(tmp_path)
