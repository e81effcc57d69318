"""What `fit` leaves, and what it does with few images."""

from __future__ import annotations

import csv
import json
from functools import partial
from itertools import product
from pathlib import Path

import hydra
import numpy as np
import pytest
import torch
from PIL import Image
from tests.classify.conftest import QUICK
from tests.offline_runs import shows

import ohlora
from ohlora.classify import fitting
from ohlora.classify.choosing import choose, proposed
from ohlora.classify.fitting import fit
from ohlora.classify.interval import f1_interval
from ohlora.door import named_job
from ohlora.errors import OhloraError
from ohlora.trials.drivers import Check, LastWeights

LEFT = {
    *("classifier.safetensors", "classifier.json", "labels.txt", "advice.json", "curve.png", "confusion.png"),
    *("confusion.csv", "mistakes.csv"),
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory, monkeypatch):
    """Runs leave their folders there."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))


def job(folder, *settings):
    return named_job("fit", [f"folder={folder}", *QUICK, *settings, "paths.run_dir=run"])


def test_inside_a_program_of_hydra_s_own(tmp_path):
    """Whose Hydra is left as it was."""
    (tmp_path / "theirs.yaml").write_text("a: 1")
    with hydra.initialize_config_dir(str(tmp_path), version_base="1.2"):
        assert job(tmp_path).folder == str(tmp_path)
        assert hydra.compose("theirs").a == 1


def test_the_folder(model):
    assert {path.name for path in model.iterdir()} - {"mistakes.png"} == LEFT
    assert (model / "labels.txt").read_text(encoding="utf-8") == "cat\ndog\n개\n"
    header, *rows = csv.reader((model / "confusion.csv").read_text(encoding="utf-8").splitlines())
    assert header[1:] == ["cat", "dog", "개"]
    assert [sum(map(int, row[1:])) for row in rows] == [5, 5, 5]
    assert json.loads((model / "advice.json").read_text(encoding="utf-8"))["params"]


def test_the_card(model):
    card = json.loads((model / "classifier.json").read_text(encoding="utf-8"))
    assert card["kind"] == "image_classifier"
    low, high = card["scores"]["test_f1_95"]
    assert 0 <= low < high <= 1
    assert card["scores"]["images"] == {"train": 45, "val": 12, "test": 15}
    assert card["scores"]["expected_f1"] is None  # size=smoke trains otherwise than she expects
    assert card["training"]["learned_from"] == "train and val"


def test_mistakes_name_their_files(class_folders, tmp_path):
    folder = class_folders({"a": 30, "b": 30})
    for file in [*folder.rglob("*.png")]:  # nothing to tell them by
        Image.effect_noise((8, 8), 200).save(file)
    ohlora.fit(folder, tmp_path / "model", settings=QUICK)
    rows = list(
        csv.DictReader((tmp_path / "model" / "mistakes.csv").read_text(encoding="utf-8").splitlines())
    )
    assert rows
    for row in rows:
        assert (folder / row["file"]).is_file()
        assert Path(row["file"]).parts[0] == row["true"] != row["predicted"]
        assert 0.5 <= float(row["probability"]) <= 1
    with Image.open(tmp_path / "model" / "mistakes.png") as picture:
        assert picture.width >= 420


def test_the_same_again(photos):
    first, second = (fit(job(photos, "seed=3")) for _ in range(2))
    assert torch.equal(first.test_logits, second.test_logits)
    assert first.params == second.params


def test_trials_are_proposed_one_after_the_other(photos):
    told = []
    fitted = fit(job(photos, "trials=3"), told.append)
    assert [line.split(":")[0] for line in told[1:]] == ["trial 1", "trial 2", "trial 3", "chosen"]
    assert fitted.tried[0].params == fitted.advice.params
    assert len({str(one.params) for one in fitted.tried}) == 3
    assert fitted.params == proposed(fitted.advice, fitted.tried).params
    trials = fitted.classifier.card["training"]["trials"]
    assert [one["val_f1"] for one in trials] == [one.val_f1 for one in fitted.tried]


def test_what_a_trial_has_trained_is_not_trained_again(photos, monkeypatch):
    done, train = [], fitting.trained

    def counted(*given):
        done.append(given[3])
        return train(*given)

    monkeypatch.setattr(fitting, "trained", counted)
    fitted = fit(job(photos, "trials=2"))
    assert done == ["trial 1", "trial 2", "training on all images"]
    taken = [one.params for one in fitted.tried].index(fitted.params)
    assert fitted.classifier.card["scores"]["val_f1"] == fitted.tried[taken].val_f1


def test_what_is_stopped_keeps_its_trials(photos, monkeypatch):
    """As by Ctrl-C in the third: hours of trials may be behind it."""
    started, train = [], fitting.trained

    def stopped(*given):
        started.append(given[3])
        if len(started) == 3:
            raise KeyboardInterrupt
        return train(*given)

    monkeypatch.setattr(fitting, "trained", stopped)
    stopped_job = job(photos, "trials=3")
    assert stopped_job.kept() == "nothing was kept"
    with pytest.raises(KeyboardInterrupt):
        fit(stopped_job)
    assert stopped_job.kept() == f"the finished trials (2) are in {Path('run') / 'trials.jsonl'}"
    rows = [json.loads(line) for line in Path("run", "trials.jsonl").read_text().splitlines()]
    assert [set(row) for row in rows] == 2 * [{"params", "val_f1"}]
    assert rows[0]["params"] != rows[1]["params"]


def test_trials_learn_from_those_before(photos):
    advice = ohlora.advise(photos, image_size=8)
    good = choose(advice, 3, lambda params, number: 0.9)
    bad = choose(advice, 3, lambda params, number: 0.2)
    assert good[0] == type(good[0])(advice.params, 0.9)
    assert good[2].params != bad[2].params


def test_what_is_fixed_stays(photos):
    fitted = fit(job(photos, "params.learning_rate=1e-3", "params.batch_size=16", "trials=2"))
    for params in (fitted.params, fitted.advice.params, *(one.params for one in fitted.tried)):
        assert (params["learning_rate"], params["batch_size"]) == (1e-3, 16)


def test_without_all_images_validation_images_are_not_learned(photos, monkeypatch):
    seen = []
    real = fitting.train

    def watched(params, subset, *rest, **settings):
        seen.append(len(subset.train))
        return real(params, subset, *rest, **settings)

    monkeypatch.setattr(fitting, "train", watched)
    fit(job(photos, "all_images=false"))
    assert seen == [45]
    fit(job(photos))
    assert seen == [45, 45, 57]


def test_a_lucky_early_validation_is_not_kept():
    stopping = LastWeights()
    for step, loss in enumerate((0.1, 0.9, 0.8)):
        assert not stopping.see(dict, Check(step, 1.0, loss, 1 - loss))
    assert stopping.weights is None  # the network keeps those it has at the end
    assert stopping.val_f1 == pytest.approx(0.2)
    assert len(stopping.curve) == 3
    assert stopping.see(dict, Check(3, 1.0, float("nan"), 0.1))
    assert stopping.diverged


def test_a_trial_out_of_bounds_is_a_result(photos, monkeypatch):
    def broken_first(*given, **settings):
        training = real(*given, **settings)
        if not trained:
            with torch.no_grad():
                training.module.head.weight.fill_(float("nan"))
        trained.append(training)
        return training

    real, trained, told = fitting.train, [], []
    monkeypatch.setattr(fitting, "train", broken_first)
    fitted = fit(job(photos, "trials=2"), told.append)
    assert fitted.tried[0].val_f1 == 0
    assert any("trial 1: out of bounds" in line for line in told)
    assert np.isfinite(fitted.test_f1)


def test_a_training_out_of_bounds_is_one_line(photos, monkeypatch):
    def broken(*given, **settings):
        training = real(*given, **settings)
        with torch.no_grad():
            training.module.head.weight.fill_(float("nan"))
        return training

    real = fitting.train
    monkeypatch.setattr(fitting, "train", broken)
    with pytest.raises(OhloraError, match=r"out of bounds .* try a lower one, params\.learning_rate"):
        fit(job(photos))


@pytest.mark.parametrize(
    "counts",
    [{"a": 3, "b": 3}, pytest.param({f"{k:03d}": 3 for k in range(200)}, marks=pytest.mark.slow)],
    ids=len,
)
def test_very_few_images(class_folders, counts, tmp_path):
    folder = class_folders(counts)
    classifier = ohlora.fit(folder, tmp_path / "model", settings=QUICK)
    scores = classifier.card["scores"]
    low, high = scores["test_f1_95"]
    assert 0 <= low <= high <= 1
    assert 0 <= scores["test_f1"] <= 1
    with Image.open(tmp_path / "model" / "confusion.png") as picture:
        assert max(picture.size) <= 2000


def how_often(counts: int, images: int, right: np.ndarray) -> tuple[float, float]:
    """Share of 200 drawn confusion matrices whose interval holds the true macro-F1, and its mean width."""
    rng = np.random.default_rng(5)
    shares = np.repeat(((1 - right) / (counts - 1))[:, None], counts, axis=1)
    np.fill_diagonal(shares, right)
    true = float(np.mean(2 * right / (1 + shares.sum(axis=0))))
    drawn = (np.stack([rng.multinomial(images, row) for row in shares]) for _ in range(200))
    found = np.array([f1_interval(matrix) for matrix in drawn])
    return float(((found[:, 0] <= true) & (true <= found[:, 1])).mean()), float(np.ptp(found, axis=1).mean())


class TestInterval:
    @pytest.mark.parametrize(
        ("sizes", "rights"),
        [
            (((2, 10), (5, 6)), (0.8, 0.95)),
            pytest.param(
                ((2, 2), (2, 10), (3, 6), (5, 6), (3, 60), (10, 20), (2, 100)),
                (0.6, 0.8, 0.9, 0.95, 0.99, None),
                marks=pytest.mark.slow,
            ),
        ],
        ids=["few", "all"],
    )
    def test_it_holds_the_true_score_about_as_often_as_it_says(self, sizes, rights):
        """Where few images are tested, and where nearly all of them are right: what docs/advise.md says."""
        rows = []
        for (classes, images), right in product(sizes, rights):
            each = np.full(classes, right) if right else np.linspace(0.6, 0.98, classes)
            rows.append((classes, images, right or "0.6 to 0.98", *how_often(classes, images, each)))
            print("{} x {}, right {}: coverage {:.3f}, width {:.2f}".format(*rows[-1]))
        coverage = np.array([row[3] for row in rows])
        print(f"mean {coverage.mean():.3f}, least {coverage.min():.3f}")
        assert 0.93 <= coverage.mean() <= 0.97
        assert coverage.min() >= 0.9

    def test_18_of_18_is_what_the_binomial_distribution_says(self):
        assert f1_interval(np.diag([6, 6, 6]))[0] == pytest.approx(0.81, abs=0.06)  # Clopper-Pearson

    def test_four_of_four_may_be_luck(self):
        low, high = f1_interval(np.diag([2, 2]))
        assert low < 0.75
        assert high > 0.98

    def test_many_images_tell_much(self):
        low, high = f1_interval(np.array([[900, 100], [100, 900]]))
        assert low == pytest.approx(0.886, abs=0.01)
        assert high == pytest.approx(0.913, abs=0.01)


class TestWhereItIsKept:
    def test_not_among_other_files(self, photos, tmp_path):
        (tmp_path / "thesis.txt").touch()
        with pytest.raises(OhloraError, match="holds other files: name a new folder"):
            ohlora.fit(photos, tmp_path, settings=QUICK)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]

    def test_not_in_a_file(self, photos, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(OhloraError, match="is a file"):
            ohlora.fit(photos, tmp_path / "file", settings=QUICK)

    @pytest.mark.parametrize("place", ["a1.png/model", "a1.png/deeper/model", "x" * 5000])
    def test_not_where_nothing_can_be_written(self, photos, tmp_path, place):
        """Found before anything is read, and nothing is left behind of looking."""
        (tmp_path / "a1.png").touch()
        with pytest.raises(OhloraError, match=r"save_to=.* cannot be written: ") as caught:
            ohlora.fit(photos, tmp_path / place, trials=-1, settings=QUICK)
        assert "trials=-1 is not" in str(caught.value)
        assert "output_dir" not in str(caught.value)
        assert [path.name for path in tmp_path.iterdir()] == ["a1.png"]

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="Linux alone makes no folders there")
    def test_not_where_the_system_makes_no_folders(self, photos):
        with pytest.raises(OhloraError, match=r"save_to=/proc/nope/x cannot be written: No such file"):
            ohlora.fit(photos, "/proc/nope/x", settings=QUICK)

    def test_not_in_a_folder_without_permission(self, photos, tmp_path, monkeypatch):
        def refused(*given, dir, **named):
            raise PermissionError(13, "Permission denied", str(dir))

        monkeypatch.setattr("tempfile.TemporaryFile", refused)  # root may write anywhere
        with pytest.raises(OhloraError, match="model cannot be written: Permission denied"):
            ohlora.fit(photos, tmp_path / "new" / "model", settings=QUICK)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("in_python", [True, False])
    def test_a_place_lost_during_the_training_loses_no_classifier(
        self, photos, tmp_path, monkeypatch, in_python
    ):
        place, run = tmp_path / "disk" / "model", tmp_path / "run"

        def lost(*given, **settings):
            trained = real(*given, **settings)
            (tmp_path / "disk").touch()
            return trained

        real = fitting.train
        monkeypatch.setattr(fitting, "train", lost)
        monkeypatch.setattr("tempfile.mkdtemp", lambda **named: str(run))
        verb = partial(ohlora.fit, photos, place, settings=QUICK)
        if not in_python:
            settings = [*QUICK, f"save_to={place}", "all_images=false", f"paths.run_dir={run}"]
            verb = named_job("fit", [f"folder={photos}", *settings]).run
        told = r"save_to=.*model: Not a directory; the classifier is in .*run"
        with pytest.raises(OhloraError, match=told):
            verb()
        assert ohlora.load(run).card["kind"] == "image_classifier"  # type: ignore[union-attr]

    def test_not_among_the_images(self, photos):
        with pytest.raises(OhloraError, match="lies among the images it learns from"):
            ohlora.fit(photos, photos / "model", settings=QUICK)
        assert not (photos / "model").exists()

    def test_nor_does_a_run_leave_its_folder_there(self, class_folders):
        """As `ohlora fit .` would: the next run would take it for a class."""
        folder = class_folders({"a": 4, "b": 4})
        run = folder / "outputs" / "fit" / "now"
        run.mkdir(parents=True)
        with pytest.raises(OhloraError, match=r"would lie among the images: .* paths\.output_dir=DIR"):
            fit(named_job("fit", [f"folder={folder}", *QUICK, f"paths.run_dir={run}"]))
        assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]

    @pytest.mark.parametrize("place", [".", "a"])
    def test_nor_takes_images_for_its_folder(self, class_folders, place):
        """As `ohlora fit . hydra.run.dir=.` would."""
        folder = class_folders({"a": 4, "b": 4})
        (folder / place / ".hydra").mkdir()
        (folder / place / ".hydra" / "config.yaml").touch()
        with pytest.raises(OhloraError, match="would lie among the images"):
            fit(named_job("fit", [f"folder={folder}", *QUICK, f"paths.run_dir={folder / place}"]))
        assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]
        assert [len(list((folder / name).iterdir())) for name in "ab"] == [4, 4]

    def test_in_place_of_an_earlier_classifier(self, photos, tmp_path):
        for seed in (1, 2):
            ohlora.fit(photos, tmp_path / "model", seed=seed, settings=QUICK)
        assert ohlora.load(tmp_path / "model").card["training"]["seed"] == 2  # type: ignore[union-attr]


def test_onnx_without_its_packages(photos, monkeypatch):
    monkeypatch.setattr("ohlora.errors.find_spec", lambda name: None)
    with pytest.raises(OhloraError, match=r'onnx and onnxscript not installed: pip install "ohlora\[onnx\]"'):
        fit(job(photos, "onnx=true"))


def test_onnx_with_an_old_torch(photos, monkeypatch):
    monkeypatch.setattr("ohlora.errors.find_spec", lambda name: True)
    monkeypatch.setattr(torch, "__version__", "2.6.0+cpu")
    with pytest.raises(OhloraError, match=r"ONNX files need torch 2\.9 or later, not 2\.6\.0"):
        fit(job(photos, "onnx=true"))


@pytest.mark.slow
@pytest.mark.skipif(torch.__version__ < "2.9", reason="torch's exporter is too old")
@pytest.mark.parametrize("size", [8, 30, 50])
def test_onnx_says_the_same(class_folders, tmp_path, size):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    folder = class_folders({"a": 8, "b": 8}, side=size, colour=size == 30)
    settings = [*QUICK, f"image_size={size}", "onnx=true"]
    classifier = ohlora.fit(folder, tmp_path / "model", settings=settings)
    images = torch.randint(0, 256, (5, *classifier.image_shape), dtype=torch.uint8)
    session = runtime.InferenceSession(str(tmp_path / "model" / "classifier.onnx"))
    assert json.loads(session.get_modelmeta().custom_metadata_map["class_names"]) == ["a", "b"]
    (there,) = session.run(["probabilities"], {"images": images.numpy()})
    assert np.abs(there - classifier.probabilities(images).numpy()).max() < 1e-5


def test_python_prints_nothing(photos, capsys):
    ohlora.fit(photos, settings=QUICK)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "")


def test_a_wrong_setting_in_python(photos):
    with pytest.raises(OhloraError, match="trails is not a setting"):
        ohlora.fit(photos, settings=["trails=3"])
    with pytest.raises(OhloraError, match="trials=-1 is not a whole number from 0"):
        ohlora.fit(photos, trials=-1)
    with pytest.raises(OhloraError, match=r"params\.batch_size=33 is not one of"):
        ohlora.fit(photos, settings=["params.batch_size=33"])


@pytest.mark.parametrize("settings", ["longer=4", {"longer": 4}], ids=str)
def test_settings_in_python_are_a_list(photos, settings):
    with pytest.raises(OhloraError, match=r"settings=.* is not a list of settings, such as \[\"longer=4\"\]"):
        ohlora.fit(photos, settings=settings)


def test_what_is_given_twice_in_python(photos, tmp_path):
    for given in (f"folder={tmp_path}", "trials=3", "+seed=1"):
        with pytest.raises(OhloraError, match="the same setting twice; give it once"):
            ohlora.fit(photos, trials=2, seed=0, settings=[given])


@pytest.mark.parametrize("folder", [None, "", 3, ["photos"]], ids=str)
def test_what_is_no_folder_in_python(folder):
    """An empty one would be the current folder."""
    for verb in (ohlora.fit, ohlora.advise):
        with pytest.raises(OhloraError, match=r"is no path: name the folder of class folders$"):
            verb(folder)
    if folder is not None:
        with pytest.raises(OhloraError, match="is no path: name the folder of a classifier"):
            ohlora.load(folder)


@pytest.mark.parametrize("verb", [ohlora.fit, ohlora.advise, ohlora.load])
def test_a_name_too_long_for_the_system(verb):
    with pytest.raises(OhloraError, match="File name too long"):
        verb("x" * 5000)


@pytest.mark.parametrize("verb", [ohlora.fit, ohlora.advise, ohlora.load])
@pytest.mark.parametrize("folder", ["a\0b", "nothere"], ids=repr)
def test_a_folder_that_is_not_there(verb, folder):
    with pytest.raises(OhloraError, match="no such folder"):
        verb(folder)


@pytest.mark.slow
def test_the_whole_journey(class_folders, door, tmp_path):
    """As a person types it: a folder with a space, a `=` and Korean in its name."""
    folder = class_folders({"cat": 40, "dog": 40}, name="내 사진=2 (new)")

    def run(*words: str) -> str:
        done = door(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "expected macro-F1" in run("advise", str(folder), "image_size=8")
    told = run("fit", str(folder), "save_to=my model", "image_size=8", "trials=2", "logger=wandb")
    logged = shows(tmp_path, "Classifiers of your own images")
    assert {"expected_f1", "trials"} <= set(logged.history)
    assert logged.artifacts["classifier"]["type"] == "model"
    assert "trial 2: validation macro-F1" in told
    assert "16 of 16 test images right, one is worth 0.062" in told
    assert "predict 'my model' FILES" in told
    rows = json.loads(run("predict", "my model", str(folder / "dog"), "format=json"))
    assert {row["class"] for row in rows} == {"dog"}
