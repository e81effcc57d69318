"""Mistakes in what models of faces are asked to do, through the door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


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
