"""The judge of moods: what a smile is, and the whole report on few people."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.face.drawing import classes
from ohlora.laboratory.acceptance.mood_report import pictures, smile


@pytest.mark.parametrize(("bend", "sign"), [(0.01, 1), (-0.01, -1)])
def test_a_smile_is_a_mouth_whose_corners_are_up(bend, sign):
    labels = np.zeros((128, 128), dtype=np.uint8)
    for column in range(40, 90):
        row = 80 - round(bend * (column - 65) ** 2)
        labels[row : row + 5, column] = classes.UPPER_LIP
    assert np.sign(smile(labels)) == sign


def test_nobody_smiles_who_is_sad_or_sulky(composed):
    job = build(composed("mood_report", "resolution=32").job)
    rng = np.random.default_rng(1)
    latents = job.population.sample(3, range(2)).latents
    seen = pictures(job, job.generator, latents, [dict(job.looks)] * 2, rng, lambda count: None)
    smiles = dict(zip(job.expressions.moods, seen.smiles.reshape(2, -1).amax(0).tolist(), strict=True))
    assert smiles["sad"] < 0
    assert smiles["sulky"] < 0
    assert min(smiles["happy"], smiles["laughing"]) > 0


@pytest.mark.parametrize("drawn_by", ["network", "stylegan"])
def test_people_of_a_bank_have_no_others_beside_them(composed, drawn_by):
    config = composed("mood_report", f"drawn_by={drawn_by}", "paths.stylegan=x.safetensors")
    with pytest.raises(OhloraError, match=r"people of the population: drawn_by=portrait \| renderer"):
        build(config.job)


@pytest.mark.slow
def test_a_report_on_few_people(composed, tmp_path, capsys):
    small = ("people=8", "judged=1", "frames=1", "epochs=2", "resolution=32")
    where = (f"folder={tmp_path.as_posix()}", f"logger.save_dir={tmp_path.as_posix()}")
    build(composed("mood_report", *small, *where, "logger=csv").job).run()
    told = json.loads((tmp_path / "moods.json").read_text(encoding="utf-8"))
    assert told["hers"]["pictures"] == 9
    assert np.array(told["others"]["confusion"]).sum() == 9
    with Image.open(tmp_path / "moods.gif") as moving:
        assert moving.n_frames > 20
    assert (tmp_path / "moods.png").is_file()
    cells = pd.read_csv(tmp_path / "csv" / "confusion_matrix.csv")
    assert cells["nPredictions"].sum() == 9
    assert "moods named rightly" in capsys.readouterr().out
