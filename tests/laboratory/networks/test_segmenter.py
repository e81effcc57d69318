from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ohlora.datasets.readers import Digits
from ohlora.errors import OhloraError
from ohlora.face.drawing import classes
from ohlora.face.drawing.generator import to_network
from ohlora.laboratory.measures.scores import one_hot
from ohlora.laboratory.networks.segmenter import (
    UNSEEN,
    SegmenterLearner,
    UNet,
    confusion,
    confusions,
    cross_entropy_and_dice,
    load_segmenter,
    overlap_scores,
)

LESSON = {"learning_rate": 3e-3, "weight_decay": 0.0, "total_steps": 60, "seed": 0}


def test_it_has_half_a_million_weights_at_width_16():
    assert sum(weight.numel() for weight in UNet(16).parameters()) == pytest.approx(0.482e6, rel=0.01)


def test_features_halve(batch):
    features = UNet(4).features(to_network(batch.images[:2]), levels=3)
    assert [tuple(level.shape[1:]) for level in features] == [(4, 32, 32), (8, 16, 16), (16, 8, 8)]


class TestTheLoss:
    def test_is_nothing_for_the_truth(self, batch):
        entropy, dice = cross_entropy_and_dice(60 * one_hot(batch.label_maps), batch.label_maps)
        assert float(entropy) == pytest.approx(0, abs=1e-5)
        assert float(dice) == pytest.approx(0, abs=1e-3)

    def test_overlap_is_that_of_small_classes(self, batch):
        blind = batch.label_maps.clone()
        small = torch.isin(blind, torch.tensor([2, 3, 4, 5, 7, 9], dtype=torch.uint8))
        blind[small] = classes.SKIN
        _, dice = cross_entropy_and_dice(60 * one_hot(blind), batch.label_maps)
        assert dice > 0.95

    def test_hidden_pixels_do_not_count(self, batch):
        logits = torch.randn(len(batch), 11, 32, 32, generator=torch.Generator().manual_seed(0))
        hidden = batch.label_maps.clone()
        hidden[:, :16] = UNSEEN
        top_changed = logits.clone()
        top_changed[:, :, :16] += torch.randn(11, 16, 32)
        for one, other in zip(
            cross_entropy_and_dice(logits, hidden), cross_entropy_and_dice(top_changed, hidden), strict=True
        ):
            assert float(one) == pytest.approx(float(other), rel=1e-5)


def test_overlap_scores_by_hand():
    counts = torch.zeros(11, 11, dtype=torch.int64)
    counts.fill_diagonal_(10)
    counts[classes.HAIR, classes.BACKGROUND] = 10  # half of the hair is missed
    scores = overlap_scores(counts)
    assert scores["iou_hair"] == pytest.approx(0.5)
    assert scores["hair_recall"] == pytest.approx(0.5)
    assert scores["hair_precision"] == 1
    assert scores["hair_dice"] == pytest.approx(2 / 3)
    assert scores["iou_background"] == pytest.approx(0.5)
    assert scores["worst_eye_or_lip_iou"] == 1
    assert confusion(torch.tensor([[0, 10]]), torch.tensor([[0, 3]])).nonzero().tolist() == [[0, 0], [10, 3]]
    each = confusions(torch.tensor([[[0, 10]], [[1, 1]]]), torch.tensor([[[0, 3]], [[1, 2]]]))
    assert each.nonzero().tolist() == [[0, 0, 0], [0, 10, 3], [1, 1, 1], [1, 1, 2]]


@pytest.mark.slow
def test_one_batch_can_be_learned_by_heart(batch, still, overfits):
    torch.manual_seed(0)
    overfits(SegmenterLearner(UNet(8), still, 0.5, **LESSON), batch, lr=1e-2)


def test_a_run_leaves_a_segmenter_and_its_report(face_job, tmp_path, batch):
    assert 0 <= face_job("face_seg", tmp_path, "role=examiner").run() <= 1
    segmenter = load_segmenter(tmp_path, "segmenter_b")
    assert segmenter.resolution == 32
    assert segmenter.card["scores"]["faces"] == 32
    assert segmenter.card["settings"]["split"] == "test_a"
    assert (tmp_path / "segmenter_b.report.json").is_file()
    p = segmenter.probabilities(batch.images[:3])
    assert torch.allclose(p.sum(1), torch.ones(3, 32, 32), atol=1e-5)
    assert torch.equal(p.argmax(1).byte(), segmenter.label_maps(batch.images[:3]))


def test_every_fault_is_named_before_anything_starts(face_job, tmp_path):
    with pytest.raises(OhloraError) as told:
        face_job("face_seg", tmp_path, "job.width=0", "lesson.batch_size=1", "lesson.checks=0")
    for fault in ("width=0", "lesson.batch_size=1 is not a whole number from 2 up", "lesson.checks=0"):
        assert fault in str(told.value)
    with pytest.raises(OhloraError, match="resolution=36 is not a multiple of 8"):
        face_job("face_seg", tmp_path, "renderer.resolution=36").run()
    assert not any(tmp_path.iterdir())


def test_other_data_are_refused(face_job, tmp_path):
    with pytest.raises(OhloraError, match="dataset=faces"):
        replace(face_job("face_seg", tmp_path), dataset=Digits()).run()
