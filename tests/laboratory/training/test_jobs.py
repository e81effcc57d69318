"""What a job of faces refuses when it is built, in the words that were typed."""

from __future__ import annotations

import pytest

from ohlora.errors import OhloraError


@pytest.mark.parametrize(
    ("model", "word", "told"),
    [
        ("face_seg", "lesson.batch_size=two", "lesson.batch_size=two is not a whole number from 2 up"),
        ("face_seg", "lesson.learning_rate=0", "lesson.learning_rate=0 is not a number above 0"),
        ("face_seg", "augmentation.jpeg_quality=[90,30]", "its first number is above its second"),
        ("face_seg", "augmentation.hue=nan", "augmentation.hue=nan is not a number"),
        ("face_seg", "dataset.seed=-1", "dataset.seed=-1 is not a whole number from 0"),
        (
            "face_seg",
            "dataset=digits",
            "dataset: models of faces are trained on faces: dataset=faces",
        ),
        ("face_props", "role.regressor.widths=[]", "widths=[] is not a list, each a whole number"),
        ("face_attr", "attribute_networks.gender.levels=9", "levels=9 is not a whole number from 1 to 4"),
        ("face_attr", "job.folds=0", "job.folds=0 is not a whole number from 2 to 1000"),
        ("face_vae", "variant.betas=[0.5]", "variant.betas=[0.5] is not a pair"),
        ("face_vae", "variant.losses.kl=much", "variant.losses.kl=much is not a number from 0 up"),
        ("face_vae", "job.ema=1", "job.ema=1 is not a number from 0 up and below 1"),
        ("face_bank", "screening.least_r.eyes=2", "screening.least_r.eyes=2 is not a number from -1 to 1"),
        ("face_bank", "favourites=[first]", "favourites=[first] is not a list"),
        ("face_directions", "job.share=0.9", "job.share=0.9 is not a number above 0 and up to 0.5"),
    ],
)
def test_a_wrong_value_is_told_before_anything_is_built(face_job, tmp_path, model, word, told):
    with pytest.raises(OhloraError) as caught:
        face_job(model, tmp_path, word)
    assert told in str(caught.value)


@pytest.mark.parametrize("model", ["face_bank", "face_directions", "face_filter", "face_samples"])
def test_what_is_done_in_one_go_is_not_resumed(face_job, tmp_path, model):
    words = ("paths.stylegan=x.safetensors",) if model == "face_samples" else ()
    with pytest.raises(OhloraError, match=r"resume=\S+: this is done in one go; start it again"):
        face_job(model, tmp_path, *words, f"resume={tmp_path}")


def test_no_favourite_is_beyond_the_candidates(face_job, tmp_path):
    told = r"favourites=\[4, 7\] are beyond job.candidates=4"
    with pytest.raises(OhloraError, match=told):
        face_job("face_bank", tmp_path, "job.candidates=4", "favourites=[3,4,7]")


def test_every_fold_needs_labels(face_job, tmp_path):
    with pytest.raises(OhloraError, match=r"labels=9, curve=4 is not a whole number from 10 up"):
        face_job("face_attr", tmp_path, "labels=9", "curve=[4,10]", "face_counts.train=64")
