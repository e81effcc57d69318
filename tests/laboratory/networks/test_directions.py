"""Found on a generator whose directions are known: it paints two numbers of its latent as brightness."""

from __future__ import annotations

import pytest
import torch

from ohlora.assets import save_model
from ohlora.errors import OhloraError
from ohlora.laboratory.networks.directions import (
    DIRECTIONS_KIND,
    METHODS,
    Directions,
    direction,
    ends,
    freed,
    leaks,
    load_directions,
    sweep,
)

TRUE = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.6, 0.8, 0.0, 0.0]])  # what brightens red, and green


def show(points, _faces):
    """Red and green as bright as the latent says, -1 to 1."""
    return (points @ TRUE.T / 4).clamp(-1, 1)[:, :, None, None].expand(-1, -1, 2, 2)


def measure(images):
    return images.float().mean((2, 3)) / 127.5 - 1


@pytest.fixture(scope="module")
def samples():
    points = torch.randn(1500, 4, generator=torch.Generator().manual_seed(0))
    return points, points @ TRUE.T


def test_ends_are_the_least_and_the_most():
    few, many = ends(torch.tensor([3.0, 1.0, 2.0, 0.0, 4.0]), 0.4)
    assert few.tolist() == [3, 1]
    assert many.tolist() == [0, 4]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_direction_and_points_to_more(method, samples):
    points, values = samples
    vector, accuracy = direction(points, values[:, 1], method, 0.2)
    assert float(vector.norm()) == pytest.approx(1, abs=1e-5)
    assert float(vector @ TRUE[1]) > 0.97
    assert accuracy > 0.97


def test_noise_has_no_direction(samples):
    points, _ = samples
    noise = torch.randn(len(points), generator=torch.Generator().manual_seed(1))
    assert direction(points, noise, "svm", 0.2)[1] < 0.65


def test_freed_vectors_move_nothing_but_their_own():
    vectors = freed(TRUE)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(2), atol=1e-6)
    off = vectors @ TRUE.T
    assert torch.allclose(off - off.diagonal().diag(), torch.zeros(2, 2), atol=1e-6)
    assert (off.diagonal() > 0).all()


class TestASweep:
    WEIGHTS = torch.linspace(-1, 1, 5)

    def test_gives_correlation_gain_and_what_else_moved(self):
        points = torch.zeros(3, 4)
        moves = [sweep(show, measure, points, TRUE[i], i, self.WEIGHTS, torch.ones(2)) for i in range(2)]
        assert moves[0].r == pytest.approx(1, abs=1e-3)
        assert moves[0].gain == pytest.approx(0.25, abs=0.01)  # a quarter of full scale a unit
        leak = leaks(torch.stack([one.moved for one in moves]))
        assert leak.diagonal().tolist() == pytest.approx([1, 1])
        assert float(leak[0, 1]) == pytest.approx(0.6, abs=0.03)

    def test_the_other_way_round_is_a_negative_r(self):
        assert sweep(show, measure, torch.zeros(2, 4), -TRUE[0], 0, self.WEIGHTS, torch.ones(2)).r < -0.99


def test_a_change_is_asked_for_in_the_property_s_own_unit():
    told = Directions(freed(TRUE), torch.tensor([0.25 * 0.8, 0.25 * 0.8]), {"properties": ["red", "green"]})
    moved = told.move(torch.zeros(2, 4), {"red": 0.1})
    assert measure((show(moved, None) + 1) * 127.5)[0].tolist() == pytest.approx([0.1, 0.0], abs=1e-5)
    with pytest.raises(OhloraError, match="no direction for blue; there are red, green"):
        told.move(torch.zeros(1, 4), {"blue": 1.0})


def test_directions_of_another_generator_are_refused(tmp_path):
    card = {"kind": DIRECTIONS_KIND, "generator": "abc", "properties": ["red", "green"]}
    save_model(tmp_path, "d", {"vectors": TRUE, "gains": torch.ones(2)}, card)
    assert torch.equal(load_directions(tmp_path, "d", "abc").vectors, TRUE)
    with pytest.raises(OhloraError, match="found for another generator"):
        load_directions(tmp_path, "d", "abd")


def test_the_command_s_words_reach_the_job(face_job, tmp_path):
    """`space` alone is the group of hyperparameter spaces, whose default would be taken for this one."""
    assert face_job("face_directions", tmp_path).space == "style"
    with pytest.raises(OhloraError) as told:
        face_job("face_directions", tmp_path, "latent_space=q", "method=magic")
    for fault in ("latent_space=q is not one of z | w | style", "method=magic is not one of svm | logistic"):
        assert fault in str(told.value)
