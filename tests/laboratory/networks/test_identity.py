"""The ruler of identity: its loss by hand, its scores on rulers that know everything, or nothing."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from ohlora.errors import OhloraError
from ohlora.laboratory.networks.identity import (
    IdentityLearner,
    contrastive,
    found_again,
    identity_scores,
    load_embedder,
    same_person_auroc,
)
from ohlora.laboratory.networks.settings import IdentitySettings
from ohlora.laboratory.sources.dataset import Album
from ohlora.laboratory.training.jobs import TrainIdentity
from ohlora.laboratory.training.train_identity import album

SHAPE = IdentitySettings(widths=(8, 16), hidden=16, dimensions=8)


@pytest.fixture(scope="module")
def people(faces_dataset) -> Album:
    return album(faces_dataset, "train", 8)


class TestAnAlbum:
    def test_three_pictures_of_everybody(self, people, renderer):
        faces = people.faces(torch.arange(8))
        assert len(faces) == 24
        photos, twins, others = faces.identity.chunk(3)
        assert torch.equal(photos, twins)
        assert torch.equal(photos, others)
        assert len(photos.unique()) == 8

    def test_the_other_day_has_other_light_and_other_properties_but_the_same_face(self, people):
        width = len(people.source.renderer.identity)
        other = people.source.draws("train", people.positions, photo=1)
        assert torch.equal(other.latents[:, :width], people.draws.latents[:, :width])
        assert (other.latents[:, width:] != people.draws.latents[:, width:]).all()
        assert (other.properties != people.draws.properties).float().mean() > 0.95

    def test_pictures_do_not_depend_on_the_cache(self, people, unspoilt):
        bare = album(unspoilt(cache_dir=None), "train", 8)
        rows = torch.tensor([5, 2])
        kept, drawn = people.faces(rows).images, bare.faces(rows).images
        assert (kept.int() - drawn.int()).abs().max() <= 1


class TestContrastiveLoss:
    def test_two_couples_by_hand(self):
        e = torch.eye(2)[[0, 0, 1, 1]]
        # each picture: one other of its own at cosine 1, two of the other person at 0
        expected = -math.log(math.exp(2) / (math.exp(2) + 2))
        assert float(contrastive(e, torch.tensor([0, 0, 1, 1]), 0.5)) == pytest.approx(expected)

    def test_three_pictures_share_what_is_likely(self):
        e = F.normalize(torch.ones(3, 2), dim=1)
        assert float(contrastive(e, torch.zeros(3, dtype=torch.int64), 0.1)) == pytest.approx(math.log(2))

    def test_who_is_alone_teaches_nothing(self):
        e = F.normalize(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), dim=1)
        alone = contrastive(e, torch.tensor([0, 0, 1]), 0.1)
        share = (e @ e.T / 0.1).masked_fill(torch.eye(3, dtype=torch.bool), -torch.inf).log_softmax(1)
        assert float(alone) == pytest.approx(-float(share[0, 1] + share[1, 0]) / 2, rel=1e-5)

    def test_strangers_side_by_side_cost_more(self):
        identity = torch.tensor([0, 0, 1, 1])
        apart, mixed = torch.eye(2)[[0, 0, 1, 1]], torch.eye(2)[[0, 1, 0, 1]]
        assert contrastive(apart, identity, 0.1) < 0.01 < 5 < contrastive(mixed, identity, 0.1)


class TestFoundAgain:
    def test_by_hand(self):
        gallery = F.normalize(torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), dim=1)
        probes = F.normalize(torch.tensor([[1.0, 0.1], [0.1, 1.0], [0.0, 1.0]]), dim=1)
        assert found_again(probes, gallery).tolist() == [True, False, True]

    def test_who_sees_no_difference_finds_nobody(self):
        same = F.normalize(torch.ones(5, 3), dim=1)
        assert not found_again(same, same).any()


def test_auroc_of_rulers_that_know_all_nothing_or_the_contrary():
    torch.manual_seed(0)
    people = F.normalize(torch.randn(60, 32), dim=1)
    assert same_person_auroc(people, people) == 1
    assert same_person_auroc(people, -people) == pytest.approx(0, abs=1e-3)
    strangers = F.normalize(torch.randn(60, 32), dim=1)
    assert same_person_auroc(people, strangers) == pytest.approx(0.5, abs=0.1)
    # of two people one is mistaken: own cosines 1 and 0, strangers' 0 and 0; ties count half
    first, second = torch.eye(3)[[0, 1]], torch.eye(3)[[0, 2]]
    assert same_person_auroc(first, second) == pytest.approx((2 + 1) / 4)


def test_it_can_learn_a_batch_by_heart(people, still, overfits):
    torch.manual_seed(0)
    learner = IdentityLearner(
        SHAPE.build(32), still, 0.1, learning_rate=0.01, weight_decay=0.0, total_steps=60, seed=0
    )
    overfits(learner, people.faces(torch.arange(8)), steps=80, left=0.35, lr=1e-2)


def test_trained_saved_and_loaded(face_job, tmp_path):
    job = face_job("face_identity", tmp_path, f"save_to={tmp_path}", "job.network.widths=[8,16]")
    assert isinstance(job, TrainIdentity)
    value = job.run()
    embedder = load_embedder(tmp_path, "identity_b")
    assert embedder.card["scores"]["auroc"] == value
    assert embedder.card["scores"]["auroc_low"] <= value <= embedder.card["scores"]["auroc_high"]
    people = album(job.dataset, "test_b", 32)
    again = identity_scores(embedder, people)
    assert again == embedder.card["scores"]
    images = people.faces(torch.arange(3)).images
    assert embedder.embed(images).norm(dim=1).tolist() == pytest.approx([1.0] * 9, abs=1e-5)
    assert embedder.features(images).shape == (9, 192)


def test_who_has_no_second_photo_is_told(face_job, tmp_path):
    with pytest.raises(OhloraError, match="temperature=0 is not a number above 0"):
        face_job("face_identity", tmp_path, "job.temperature=0")


def test_features_are_what_it_sees_on_the_way():
    torch.manual_seed(0)
    network = SHAPE.build(32).eval()
    images = torch.randn(2, 3, 32, 32)
    *halved, last = network.features(images)
    assert [x.shape[-1] for x in halved] == [32 >> level for level in range(1, len(SHAPE.widths) + 1)]
    assert torch.equal(last, network.body(images))
