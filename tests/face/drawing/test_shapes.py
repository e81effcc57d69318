"""Distances: negative inside, nothing on the edge, as long as a ruler says near it."""

from __future__ import annotations

import math

import pytest
import torch

from ohlora.face.drawing.shapes import (
    above,
    ellipse,
    intersection,
    smooth_union,
    smoothstep,
    stroke,
    union,
    zigzag,
)

ANGLES = torch.linspace(0, 2 * math.pi, 40)


def test_a_circle_is_exact_everywhere():
    x, y = torch.randn(2, 100)
    assert torch.allclose(ellipse(x, y, 0.7, 0.7), torch.hypot(x, y) - 0.7, atol=1e-5)


def test_an_ellipse_is_exact_to_first_order_at_its_edge():
    a, b, step = 0.8, 0.3, 1e-3
    x, y = a * ANGLES.cos(), b * ANGLES.sin()
    normal = torch.stack([x / a**2, y / b**2])
    normal = normal / normal.norm(dim=0)
    assert torch.allclose(ellipse(x, y, a, b), torch.zeros(40), atol=1e-6)
    for way in (-step, step):
        there = ellipse(x + way * normal[0], y + way * normal[1], a, b)
        assert torch.allclose(there, torch.full((40,), way), rtol=0.05)


def test_a_stroke_has_round_ends():
    x, y = torch.tensor([0.0, 0.5, 0.8, -0.8]), torch.tensor([0.2, 0.0, 0.0, 0.4])
    expected = torch.tensor([0.1, -0.1, 0.2, math.hypot(0.3, 0.4) - 0.1])
    assert torch.allclose(stroke(x, y, 0.5, 0.1), expected, atol=1e-6)


def test_above_means_smaller_y():
    assert above(torch.tensor([-1.0, 1.0]), 0.0).tolist() == [-1, 1]
    assert above(torch.tensor([1.0]), 0.0, 1.0).item() == pytest.approx(math.sqrt(0.5))


def test_sets():
    a, b = torch.tensor([-1.0, 2.0, -3.0]), torch.tensor([1.0, -1.0, -1.0])
    assert union(a, b).tolist() == [-1, -1, -3]
    assert intersection(a, b).tolist() == [1, 2, -1]
    smooth = smooth_union(a, b, 0.5)
    assert torch.allclose(smooth, union(a, b))  # apart by more than the radius
    assert smooth_union(torch.zeros(1), torch.zeros(1), 0.4).item() == pytest.approx(-0.1)


def test_steps_and_teeth():
    x = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0])
    assert smoothstep(x, 0, 1).tolist() == [0, 0, 0.5, 1, 1]
    assert smoothstep(x, 1, 0).tolist() == [1, 1, 0.5, 0, 0]
    assert zigzag(torch.tensor([0.0, 0.25, 0.5, 1.0, 7.0])).tolist() == [-1, 0, 1, -1, -1]
