"""People: the same everywhere, in one split each, hard enough to tell apart."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from ohlora.errors import OhloraError
from ohlora.face.drawing.population import identities


def same(first, second) -> bool:
    return all(torch.equal(getattr(first, f.name), getattr(second, f.name)) for f in fields(first))


def test_parameters_are_bit_equal_on_every_machine(population):
    """When this fails on purpose (conf changed), every shipped face and number changes with it."""
    draws = population.sample(seed=3, indices=range(50))
    data = b"".join(getattr(draws, field.name).numpy().tobytes() for field in fields(draws))
    assert hashlib.sha256(data).hexdigest()[:16] == "a94e647fbdb4fb67"


def test_a_person_does_not_depend_on_who_else_is_drawn(population):
    everybody = population.sample(seed=3, indices=range(50))
    assert same(population.sample(seed=3, indices=[41, 7]), everybody.take(torch.tensor([41, 7])))


def test_another_photo_is_the_same_person(population):
    first, second = (population.sample(1, range(200), photo=photo) for photo in (0, 1))
    traits = len(population.identity)
    assert torch.equal(first.latents[:, :traits], second.latents[:, :traits])
    assert torch.equal(first.identity, second.identity)
    assert torch.equal(first.split, second.split)
    assert torch.equal(first.gender, second.gender)
    assert (first.latents[:, traits:] != second.latents[:, traits:]).all()
    assert (first.properties != second.properties).all()


def test_splits_share_out_the_people(population):
    split = population.sample(2, range(5000)).split
    shares = split.bincount(minlength=4) / 5000
    assert shares.tolist() == pytest.approx(list(population.splits.values()), abs=0.02)
    drawn = {name: set(population.indices(2, 300, split=name)) for name in population.splits}
    assert len(set.union(*drawn.values())) == 1200
    names = list(population.splits)
    for name, indices in drawn.items():
        assert set(population.sample(2, sorted(indices)).split.tolist()) == {names.index(name)}


def test_indices_go_on_where_they_stopped(population):
    first = population.indices(0, 40, split="val", women=True)
    again = population.indices(0, 20, split="val", women=True, first=int(first[19]) + 1)
    assert again.tolist() == first[20:].tolist()
    assert population.sample(0, first).gender.min() == 1


def test_identities_are_all_different():
    numbers = np.concatenate([identities(seed, np.arange(100)) for seed in range(5)])
    assert len(set(numbers.tolist())) == 500
    for seed, index in ((-1, 0), (2**31, 0), (0, -1), (0, 2**32)):
        with pytest.raises(OhloraError, match="a seed below"):
            identities(seed, np.array([index]))


def test_properties_fill_their_ranges_without_regard_to_the_person(population):
    draws = population.sample(9, range(4000))
    for column, (name, axis) in enumerate(population.properties.items()):
        values = draws.properties[:, column].double()
        assert values.min() >= axis.low - 1e-6
        assert values.max() <= axis.high + 1e-6
        if name != "background_std":
            assert float(values.mean()) == pytest.approx(axis.at(0.5), abs=0.03 * (axis.high - axis.low))
    both = torch.cat([draws.properties, draws.latents], dim=1)
    between = torch.corrcoef(both.T)[: len(population.properties), len(population.properties) :]
    assert between.abs().max() < 0.08


def test_no_background_is_asked_to_clip(population):
    draws = population.sample(9, range(2000)).properties
    names = list(population.properties)
    mean, std = draws[:, names.index("background_mean")], draws[:, names.index("background_std")]
    assert (mean + population.clip_at * std <= 1 + 1e-6).all()
    assert (mean - population.clip_at * std >= -1e-6).all()


def test_the_best_judge_is_right_as_often_as_the_closed_form_says(population):
    draws = population.sample(4, range(20_000))
    shifts = torch.from_numpy(population.shifts).float()
    women, men = (
        -0.5 * ((draws.latents[:, : len(shifts)] - centre) ** 2).sum(1)
        for centre in (torch.zeros_like(shifts), shifts)
    )
    prior = np.log(population.female_share / (1 - population.female_share))
    right = ((women - men + prior > 0) == (draws.gender > 0.5)).float().mean()
    assert float(right) == pytest.approx(population.best_accuracy, abs=0.004)
    assert 0.95 <= population.best_accuracy <= 0.97
    assert float(draws.gender.mean()) == pytest.approx(population.female_share, abs=0.01)


def test_photos_are_spoilt_as_often_as_conf_says(population):
    draws = population.sample(4, range(20_000))
    assert float((draws.severity > 0.5).float().mean()) == pytest.approx(population.bad_share, abs=0.005)
    assert torch.equal(draws.quality, (draws.severity <= 0.5).float())
    slips = (draws.quality_label != draws.quality).float()
    assert float(slips.mean()) == pytest.approx(population.label_noise, abs=0.005)
    spoilt = draws.defect[draws.severity > 0].bincount(minlength=4) / (draws.severity > 0).sum()
    assert spoilt.tolist() == pytest.approx([0.25] * 4, abs=0.04)


def test_what_cannot_be_drawn_is_told_at_once(population):
    with pytest.raises(OhloraError) as caught:
        replace(population, female_share=2, masculine={"jav": 1.0}, splits={"train": 0.5})
    assert "female_share=2 is not a number from 0 to 1" in str(caught.value)
    assert "jav is not a trait of identity (did you mean jaw?)" in str(caught.value)
    assert "these shares do not add up to 1" in str(caught.value)
    with pytest.raises(OhloraError, match="did you mean test_a"):
        population.indices(0, 1, split="test_aa")
