from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from ohlora.assets import load_model
from ohlora.errors import OhloraError
from ohlora.laboratory.networks.attributes import AttributeLearner, Ensemble, load_judge, stratified_folds
from ohlora.laboratory.networks.segmenter import UNet
from ohlora.laboratory.networks.settings import PictureSettings, RegionSettings
from ohlora.laboratory.training.filter_faces import filter_scores, filtered_faces

LESSON = {"learning_rate": 3e-3, "weight_decay": 0.0, "total_steps": 60, "seed": 0}
FEW = ("labels=60", "job.pool=100", "job.folds=2")


def test_folds_share_out_either_label():
    labels = (torch.arange(100) % 10 == 0).float()
    dealt = stratified_folds(labels, 5, seed=0)
    assert torch.bincount(dealt).tolist() == [20] * 5
    assert torch.bincount(dealt[labels == 1]).tolist() == [2] * 5
    assert torch.equal(dealt, stratified_folds(labels, 5, seed=0))
    assert not torch.equal(dealt, stratified_folds(labels, 5, seed=1))


def test_an_ensemble_says_the_mean_of_its_members():
    members = [PictureSettings((4, 8), 8, 0.5).build(None).eval() for _ in range(3)]
    images = torch.randn(2, 3, 32, 32)
    each = torch.stack([member(images).sigmoid()[:, 0] for member in members])
    assert torch.allclose(Ensemble(members)(images), each.mean(dim=0))


@pytest.mark.slow
def test_one_batch_can_be_learned_by_heart(batch, still, overfits):
    torch.manual_seed(0)
    network = PictureSettings((8, 16, 24), 24, 0.0).build(None)
    overfits(AttributeLearner(Ensemble([network]), still, "gender", **LESSON), batch, lr=5e-3)


class TestRegions:
    @pytest.fixture
    def finder(self):
        torch.manual_seed(0)
        return UNet(4)

    @pytest.mark.slow
    def test_one_batch_can_be_learned_by_heart(self, batch, still, overfits, finder):
        network = Ensemble([RegionSettings(2, 24, 0.0).build(finder)], finder)
        overfits(AttributeLearner(network, still, "gender", **LESSON), batch, lr=5e-3)

    def test_the_map_is_the_segmenters_and_the_encoder_goes_on(self, batch, still, finder):
        network = Ensemble([RegionSettings(2, 24, 0.0).build(finder)], finder)
        (member,) = network.members
        begun = [weight.clone() for weight in finder.parameters()]
        assert all(map(torch.equal, member.down.parameters(), finder.down[:2].parameters()))
        learner = AttributeLearner(network, still, "gender", **LESSON).train()
        learner.losses(batch, torch.Generator().manual_seed(0))["loss"].backward()
        assert all(weight.grad is None for weight in finder.parameters())
        assert all(map(torch.equal, finder.parameters(), begun))
        assert all(float(weight.grad.abs().max()) > 0 for weight in member.head[2].parameters())
        assert float(member.down[0][0][0].weight.grad.abs().max()) > 0

    def test_a_class_nobody_shows_has_no_colour(self, finder):
        member = RegionSettings(2, 8, 0.0).build(finder).eval()
        seen = []
        member.head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        p = torch.zeros(2, 11, 32, 32)
        p[:, 0] = 1
        member(torch.randn(2, 3, 32, 32), p)
        areas, fine, coarse = seen[0].split([11, 11 * 4, 11 * 8], dim=1)
        assert areas.tolist() == [[1.0] + [0.0] * 10] * 2
        for colours in (fine, coarse):
            each = colours.view(2, 11, -1).abs().sum(dim=2)
            assert each[:, 0].min() > 0
            assert each[:, 1:].max() == 0

    def test_without_a_segmenter_they_are_not_to_be_found(self, face_job, tmp_path):
        job = face_job("face_attr", tmp_path, "target=gender", *FEW, f"paths.face={tmp_path / 'none'}")
        with pytest.raises(OhloraError, match="no face_segmenter at"):
            job.run()


def test_labels_of_one_kind_alone_teach_nothing(face_job, tmp_path):
    """Few pictures are bad: among the first four of this world none."""
    words = (*FEW, "curve=[4]", "target=quality", "dataset.seed=3")
    with pytest.raises(OhloraError, match=r"target=quality: the first 4 labels are all alike"):
        face_job("face_attr", tmp_path, *words).run()


@pytest.fixture(scope="module")
def judged(face_job, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judges")
    face_job("face_seg", folder / "segmenter", "role=teacher", f"save_to={folder}").run()
    for target in ("gender", "quality"):
        face_job(
            "face_attr",
            folder / target,
            f"target={target}",
            *FEW,
            f"save_to={folder}",
            f"paths.face={folder}",
            "curve=[20]",
        ).run()
    return folder


@pytest.mark.slow
def test_a_run_leaves_an_ensemble_and_its_learning_curve(judged, batch):
    report = json.loads((judged / "gender" / "gender.report.json").read_text())
    assert set(report["curve"]) == {"20", "60"}
    assert report["scores"]["faces"] == 40
    assert 0.9 < report["scores"]["bayes_accuracy"] < 1
    assert report["curve"]["20"]["faces"] == 40  # tested on the very same faces
    told = load_judge(judged, "gender").judge(batch.images)
    assert told.shape == (len(batch),)
    assert 0 <= told.min() <= told.max() <= 1
    with pytest.raises(OhloraError, match="no face_gender at"):
        load_judge(judged / "nowhere", "gender")


@pytest.mark.slow
def test_a_resumed_run_trains_no_fold_twice(face_job, judged, tmp_path):
    folder = judged / "quality"
    members = sorted(folder.glob("*/member.safetensors"))
    assert len(members) == 4
    before = {path: path.stat().st_mtime_ns for path in members}
    members[0].unlink()
    face_job(
        "face_attr", tmp_path, "target=quality", *FEW, f"save_to={tmp_path}", "curve=[20]", f"resume={folder}"
    ).run()
    after = {path: path.stat().st_mtime_ns for path in members}
    assert [after[path] == before[path] for path in members] == [False, True, True, True]
    both = [load_judge(place, "quality").network.state_dict() for place in (judged, tmp_path)]
    assert all(torch.equal(value, both[1][name]) for name, value in both[0].items())


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("labels=100", "labels=100 leaves none of the pool's 100 labelled images to test on"),
        ("labels=3", "labels=3 is not a whole number from 4 up"),
        ("curve=[5000]", "curve=5000 leaves none"),
        ("target=gendr", r"target=gendr is not one of gender \| quality \(did you mean gender"),
        ("spoilt=false", "target=quality: every picture is alike"),
    ],
)
def test_what_cannot_be_learned_is_told_at_once(face_job, tmp_path, word, told):
    with pytest.raises(OhloraError, match=told):
        face_job("face_attr", tmp_path, *FEW, "target=quality", word).run()
    assert not any(tmp_path.iterdir())


class TestTheFilter:
    @pytest.mark.slow
    def test_keeps_whom_both_judges_like(self, face_job, judged, tmp_path):
        job = face_job("face_filter", tmp_path, f"paths.face={judged}", "face_counts.train=100")
        free = replace(job, least={"gender": 0.4, "quality": 0.4})
        assert 0 <= free.run() <= 1
        tensors, card = load_model(tmp_path, "kept", "face_filter")
        both = (tensors["gender"] >= 0.4) & (tensors["quality"] >= 0.4)
        assert tensors["positions"].tolist() == both.nonzero()[:, 0].tolist()
        assert card["scores"]["faces"] == 100
        assert {"precision", "recall", "yield", "unseen_precision"} <= set(card["scores"])
        part = filtered_faces(job.dataset, str(tmp_path), 100)
        assert torch.equal(part.positions, tensors["positions"])
        with pytest.raises(OhloraError, match="made of other pictures"):
            filtered_faces(replace(job.dataset, seed=3), str(tmp_path), 100)

    def test_without_one_the_truth_filters(self, faces_dataset):
        part = filtered_faces(replace(faces_dataset, spoilt=True), None, 60)
        assert part.draws.gender.min() == 1
        assert part.draws.quality.min() == 1
        assert 20 < len(part) < 50

    def test_scores_by_hand(self, faces_dataset):
        part = faces_dataset.part("train", 40)
        women = part.draws.gender > 0.5
        perfect = filter_scores(women, part)
        assert perfect["yield"] == pytest.approx(float(women.float().mean()))
        assert [perfect[f"precision{end}"] for end in ("", "_low", "_high")] == [1, 1, 1]
        assert perfect["recall"] == 1
        everybody = filter_scores(torch.ones(40, dtype=torch.bool), part)
        assert everybody["precision"] == pytest.approx(float(women.float().mean()))
        assert everybody["precision_low"] < everybody["precision"] < everybody["precision_high"]

    def test_thresholds_out_of_range(self, face_job, judged, tmp_path):
        words = ("job.least.gender=1.7", "+job.least.qualty=0.5")
        with pytest.raises(OhloraError) as told:
            face_job("face_filter", tmp_path, f"paths.face={judged}", *words)
        assert str(told.value) == (
            "job.least.gender=1.7 is not a number from 0 to 1;"
            " job.least.qualty is not one of gender | quality (did you mean quality?)"
        )
