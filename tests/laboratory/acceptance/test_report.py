"""The whole table: without networks, with wrong settings, and after a chain from renders to a bank."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from lightning.pytorch.loggers import CSVLogger
from tests.laboratory.acceptance.conftest import FEW
from tests.offline_runs import shows

from ohlora.errors import OhloraError
from ohlora.face.trained.vae import load_generator

SMALL = ("renderer.resolution=32", "renderer.supersample=1", "hardware.threads=1")
TRAINING = (
    "size=smoke",
    "trainer.enable_progress_bar=false",
    "face_counts.train=96",
    "face_counts.val=16",
    "face_counts.test=32",
)
CHAIN = (
    ("model=face_seg", "role=teacher"),
    ("model=face_seg", "role=examiner"),
    ("model=face_props", "role=teacher"),
    ("model=face_props", "role=examiner"),
    ("model=face_attr", "target=gender", "labels=40", "job.pool=96", "job.folds=2"),
    ("model=face_attr", "target=quality", "labels=40", "job.pool=96", "job.folds=2"),
    ("model=face_filter", "job.least={gender:0.3,quality:0.3}"),
    ("model=face_identity", "role=teacher"),
    ("model=face_identity", "role=examiner"),
    ("model=face_vae", "job.watched=16"),
    ("model=face_vae", "job.watched=16", "variant=polished"),
    ("model=face_directions", "samples=80", "job.swept=2", "job.steps=3"),
    ("model=face_bank", "screening.least_r={eyes:-1,mouth:-1,roll:-1}", "job.candidates=3"),
)


TRACKED = (CHAIN[1], CHAIN[9])  # with logger=wandb


def test_without_networks_it_tells_what_it_can_and_what_makes_the_rest(report_job, tmp_path, capsys):
    job = report_job(tmp_path, "stages=[segmenter,expression,generator,start_up]")
    share = replace(job, logger=CSVLogger(str(tmp_path))).run()
    told = capsys.readouterr().out
    assert "domain: rendered faces" in told
    assert "must not be set beside the original's" in told
    assert "(no such folder)" in told
    wanted = (
        f"not measured: no segmenter_b in {tmp_path / 'face'} (python train.py model=face_seg role=examiner"
    )
    assert wanted in told
    kept = json.loads((tmp_path / "report.json").read_text())
    verdicts = {(row["stage"], row["name"]): row["verdict"] for row in kept["rows"]}
    assert verdicts["expression", "cells"] == "target"
    assert verdicts["generator", "r_eyes"] == verdicts["start_up", "first_frame_s"] == "not measured"
    assert {stage for stage, _ in verdicts} == {"segmenter", "expression", "generator", "start_up"}
    gated = [row for row in kept["rows"] if row["gate"] is not None]
    assert share == pytest.approx(1 / len(gated))
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| moods | cells (word, property) that show their own value | 1.000 |" in page


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("stages=[segmentor]",), r"stages=.*segmentor.* is not .*\(did you mean segmenter"),
        (("generator=ours",), r"generator=ours: no generator's name \(generator_ours\)"),
        (("beside=[v1]",), r"beside=.*v1.*: no generator's name \(generator_ours\)"),
        (("seed=-1", "counts.asked=1"), r"counts.asked=1 is not a whole number from 8 up; seed=-1 is not"),
        (("looks.hair_length=7",), r"looks.hair_length=7.0 is outside"),
        (("acceptance.segmenter.mean_iou.least=[a,b]",), r"acceptance.segmenter.mean_iou.least=\['a', 'b'\]"),
    ],
    ids=lambda words: words[0].split("=")[0] if isinstance(words, tuple) else "",
)
def test_wrong_settings_are_told(report_job, tmp_path, words, told):
    with pytest.raises(OhloraError, match=told):
        report_job(tmp_path, *words).run()


def test_photos_have_no_such_table(report_job, tmp_path):
    job = report_job(tmp_path)
    with pytest.raises(OhloraError, match="rendered faces, whose truth is known: dataset=faces"):
        replace(job, dataset=object())


@pytest.mark.slow
def test_the_whole_table_of_the_smoke_chain(door, lasting_cache, tmp_path):
    here = ("save_to=face", "paths.face=face", f"paths.cache_dir={lasting_cache}")
    for words in CHAIN:
        kept = ["filtered_faces=face"] if words[0] == "model=face_vae" else []
        logged = ("logger=wandb", f"hydra.run.dir={words[0][6:]}") if words in TRACKED else ()
        done = door("train.py", *SMALL, *TRAINING, *words, *here, *kept, *logged, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert ".safetensors" in done.stdout
    shows(tmp_path / "face_seg", "Her face: segmenter")
    made = shows(tmp_path / "face_vae", "Her face: generator")
    assert {one["name"] for one in made.config["inputs"]} >= {"segmenter_a", "regressor_a", "kept"}
    ours, polished = (load_generator(tmp_path / "face", f"generator_{one}") for one in ("ours", "polished"))
    assert ours.card["settings"]["kept"] is True
    assert ours.card["domain"] == "rendered faces"
    begun = polished.card["settings"]["begins_with"]
    assert begun["generator_ours"] == ours.card["weights"]["sha256"] != polished.card["weights"]["sha256"]

    words = ("logger=wandb", "hydra.run.dir=report")
    done = door("face-report", *FEW, *here[1:], *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shows(tmp_path / "report", "Her face: acceptance")
    kept = json.loads((tmp_path / "report" / "report.json").read_text())
    rows = kept["rows"]
    # At 32 px a network has no frame rate of 64 or 128 px; nobody may pass, and then nobody passes again.
    lacking = {(row["stage"], row["name"]) for row in rows if row["why"]}
    assert lacking <= {
        ("generator", "background_change"),  # a segmenter of two steps may see no background
        ("animation", "fps_64"),
        ("animation", "fps_128"),
        ("animation", "p95_ms_128"),
        ("pass_test", "again_upstream"),
        ("pass_test", "again_strict"),
    }
    assert {row["subject"] for row in rows} >= {"segmenter_a", "regressor_b", "kept", "identity_b", "bank"}
    beside = {(row["subject"], row["name"]): row["value"] for row in kept["beside"]}
    assert {subject for subject, _ in beside} == {"generator_ours", "generator_polished"}
    hers = {row["name"]: row["value"] for row in rows if row["subject"] == "generator_polished"}
    assert beside["generator_polished", "r_eyes"] == hers["r_eyes"] != beside["generator_ours", "r_eyes"]
    page = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "| quantity | generator_ours | generator_polished | gate |" in page


@pytest.mark.slow
def test_a_mistake_is_one_line(door, tmp_path):
    done = door("face-report", "stages=[x]", "generator=y", cwd=tmp_path)
    assert done.returncode == 2
    assert "stages=[x] is not a list, each one of renderer | segmenter" in done.stderr
    assert "generator=y" in done.stderr
    assert len(done.stderr.splitlines()) == 1
