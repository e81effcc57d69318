"""The classifier that a watched trial leaves: weights as safetensors, and a card with all it needs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ohlora.assets import load_network, save_model
from ohlora.datasets.loading import SubsetDataModule
from ohlora.datasets.subset import Subset
from ohlora.trials.cnn import CnnClassifier
from ohlora.trials.drivers import TrialOutcome
from ohlora.trials.protocol import CnnSettings, Protocol

KIND = "image_classifier"
NAME = "classifier"


@dataclass(frozen=True)
class ImageClassifier:
    """A trained network with the names of its classes and the scale of the images it was trained on."""

    network: CnnClassifier
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]  # channels, height, width
    mean: Tensor  # [1, channels, 1, 1], of the training images' pixels, 0 to 1
    std: Tensor  # [1, channels, 1, 1]
    card: dict[str, Any]

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Logits float32 [n, classes] of images uint8 [n, channels, height, width] of `image_shape`."""
        return self.network((images.float() / 255 - self.mean) / self.std)


def save_classifier(folder: Path, outcome: TrialOutcome, subset: Subset, protocol: Protocol) -> Path:
    """Write `classifier.safetensors` and `classifier.json`; return the path of the weights."""
    record = outcome.record
    data = SubsetDataModule(subset, batch_size=1, seed=0)
    card = {
        "kind": KIND,
        "class_names": list(subset.class_names),
        "image_shape": list(subset.image_shape),
        "mean": data.mean.flatten().tolist(),
        "std": data.std.flatten().tolist(),
        "params": record.key.params,
        "protocol": {"fingerprint": protocol.fingerprint, **asdict(protocol)},
        "subset": {**asdict(subset.recipe), "title": subset.title},
        "scores": {"val_f1": record.val_f1, "test_f1": record.test_f1},
    }
    return save_model(folder, NAME, outcome.module.state_dict(), card)


def load_classifier(folder: Path) -> ImageClassifier:
    """What `save_classifier` wrote; OhloraError where it is missing, damaged or something else."""
    network, card = load_network(folder, NAME, KIND, network_of)
    mean, std = (torch.tensor(card[name]).view(1, -1, 1, 1) for name in ("mean", "std"))
    channels, height, width = card["image_shape"]
    return ImageClassifier(network, tuple(card["class_names"]), (channels, height, width), mean, std, card)


def network_of(card: dict[str, Any]) -> CnnClassifier:
    """An untrained network as the card describes it."""
    settings = asdict(CnnSettings(**card["protocol"]["network"]))
    shape, classes = tuple(card["image_shape"]), len(card["class_names"])
    return CnnClassifier(card["params"], settings, shape, classes, total_steps=1)  # type: ignore[arg-type]
