"""What a reader has, or has made with earlier commands, by the name that commands call it by."""

from __future__ import annotations

import pickle
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.docs.pages import ROOT
from tests.docs.smaller import FEW_TRIALS
from tests.face_fixtures import *  # noqa: F403
from tests.laboratory.conversion.test_convert_weights import official, stylegan2  # noqa: F401
from tests.laboratory.sources.test_photos import celebamask, five  # noqa: F401
from tests.laboratory.training.test_stylegan_chain import chain, converted  # noqa: F401
from tests.predictor.test_foreign import ROLES, their_trials

from ohlora.assets import assets_dir

Make = Callable[[Path], object]
OF_MATCH = ("outputs/battle/a",)


@pytest.fixture(scope="session")
def run_here(door) -> Callable[..., None]:
    """`run_here(folder, "train.py", ...)`: a command that must succeed."""

    def run(folder: Path, *words: str) -> None:
        done: subprocess.CompletedProcess[str] = door(*words, cwd=folder)
        assert done.returncode == 0, f"{words}\n{done.stderr}"

    return run


@pytest.fixture(scope="session")
def my_images(made_once, run_here) -> Path:
    """The shapes of the tutorial, as many: of fewer, families draw no subsets."""
    sizes = (
        "subset.family.classes=[5,5]",
        "subset.family.train_images=[300,300]",
        "subset.family.test_images=100",
    )
    words = ("dataset=shapes", "trials=1", "size=smoke", "subset.seed=7", "subset.save=my_images", *sizes)
    return made_once("my_images", lambda folder: run_here(folder, "train.py", *words)) / "my_images"


@pytest.fixture(scope="session")
def my_model(made_once, run_here, my_images) -> Path:
    words = ("fit", str(my_images), "save_to=my_model", "size=smoke")
    return made_once("my_model", lambda folder: run_here(folder, *words)) / "my_model"


@pytest.fixture(scope="session")
def table(made_once, run_here) -> Path:
    """A table of a sweep."""
    words = ("dataset=digits", "size=smoke", "trials=12", "trials_per_subset=2")
    return made_once("table", lambda folder: run_here(folder, "train.py", *words)) / "outputs" / "table"


@pytest.fixture(scope="session")
def match(made_once, run_here) -> Path:
    words = ("human=my_hp", "dataset=digits", "size=smoke", "face=none", "hydra.run.dir=match")
    return made_once("match", lambda folder: run_here(folder, "battle.py", *words)) / "match"


@pytest.fixture
def weights(chain, made_once) -> Path:  # noqa: F811
    """ffhq.safetensors: a small random StyleGAN2 with samples, directions and a bank."""

    def make(folder: Path) -> None:
        for file in (folder / f"stylegan2{end}" for end in (".safetensors", ".json")):
            converted("stylegan2", folder) if not file.exists() else None
            file.rename(file.with_stem("ffhq"))
        chain(folder / "ffhq.safetensors")

    return made_once("ffhq", make)


@pytest.fixture
def give(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], None]:
    """`give("my_model")`: put it where commands are run."""

    def linked(fixture: str) -> Make:
        return lambda place: shutil.copytree(request.getfixturevalue(fixture), place)

    def shipped(name: str) -> Make:
        return lambda place: shutil.copytree(assets_dir() / name, place)

    def picture(place: Path) -> None:
        Image.open(next(request.getfixturevalue("my_images").rglob("*.png"))).convert("RGB").save(place)

    def photos(place: Path) -> None:
        request.getfixturevalue("five")
        place.mkdir()
        for row, image in enumerate(request.getfixturevalue("five").images):
            pixels = image.permute(1, 2, 0).numpy()
            Image.fromarray(pixels).resize((96, 96)).save(place / f"{row}.jpg")

    def pickled(place: Path) -> None:
        snapshot = request.getfixturevalue("official")(request.getfixturevalue("stylegan2"))
        place.write_bytes(pickle.dumps(snapshot))

    def arrays(place: Path) -> None:
        digits = request.getfixturevalue("digits")
        parts = {"train": digits.train, "test": digits.test}
        images = {f"{name}_images": part.images[:, 0].numpy() for name, part in parts.items()}
        np.savez(place, **images, **{f"{name}_labels": part.labels.numpy() for name, part in parts.items()})

    def one_class(place: Path) -> None:
        shutil.copytree(next((request.getfixturevalue("my_images") / "test").iterdir()), place)

    def matches(place: Path) -> None:
        shutil.copytree(request.getfixturevalue("match"), place / "battle" / "a")

    def mine(place: Path) -> None:
        shutil.copytree(request.getfixturevalue("weights"), place)
        for file in (assets_dir() / "face").glob("segmenter_a.*"):  # in place of one taught on photos
            shutil.copy(file, place)

    def few_trials(place: Path) -> None:
        table = pd.read_parquet(assets_dir() / "target_table.parquet")
        subset = ["dataset", "family", "seed"]
        sizes = table.groupby(subset).size()
        some = sizes[sizes >= 16].groupby("dataset").head(8).index  # benchmarks/few_shot.py takes no less
        promised = table[table["chooser"] == "favourites"].groupby(subset).size()
        more = promised.groupby("dataset").head(12).index  # benchmarks/favourites.py
        table.set_index(subset).loc[some.union(more)].reset_index().to_parquet(place)

    makes: dict[str, Make] = {
        "my_images": linked("my_images"),
        "my_model": linked("my_model"),
        "a.png": picture,
        "b.jpg": picture,
        "photos": one_class,
        "my_photos": photos,
        "DIR": linked("celebamask"),
        "my_face": shipped("face"),
        "outputs/table": linked("table"),
        "outputs/pretraining/RUN/model": shipped("narrator"),
        "outputs/narrator/RUN/model": shipped("narrator"),
        "outputs": matches,
        "DIR...": matches,
        "match.json": lambda place: shutil.copy(request.getfixturevalue("match") / "match.json", place),
        FEW_TRIALS: few_trials,
        "their_trials.parquet": lambda place: their_trials(tasks=8).to_parquet(place),
        "columns.yaml": lambda place: place.write_text(ROLES, encoding="utf-8"),
        "my_arrays.npz": arrays,
        "ffhq.pkl": pickled,
        "mine": mine,
    }

    def put(name: str) -> None:
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            makes[name](place)

    put.names = tuple(makes)  # type: ignore[attr-defined]
    return put


def checkout(folder: Path) -> None:
    """What of a checkout commands are run in; what they write stays in `folder`."""
    for name in ("train.py", "battle.py"):
        shutil.copy(ROOT / name, folder)
    (folder / "docs" / "results").mkdir(parents=True)
    (folder / "conf").symlink_to(ROOT / "conf")
    (folder / "docs" / "examples").symlink_to(ROOT / "docs" / "examples")
