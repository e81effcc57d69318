"""Fixtures of face and laboratory: faces as conf has them, cached ones of 32 px, jobs on few of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ohlora.build import build
from ohlora.face.acting.expression import Expressions
from ohlora.face.acting.person import Person
from ohlora.face.drawing.population import Population
from ohlora.face.drawing.renderer import Renderer
from ohlora.laboratory.sources.faces import Faces, render
from ohlora.laboratory.sources.settings import RenderedFaces

RENDERED = ("renderer.resolution=32", "renderer.supersample=1")
QUIET = (
    "size=smoke",
    "hardware.device=cpu",
    "hardware.precision=32",
    "hardware.threads=1",
    "trainer.enable_progress_bar=false",
    "trainer.enable_checkpointing=false",
    "callbacks=none",
    "face_counts.train=64",
    "face_counts.val=16",
    "face_counts.test=32",
)


@pytest.fixture(scope="session")
def face_config(composed):
    """Of the first look at 64 px, which networks learn from."""
    return lambda *overrides: composed("contact_sheet", "drawn_by=renderer", "resolution=64", *overrides)


@pytest.fixture(scope="session")
def make_renderer(face_config):
    def made(**settings) -> Renderer:
        overrides = [f"renderer.{name}={value}" for name, value in settings.items()]
        return build(face_config(*overrides).renderer)

    return made


@pytest.fixture(scope="session")
def renderer(make_renderer) -> Renderer:
    return make_renderer()


@pytest.fixture(scope="session")
def population(face_config) -> Population:
    return build(face_config().population)


@pytest.fixture(scope="session")
def some_faces(renderer, population) -> Faces:
    """160 people, men and women, no defects."""
    draws = population.sample(seed=5, indices=range(160))
    draws.severity.zero_()
    return render(renderer, draws)


@pytest.fixture(scope="session")
def expressions_config(composed):
    return lambda *overrides: composed("animate", *overrides)


@pytest.fixture(scope="session")
def expressions(expressions_config) -> Expressions:
    return build(expressions_config().expressions)


@pytest.fixture(scope="session")
def person(expressions_config) -> Person:
    return build(expressions_config().person).load()


@pytest.fixture(scope="session")
def face_job(composed, lasting_cache) -> Callable[..., Any]:
    """`face_job("face_seg", tmp_path, "role=examiner")`: the job that train.py would run."""

    def made(model: str, folder: Path, *overrides: str) -> Any:
        drawn = [] if any(word.startswith("dataset=") for word in overrides) else RENDERED
        cfg = composed("train", f"model={model}", *QUIET, *drawn, *overrides)
        cfg.paths.run_dir = str(folder)
        cfg.paths.cache_dir = str(lasting_cache)
        return build(cfg.job)

    return made


@pytest.fixture(scope="session")
def faces_dataset(composed, lasting_cache) -> RenderedFaces:
    cfg = composed("train", "model=face_seg", *QUIET, *RENDERED)
    cfg.paths.cache_dir = str(lasting_cache)
    return build(cfg.dataset)


@pytest.fixture(scope="session")
def batch(faces_dataset) -> Faces:
    """16 faces and a twin to each."""
    return faces_dataset.part("train", 16).faces(torch.arange(16), twins=True)


@pytest.fixture(scope="session")
def taught(face_job, made_once) -> Path:
    """A folder with every network a generator needs, hardly trained; not to be written to."""

    def teach(folder: Path) -> None:
        here = (f"save_to={folder}", f"paths.face={folder}")
        for role, suffix in (("teacher", "a"), ("examiner", "b")):
            face_job("face_seg", folder / f"seg_{suffix}", f"role={role}", *here).run()
            face_job("face_props", folder / f"props_{suffix}", f"role={role}", *here).run()
        face_job("face_identity", folder / "identity_a", "role=teacher", *here).run()

    return made_once("taught", teach)


@pytest.fixture(scope="session")
def overfits() -> Callable[..., None]:
    """`overfits(learner, batch)`: some sixty steps on one batch take four fifths of its loss away."""

    def check(learner: Any, faces: Faces, steps: int = 60, left: float = 0.2, lr: float = 3e-3) -> None:
        learner.train()
        generator = torch.Generator()
        optimizer = torch.optim.Adam(learner.network.parameters(), lr=lr)
        losses = []
        for _ in range(steps):
            loss = learner.losses(faces, generator.manual_seed(0))["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        assert losses[-1] < left * losses[0], losses

    return check


@pytest.fixture(scope="session")
def still() -> Any:
    """An augmentation that changes nothing."""
    from ohlora.laboratory.networks.settings import Augmentation

    return Augmentation(
        light=0,
        hue=0,
        noise=0,
        blur_share=0,
        jpeg_share=0,
        jpeg_quality=(90, 90),
        cutout_share=0,
        cutout_side=0,
    )


@pytest.fixture(scope="session")
def unspoilt(faces_dataset) -> Callable[..., RenderedFaces]:
    return lambda **changes: replace(faces_dataset, **changes)
