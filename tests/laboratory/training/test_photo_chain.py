"""The same chain on a folder of pictures with maps and labels, which knows no renderer."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from ohlora.assets import load_model
from ohlora.datasets.pictures import to_picture
from ohlora.errors import OhloraError
from ohlora.face.trained.vae import FaceVae, load_generator
from ohlora.laboratory.measures.scores import SOFT_SCORES
from ohlora.laboratory.networks.vae_learner import Scene, Teachers, VaeLearner

PEOPLE = 120
FEW = ("job.folds=2", "labels=20", "job.pool=200")


@pytest.fixture(scope="module")
def folder(faces_dataset, tmp_path_factory) -> Path:
    """Pictures of 32 px. Of every tenth nothing is told."""
    root = tmp_path_factory.mktemp("photos")
    (root / "maps").mkdir()
    faces = faces_dataset.part("train", PEOPLE).whole()
    rows = []
    for i in range(PEOPLE):
        to_picture(faces.images[i]).save(root / f"{i}.png")
        Image.fromarray(faces.label_maps[i].numpy()).save(root / "maps" / f"{i}.png")
        told = ["", ""] if i % 10 == 0 else [int(faces.gender[i]), i % 3 % 2]
        rows.append([f"{i}.png", *told])
    with (root / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "gender", "quality"], *rows])
    return root


@pytest.fixture(scope="module")
def photo_job(face_job, folder):
    def build(model: str, place: Path, *words: str):
        photos = ("dataset=faces_folder", f"dataset.root={folder}", "dataset.resolution=32")
        return face_job(model, place, *photos, *words)

    return build


@pytest.fixture(scope="module")
def taught_by_photos(photo_job, tmp_path_factory) -> Path:
    """A folder of segmenters, regressors, judges and what they kept, learned from photos."""
    place = tmp_path_factory.mktemp("taught")
    here = (f"save_to={place}", f"paths.face={place}")
    for role in ("teacher", "examiner"):
        photo_job("face_seg", place / f"seg_{role}", f"role={role}", *here).run()
        photo_job("face_props", place / f"props_{role}", f"role={role}", *here).run()
    for target in ("gender", "quality"):
        photo_job("face_attr", place / target, f"target={target}", *FEW, *here).run()
    photo_job("face_filter", place / "filter", "job.least={gender:0.1,quality:0.1}", *here).run()
    return place


@pytest.mark.slow
def test_teachers_know_what_the_folder_tells(taught_by_photos):
    told = json.loads((taught_by_photos / "gender" / "gender.report.json").read_text())
    assert told["domain"].startswith("photos")
    assert 20 < told["scores"]["faces"] < 0.8 * PEOPLE  # labelled, of the training split, less those taught
    assert "bayes_accuracy" not in told["scores"]
    _, card = load_model(taught_by_photos, "regressor_b", "face_regressor")
    assert card["properties"] == list(SOFT_SCORES)
    _, card = load_model(taught_by_photos, "kept", "face_filter")
    assert 0 <= card["scores"]["precision"] <= 1


@pytest.mark.slow
def test_a_generator_of_photos(photo_job, taught_by_photos, tmp_path):
    words = (f"paths.face={taught_by_photos}", f"filtered_faces={taught_by_photos}", "job.watched=8")
    photo_job("face_vae", tmp_path, "variant=photos", *words).run()
    generator = load_generator(tmp_path, "generator_photos")
    assert list(generator.properties) == list(SOFT_SCORES)
    assert generator.properties["hair_colour"].high > 2  # of 255: photos' own units
    scores = json.loads((tmp_path / "generator_photos.report.json").read_text())["scores"]
    assert "rebuilt_over_strangers" in scores
    assert "counterfactual_over_strangers" not in scores
    assert (tmp_path / "generator_photos.png").stat().st_size > 1000
    with pytest.raises(OhloraError, match=r"variant.losses.counterfactual needs twins.*variant=photos"):
        photo_job("face_vae", tmp_path, *words).run()


def test_altered_faces_are_asked_for_what_others_show(photo_job, tmp_path):
    job = photo_job("face_vae", tmp_path, "variant=photos")
    source = job.prepare()
    network = FaceVae(job.network, source.properties, 32, None)
    lesson = {**job.lesson.of_learner(), "seed": 0}
    learner = VaeLearner(
        network, job.variant, Teachers(None, None, None, None), list(source.properties), 0.9, **lesson
    )
    faces = source.part("train", 6).faces(torch.arange(6))
    scene = Scene(learner, faces, torch.Generator().manual_seed(0))
    assert len(scene.images) == 6
    assert torch.equal(scene.twin_asked, faces.properties.roll(1, 0))


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("face_vae", "variant=photos"),
        ("face_props", "role=examiner"),
        ("face_attr", "target=gender", *FEW),
    ],
)
def test_networks_of_renders_teach_nothing_about_photos(photo_job, taught, tmp_path, words):
    model, *settings = words
    with pytest.raises(
        OhloraError, match=r"learned from rendered faces, but these are photos: give .*paths\.face"
    ):
        photo_job(model, tmp_path, *settings, f"paths.face={taught}").run()


@pytest.mark.slow
def test_a_run_does_not_go_on_with_other_labels(face_job, folder, tmp_path):
    """Folds that learned of labels which were corrected since would be mixed with new ones."""
    root, run = tmp_path / "photos", tmp_path / "run"
    shutil.copytree(folder, root)
    words = ("dataset=faces_folder", f"dataset.root={root}", "dataset.resolution=32", "target=quality", *FEW)
    face_job("face_attr", run, *words).run()
    face_job("face_attr", run, *words, f"resume={run}").run()
    table = root / "labels.csv"
    other = {"0": "1", "1": "0"}
    lines = [line[:-1] + other.get(line[-1], line[-1]) for line in table.read_text().splitlines()]
    table.write_text("\n".join(lines))
    with pytest.raises(OhloraError, match=r"was started with other settings: taught was"):
        face_job("face_attr", run, *words, f"resume={run}").run()


def test_what_a_folder_does_not_tell_is_named(face_job, folder, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for i in range(40):
        (bare / f"{i}.png").write_bytes((folder / f"{i}.png").read_bytes())
    words = ("dataset=faces_folder", f"dataset.root={bare}", "dataset.resolution=32")
    for model, lacking in (
        ("face_seg", "label_maps"),
        ("face_props", "properties"),
        ("face_attr", "gender"),
        ("face_vae", "properties and label_maps"),
        ("face_bank", "properties"),
    ):
        with pytest.raises(OhloraError, match=f"these faces come without {lacking}, which"):
            face_job(model, tmp_path / "run", *words).run()
    assert not (tmp_path / "run").exists()
