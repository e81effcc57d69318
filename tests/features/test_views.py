"""Views: as far as they may stray and no further."""

from __future__ import annotations

import pytest
import torch

from ohlora.features.autoencoder_job import Views

STILL = {
    "zoom": 0.0, "stretch": 0.0, "turn": 0.0, "shift": 0.0, "light": 0.0, "tint": 0.0, "mirror_colour": False,
}  # fmt: skip


def draw(images: torch.Tensor, seed: int = 0, **settings: float) -> torch.Tensor:
    return Views(**{**STILL, **settings}).draw(images, torch.Generator().manual_seed(seed))  # type: ignore[arg-type]


def pictures(channels: int) -> torch.Tensor:
    return torch.rand(32, channels, 10, 14, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [1, 3])
def test_without_reach_nothing_moves(channels: int) -> None:
    torch.testing.assert_close(draw(pictures(channels)), pictures(channels), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", [name for name in STILL if name not in ("tint", "mirror_colour")])
def test_every_setting_changes_the_view(name: str) -> None:
    assert not torch.allclose(draw(pictures(1), **{name: 0.3}), pictures(1), atol=1e-2)


def test_tint_and_mirror_are_for_colour_alone() -> None:
    for settings in ({"tint": 0.3}, {"mirror_colour": True}):
        torch.testing.assert_close(draw(pictures(1), **settings), pictures(1), atol=1e-4, rtol=0)
        assert not torch.allclose(draw(pictures(3), **settings), pictures(3), atol=1e-2)


def test_mirroring_takes_half_of_the_colour_images_exactly_round() -> None:
    images = pictures(3)
    view = draw(images, mirror_colour=True)
    mirrored = [torch.allclose(v, i.flip(2), atol=1e-4) for v, i in zip(view, images, strict=True)]
    kept = [torch.allclose(v, i, atol=1e-4) for v, i in zip(view, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 8 <= sum(mirrored) <= 24


def test_pixels_stay_pixels_and_a_seed_is_a_view() -> None:
    wild = {"zoom": 0.5, "turn": 1.0, "shift": 0.5, "light": 0.9, "tint": 0.5}
    view = draw(pictures(3), seed=4, **wild)
    assert view.shape == pictures(3).shape
    assert view.min() >= 0
    assert view.max() <= 1
    assert torch.equal(view, draw(pictures(3), seed=4, **wild))
    assert not torch.equal(view, draw(pictures(3), seed=5, **wild))
