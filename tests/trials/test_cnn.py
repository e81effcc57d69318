"""The network: any image, every hyperparameter matters."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from ohlora.datasets.loading import SubsetDataModule
from ohlora.trials.cnn import CnnClassifier, score, whitening_filters
from ohlora.trials.drivers import EarlyStopping, drive_lean

CPU = torch.device("cpu")


def trained_digest(params, subset, settings, steps: int = 12) -> list[float]:
    """Sums over the trained weights after `steps` steps: equal for equal training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        data = SubsetDataModule(subset, int(params["batch_size"]), seed=0)
        images = data.split("train").images
        module = CnnClassifier.build(params, settings, images, len(subset.class_names), steps)
        assert drive_lean(module, data, EarlyStopping(patience=99), steps, steps, CPU, "32") == steps
    return [p.double().abs().sum().item() for p in module.parameters() if p.requires_grad]


def axis_names() -> list[str]:
    return [
        "dropout_conv_early",
        "dropout_conv_late",
        "dropout_fc",
        "learning_rate",
        "activation",
        "optimizer",
        "scheduler",
        "weight_decay",
        "batch_size",
        "label_smoothing",
        "augmentation",
    ]


def test_the_list_below_is_the_space(space):
    assert axis_names() == list(space.free)


class TestEveryHyperparameterReachesTraining:
    @pytest.mark.parametrize("name", axis_names())
    def test_every_value_trains_another_network(self, name, space, good_params, digits_subset, smoke):
        axis = space.free[name]
        values = list(getattr(axis, "options", [axis.at(0.0), axis.at(0.5), axis.at(1.0)]))
        digests = [
            tuple(trained_digest({**good_params, name: value}, digits_subset, smoke.network))
            for value in values
        ]
        assert len(set(digests)) == len(values), f"{name} is offered and does nothing"

    def test_the_same_params_train_the_same_network(self, good_params, digits_subset, smoke):
        one, two = (trained_digest(good_params, digits_subset, smoke.network) for _ in range(2))
        assert one == two

    def test_adam_is_not_adamw_in_disguise(self, good_params, smoke):
        kinds = {}
        for name in ("adam", "adamw"):
            module = CnnClassifier(
                {**good_params, "optimizer": name}, dataclasses.asdict(smoke.network), (1, 8, 8), 3, 10
            )
            kinds[name] = type(module.configure_optimizers()["optimizer"])
        assert kinds == {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [(4, 4), (5, 7), (8, 8), (13, 40), (28, 28), (32, 32), (64, 48)])
def test_any_image_size_and_channel_count(channels, size, good_params, smoke):
    images = torch.randn(9, channels, *size, generator=torch.Generator().manual_seed(0))
    module = CnnClassifier.build(good_params, smoke.network, images, 4, total_steps=10)
    logits = module(images)
    assert logits.shape == (9, 4)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()
    loss = module.training_step((images, torch.arange(9) % 4), 0)
    loss.backward()
    missing = [n for n, p in module.named_parameters() if p.requires_grad and not p.grad.abs().sum() > 0]
    assert missing == []


def test_it_ends_in_logits(good_params, smoke, digits_subset):
    images = SubsetDataModule(digits_subset, 32, 0).split("train").images
    with torch.random.fork_rng():
        torch.manual_seed(0)  # of the untrained weights
        module = CnnClassifier.build(good_params, smoke.network, images, 3, 10).eval()
    with torch.no_grad():
        logits = module(images[:50])
    assert not torch.allclose(logits.sum(1), torch.ones(50), atol=0.1)
    assert logits.min() < 0  # a softmax is nowhere below


class TestWhitening:
    def test_patches_come_out_white(self, digits):
        images = digits.train.images.float() / 255
        images = (images - images.mean()) / images.std()
        filters = whitening_filters(images, patch=3, epsilon=0.0)[:4]
        answers = torch.nn.functional.conv2d(images[:: len(images) // 96][:96], filters)
        covariance = torch.cov(answers.transpose(0, 1).flatten(1))
        assert torch.allclose(covariance, torch.eye(4), atol=0.02)

    def test_the_fixed_layer_never_learns(self, good_params, smoke, digits_subset):
        data = SubsetDataModule(digits_subset, 32, 0)
        images = data.split("train").images
        module = CnnClassifier.build(good_params, smoke.network, images, len(digits_subset.class_names), 5)
        before = module.whitening.weight.clone()
        drive_lean(module, data, EarlyStopping(9), 5, 5, CPU, "32")
        assert torch.equal(module.whitening.weight, before)
        assert torch.equal(before[: len(before) // 2], -before[len(before) // 2 :])

    def test_blank_images_give_finite_filters(self):
        assert torch.isfinite(whitening_filters(torch.zeros(10, 3, 8, 8), patch=5)).all()


class TestScore:
    def test_is_cross_entropy_and_macro_f1(self):
        from sklearn.metrics import f1_score

        logits = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
        labels = torch.arange(60) % 4
        loss, f1 = score(logits, labels)
        assert f1 == pytest.approx(f1_score(labels, logits.argmax(1), average="macro"), abs=1e-6)
        assert loss == pytest.approx(-logits.log_softmax(1)[range(60), labels].mean().item(), abs=1e-5)

    def test_a_network_that_says_nan_has_a_score_too(self):
        loss, f1 = score(torch.full((9, 3), math.nan), torch.arange(9) % 3)
        assert not math.isfinite(loss)
        assert 0 <= f1 < 0.4
