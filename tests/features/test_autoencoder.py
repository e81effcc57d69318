"""The autoencoder and its encoder: any image, the same codes every time, nothing foreign loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from ohlora.assets import assets_dir, save_model
from ohlora.datasets.images import ImageData
from ohlora.errors import OhloraError
from ohlora.features.autoencoder import (
    Autoencoder,
    Encoder,
    ImageEncoder,
    as_trained,
    load_encoder,
    network_card,
    psnr,
    save_encoder,
)
from ohlora.features.autoencoder_job import NetworkSettings

SMALL = NetworkSettings(widths=(8, 12), grid=2, code=6)
VIEWS = {
    "zoom": 0.2, "stretch": 0.1, "turn": 0.1, "shift": 0.1, "light": 0.2, "tint": 0.1, "mirror_colour": True,
}  # fmt: skip


def small_module(shape: tuple[int, int, int], **changes: Any) -> Autoencoder:
    settings = {
        "network": {**asdict(SMALL), "widths": list(SMALL.widths)},
        "views": VIEWS,
        "image_shape": shape,
        "pixel_variance": 0.1,
        "agreement": 2.0,
        "decorrelation": 0.1,
        "learning_rate": 5e-3,
        "weight_decay": 0.01,
        "total_steps": 60,
    }
    torch.manual_seed(0)
    module = Autoencoder(**{**settings, **changes})
    module.log_dict = lambda *a, **k: None  # type: ignore[method-assign]  # no Trainer here
    return module


def small_encoder(shape: tuple[int, int, int]) -> Encoder:
    torch.manual_seed(0)
    return Encoder(ImageEncoder(SMALL, shape).eval(), network_card(SMALL, shape))


def some_images(n: int, *shape: int) -> torch.Tensor:
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_codes_are_the_networks_own() -> None:
    """Folding BatchNorm away moves no code by more than rounding, and leaves the network as it is."""
    encoder, images = small_encoder((3, 16, 16)), some_images(40, 3, 16, 16)
    for layer in encoder.network.modules():  # as after training
        if isinstance(layer, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            layer.running_mean.normal_()  # type: ignore[union-attr, operator]
            layer.running_var.uniform_(0.5, 2)  # type: ignore[union-attr, operator]
    with torch.no_grad():
        own = encoder.network(as_trained(images, (3, 16, 16)))
        assert torch.allclose(encoder.encode(images), own, atol=1e-5)
        assert torch.equal(encoder.network(as_trained(images, (3, 16, 16))), own)
        encoder.network.train()
        assert torch.allclose(encoder.encode(images), own, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 8, 8), (3, 12, 9), (1, 28, 28), (3, 32, 32), (3, 50, 130)])
def test_any_image_size_comes_back_in_its_own_size(shape: tuple[int, int, int]) -> None:
    module = small_module(shape)
    images = torch.rand(5, *shape)
    rebuilt = module(images)
    assert rebuilt.shape == images.shape
    assert 0 <= rebuilt.min() <= rebuilt.max() <= 1
    assert module.encoder(images).shape == (5, 6)


def test_training_rebuilds_better_and_brings_views_together(
    stripes: Callable[..., ImageData],
) -> None:
    images = stripes(n=120).train.images.float() / 255
    module = small_module((1, 8, 8))
    optimizer = module.configure_optimizers()["optimizer"]
    optimizer.param_groups[0]["lr"] = 5e-3
    seen = []
    for _ in range(60):
        parts = module.losses(images)
        seen.append({name: value.item() for name, value in parts.items()})
        optimizer.zero_grad()
        parts["loss"].backward()
        optimizer.step()
    assert seen[-1]["mse"] < 0.7 * seen[0]["mse"]
    assert seen[-1]["agreement"] < seen[0]["agreement"]


def test_a_plain_autoencoder_draws_no_views() -> None:
    parts = small_module((1, 8, 8), agreement=0.0, decorrelation=0.0).losses(torch.rand(4, 1, 8, 8))
    assert parts.keys() == {"loss", "mse"}


def test_the_loss_sees_no_labels() -> None:
    module = small_module((1, 8, 8))
    images = torch.rand(6, 1, 8, 8)
    losses = []
    for labels in (torch.zeros(6), torch.arange(6)):
        torch.manual_seed(3)
        losses.append(module.training_step((images, labels), 0).item())
    assert losses[0] == losses[1]


def test_psnr_of_known_errors() -> None:
    assert psnr(0.01) == pytest.approx(20.0)
    assert psnr(0.0) == 99.0


class TestEncoder:
    def test_same_images_same_codes_whatever_the_batch(self) -> None:
        encoder = small_encoder((1, 8, 8))
        images = some_images(600, 1, 8, 8)
        codes = encoder.encode(images)
        assert codes.shape == (600, 6)
        assert codes.dtype == torch.float32
        assert torch.equal(codes, encoder.encode(images))
        torch.testing.assert_close(codes[590:], encoder.encode(images[590:]), atol=1e-5, rtol=1e-5)

    def test_it_takes_other_sizes_and_colours(self) -> None:
        for trained in ((1, 8, 8), (3, 16, 16)):
            encoder = small_encoder(trained)
            for came in ((1, 8, 8), (3, 8, 8), (3, 33, 20), (1, 64, 64)):
                assert encoder.encode(some_images(3, *came)).shape == (3, 6)

    def test_a_grey_photo_in_colour_is_the_grey_photo(self) -> None:
        encoder = small_encoder((1, 8, 8))
        grey = some_images(4, 1, 8, 8)
        torch.testing.assert_close(encoder.encode(grey.expand(-1, 3, -1, -1)), encoder.encode(grey))

    def test_an_enlarged_image_looks_like_itself(self) -> None:
        image = some_images(1, 1, 8, 8)
        large = F.interpolate(image, scale_factor=4, mode="nearest")
        off = as_trained(large, (1, 8, 8)) - image.float() / 255
        assert off.abs().mean() < 0.1

    def test_no_images_no_codes(self) -> None:
        assert small_encoder((1, 8, 8)).encode(some_images(0, 1, 8, 8)).shape == (0, 6)

    @pytest.mark.parametrize("wrong", [torch.rand(2, 1, 8, 8), some_images(2, 4, 8, 8), some_images(1, 8, 8)])
    def test_what_is_no_image_is_refused(self, wrong: torch.Tensor) -> None:
        with pytest.raises(ValueError, match="expected uint8"):
            small_encoder((1, 8, 8)).encode(wrong)


class TestOnDisk:
    def test_codes_survive_saving(self, tmp_path: Path) -> None:
        encoder = small_encoder((3, 12, 9))
        path = save_encoder(tmp_path / "mine", encoder)
        images = some_images(7, 3, 12, 9)
        for name in (tmp_path / "mine", path, str(path)):
            loaded = load_encoder(name)
            assert torch.equal(loaded.encode(images), encoder.encode(images))
        assert loaded.image_shape == (3, 12, 9)
        assert loaded.code_size == 6

    def test_a_folder_without_one_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(OhloraError, match="no encoder at"):
            load_encoder(tmp_path / "mnist")

    def test_another_kind_of_model_is_refused(self, tmp_path: Path) -> None:
        save_model(tmp_path, "p", {"w": torch.zeros(2)}, {"kind": "predictor"})
        with pytest.raises(OhloraError, match="is of kind=predictor; expected kind=encoder"):
            load_encoder(tmp_path / "p")

    @pytest.mark.parametrize(
        "changes",
        [
            {"network": {"widths": [8], "grid": 2, "code": 6}},
            {"network": {"layers": 3}},
            {"image_shape": [1, 8]},
            {"image_shape": None},
            {"code_size": 7},
        ],
    )
    def test_a_card_that_does_not_fit_its_weights_is_refused(self, tmp_path: Path, changes: dict) -> None:
        save_encoder(tmp_path / "mine", small_encoder((1, 16, 16)))
        card = tmp_path / "mine.json"
        card.write_text(json.dumps({**json.loads(card.read_text()), **changes}))
        with pytest.raises(OhloraError, match="do not fit this version"):
            load_encoder(tmp_path / "mine")


SHIPPED = sorted(path.stem for path in (assets_dir() / "encoders").glob("*.safetensors"))


class TestShipped:
    def test_there_is_one_for_every_dataset(self) -> None:
        assert SHIPPED == ["cifar10", "digits", "fashion", "mnist"]
        assert sum(p.stat().st_size for p in (assets_dir() / "encoders").iterdir()) < 4e6

    @pytest.mark.parametrize("name", SHIPPED)
    def test_its_card_says_where_it_comes_from(self, name: str) -> None:
        encoder = load_encoder(assets_dir() / "encoders" / name)
        card = encoder.card
        assert card["command"].startswith(f"python train.py model=autoencoder dataset={name}")
        assert len(card["commit"]) == 12
        assert card["scores"]["codes"]["different_over_same"] > {"cifar10": 1.03, "fashion": 1.18}.get(
            name, 1.12
        )
        assert (card["dataset"] == "CIFAR-10 (JPEG)") == (name == "cifar10")
        assert encoder.encode(some_images(3, *encoder.image_shape)).isfinite().all()

    def test_digits_of_one_kind_lie_together(self, digits: ImageData) -> None:
        """The card's own claim, measured again."""
        from ohlora.features.report import meaning

        encoder = load_encoder(assets_dir() / "encoders" / "digits")
        measured = meaning(encoder.encode(digits.test.images), digits.test.labels)["different_over_same"]
        assert measured == pytest.approx(encoder.card["scores"]["codes"]["different_over_same"], abs=5e-3)
