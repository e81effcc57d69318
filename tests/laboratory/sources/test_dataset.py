"""Parts of a world: the same faces from the cache and from the brush, and never one person in two parts."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
import torch
import torch.nn.functional as F

from ohlora.build import build
from ohlora.conf_files import ASSETS
from ohlora.errors import OhloraError
from ohlora.laboratory.sources import dataset as room
from ohlora.laboratory.sources.dataset import (
    FaceDataModule,
    FaceSteps,
    current_key,
    joined,
)
from ohlora.laboratory.sources.settings import PICTURES, FaceCounts, RenderedFaces

QUARTERS = (  # mean red, then green, then blue of each quarter of three people's pictures
    (181, 183, 182, 182, 156, 157, 152, 151, 168, 165, 164, 163),
    (157, 144, 175, 168, 158, 149, 162, 156, 149, 141, 148, 143),
    (131, 123, 103, 108, 110, 104, 90, 93, 88, 85, 81, 85),
)


@pytest.fixture(scope="module")
def world(make_renderer, population, tmp_path_factory) -> RenderedFaces:
    renderer = make_renderer(resolution=16, supersample=1)
    return RenderedFaces(renderer, population, 0, False, str(tmp_path_factory.mktemp("cache")))


def same(a, b) -> bool:
    return all(torch.equal(getattr(a, field.name), getattr(b, field.name)) for field in fields(a))


def test_the_cache_shows_what_the_brush_paints(world):
    rows = torch.tensor([130, 3, 3, 0])  # out of order, twice, from two blocks
    cached = world.part("val", 140).faces(rows, twins=True)
    painted = replace(world, cache_dir=None).part("val", 140).faces(rows, twins=True)
    assert same(cached, painted)
    assert cached.twin_of.tolist() == [-1] * 4 + [0, 1, 2, 3]


def test_what_decides_a_pixel_names_the_cache(world, make_renderer, population):
    others = [
        replace(world, seed=1),
        replace(world, renderer=make_renderer(resolution=32, supersample=1)),
        replace(world, population=replace(population, female_share=0.5)),
    ]
    assert len({one.key for one in (world, *others)}) == 4
    same_pixels = [
        replace(world, spoilt=True),
        replace(world, renderer=make_renderer(resolution=16, supersample=1, chunk=9)),
    ]
    assert {one.key for one in same_pixels} == {world.key}


def test_nobody_is_in_two_parts(world):
    people = [set(world.part(split, 60).draws.identity.tolist()) for split in world.population.splits]
    assert sum(map(len, people)) == len(set.union(*people)) == 240


def test_twins_are_the_same_photo_of_the_same_person(world):
    part = world.part("train", 200)
    twins = world.twins(part.draws)
    assert torch.equal(twins.latents, part.draws.latents)
    changed = (twins.properties != part.draws.properties).sum(dim=1)
    assert set(changed.tolist()) == {1, 8}
    assert 0.35 < (changed == 1).float().mean() < 0.65


def test_defects_and_hand_labels_are_asked_for(world):
    clean, spoilt = world.part("train", 300), replace(world, spoilt=True).part("train", 300)
    bad = spoilt.draws.quality == 0
    assert 3 < bad.sum() < 40
    assert clean.draws.quality.min() == 1
    rows = bad.nonzero()[:2, 0]
    assert not torch.equal(clean.faces(rows).images, spoilt.faces(rows).images)
    slipped = (spoilt.draws.quality_label != spoilt.draws.quality).nonzero()[:1, 0]
    labelled = replace(spoilt, labelled=True).faces(slipped).quality
    assert labelled is not None
    assert labelled.item() != spoilt.draws.quality[slipped].item()


def test_a_fingerprint_names_what_a_key_does_not(world):
    def told(of: RenderedFaces, *labels: str, by_hand: bool = False) -> str:
        part = of.part("train", 300)
        return (part.labelled_by_hand() if by_hand else part).fingerprint(*labels)

    spoilt = replace(world, spoilt=True)
    worse = replace(spoilt, population=replace(world.population, bad_share=0.3))
    noisy = replace(spoilt, population=replace(world.population, label_noise=0.3))
    assert {one.key for one in (spoilt, worse, noisy)} == {world.key}
    assert len({told(world), told(spoilt), told(worse), told(replace(world, seed=1))}) == 4
    assert told(noisy) == told(spoilt)
    assert told(noisy, "quality", by_hand=True) != told(spoilt, "quality", by_hand=True)


def test_steps_go_through_everybody_and_do_not_depend_on_where_a_run_began(world):
    part = world.part("train", 10)
    steps = FaceSteps(part, batch_size=3, seed=4, first=0, last=7)
    turn = torch.cat([steps.rows(step) for step in range(3)])
    assert len(set(turn.tolist())) == 9
    later = FaceSteps(part, batch_size=3, seed=4, first=5, last=7)
    assert [faces.identity.tolist() for faces in later] == [faces.identity.tolist() for faces in steps][5:]
    assert len(later) == len(steps) == 7
    halves = [replace(later, rank=rank, world_size=2) for rank in (0, 1)]
    shared = [torch.cat([faces.identity for faces in both]) for both in zip(*halves, strict=True)]
    assert [sorted(one.tolist()) for one in shared] == [sorted(faces.identity.tolist()) for faces in later]


def test_a_part_smaller_than_a_batch_is_one_batch(world):
    steps = FaceSteps(world.part("train", 3), batch_size=8, seed=0, first=0, last=2)
    assert [len(faces) for faces in steps] == [3, 3]


def test_the_data_module_gives_one_kind_of_batch(world):
    data = FaceDataModule(world.part("train", 8), world.part("val", 5), 4, 0, steps=2, twins=True)
    assert [len(faces) for faces in data.train_dataloader()] == [8, 8]
    val = data.val_dataloader()
    assert [len(faces) for faces in val] == [10]
    assert [len(faces) for faces in val] == [10]  # and again


def test_two_batches_join_and_move(world):
    faces = world.part("train", 2).whole()
    both = joined(faces, replace(faces, gender=None)).to("cpu")
    assert len(both) == 4
    assert both.gender is None


def test_a_killed_renderer_leaves_no_half_block(world, monkeypatch, tmp_path):
    torn = replace(world, cache_dir=str(tmp_path))

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(room.np, "save", fail)
    with pytest.raises(KeyboardInterrupt):
        torn.part("val", 1).whole()
    assert not list(tmp_path.rglob("*.npy"))


def test_faces_are_no_classification_dataset(composed):
    dataset = build(composed("train", "dataset=faces").dataset)
    with pytest.raises(OhloraError, match="model=face_seg"):
        dataset.load()


def test_counts_that_cannot_be():
    with pytest.raises(OhloraError, match=r"train=0 is not .*; test=1.5 is not a whole number"):
        FaceCounts(0, 1, 1.5)  # type: ignore[arg-type]


def test_a_part_of_an_unknown_split(world):
    with pytest.raises(OhloraError, match="split=vall is not one of train"):
        world.part("vall", 1).whole()


def test_the_shipped_filter_speaks_of_todays_pictures(composed):
    dataset = build(composed("train", "model=face_filter").dataset)
    card = json.loads((ASSETS / "face" / "kept.json").read_text(encoding="utf-8"))
    assert current_key(card["pictures"]) == dataset.key


def test_a_change_of_pixels_asks_for_a_new_version(world):
    """Where this fails, PICTURES in settings.py goes up by one, and these numbers are made again."""
    assert PICTURES == 1
    people = world.population.sample(seed=0, indices=range(3))
    picture = world.renderer.picture(world.renderer.mapping(people.latents, people.properties))
    quarters = F.adaptive_avg_pool2d(picture.images.float(), 2).flatten(1)
    assert torch.allclose(quarters, torch.tensor(QUARTERS, dtype=torch.float32), atol=1.0)
