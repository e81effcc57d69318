"""The whole chain through the door: from renders to a generator that can be loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ohlora.face.trained.vae import load_generator

SMALL = (
    "size=smoke",
    "renderer.resolution=32",
    "renderer.supersample=1",
    "hardware.threads=1",
    "trainer.enable_progress_bar=false",
)
STAGES = (
    ("segmenter_a", "model=face_seg", "role=teacher"),
    ("segmenter_b", "model=face_seg", "role=examiner"),
    ("regressor_a", "model=face_props", "role=teacher"),
    ("regressor_b", "model=face_props", "role=examiner"),
    ("gender", "model=face_attr", "target=gender", "labels=100", "job.pool=256", "job.folds=2"),
    ("quality", "model=face_attr", "target=quality", "labels=100", "job.pool=256", "job.folds=2"),
    ("identity_a", "model=face_identity", "role=teacher"),
    ("kept", "model=face_filter", "job.least={gender:0.3,quality:0.3}"),
    ("generator_ours", "model=face_vae", "job.watched=16"),
    ("generator_polished", "model=face_vae", "job.watched=16", "variant=polished"),
)


@pytest.mark.slow
def test_the_smoke_chain(door: Callable[..., Any], tmp_path: Path) -> None:
    for name, *words in STAGES:
        here = ("save_to=face", "paths.face=face", "paths.cache_dir=cache", f"hydra.run.dir=runs/{name}")
        kept = ["filtered_faces=face"] if name.startswith("generator") else []
        done = door("train.py", *SMALL, *words, *here, *kept, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"{name}.safetensors" in done.stdout
    ours, polished = (load_generator(tmp_path / "face", f"generator_{one}") for one in ("ours", "polished"))
    assert ours.card["settings"]["kept"] is True
    assert ours.card["domain"] == "rendered faces"
    begun = polished.card["settings"]["begins_with"]
    assert begun["generator_ours"] == ours.card["weights"]["sha256"] != polished.card["weights"]["sha256"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("model=face_vae", "paths.face=nowhere"), "ohlora: no face_segmenter at nowhere"),
        (("model=face_vae", "variant=v5"), "ohlora: variant=v5 is not one of"),
        (
            ("model=face_seg", "dataset=digits"),
            "ohlora: dataset: models of faces are trained on faces: dataset=faces",
        ),
        (("model=autoencoder", "dataset=faces"), "ohlora: dataset=faces has no classes to tell apart"),
        (("model=face_attr", "labels=20000"), "ohlora: labels=20000 leaves none of the pool's 10000"),
        (("model=face_seg", "resume=nowhere"), "ohlora: resume=nowhere is not a folder"),
    ],
)
def test_a_mistake_is_one_line(
    door: Callable[..., Any], tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    done = door("train.py", "size=smoke", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(told)
    assert len(done.stderr.splitlines()) == 1
