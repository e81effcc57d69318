"""A classifier as an ONNX file: 8-bit images in, probabilities out, nothing of ohlora needed to run it."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.torch_version import TorchVersion

from ohlora.durable import replacing
from ohlora.errors import OhloraError, need_packages
from ohlora.trials.classifier import ImageClassifier

PACKAGES = ("onnx", "onnxscript")
# The exporter of torch 2.6 fails with onnxscript 0.3.2 and 0.5.7 alike; since 2.9 it is torch's usual one.
TORCH = "2.9"


class Whole(nn.Module):
    """Images uint8 [n, channels, height, width] -> probabilities float32 [n, classes]."""

    mean: Tensor
    std: Tensor

    def __init__(self, classifier: ImageClassifier) -> None:
        super().__init__()
        self.network = classifier.network
        self.register_buffer("mean", classifier.mean)
        self.register_buffer("std", classifier.std)

    def forward(self, images: Tensor) -> Tensor:
        return self.network((images.float() / 255 - self.mean) / self.std).softmax(dim=1)


def check_packages() -> None:
    """Raise OhloraError where the extra is not installed, or torch is too old for it."""
    need_packages("onnx", *PACKAGES)
    if TorchVersion(torch.__version__) < TORCH:
        raise OhloraError(f"ONNX files need torch {TORCH} or later, not {torch.__version__}")


def save_onnx(classifier: ImageClassifier, path: str | Path) -> Path:
    """Write the network with its scaling and softmax: input `images`, output `probabilities`, any batch."""
    check_packages()
    path = Path(path)
    images = torch.zeros(2, *classifier.image_shape, dtype=torch.uint8)
    with replacing(path, ".part.onnx") as part, quiet():
        program = torch.onnx.export(
            Whole(classifier).eval(),
            (images,),
            input_names=["images"],
            output_names=["probabilities"],
            dynamic_shapes={"images": {0: torch.export.Dim("n", min=1)}},
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        # JSON: a name may hold whatever a folder's may, a line break as well.
        program.model.metadata_props["class_names"] = json.dumps(classifier.class_names, ensure_ascii=False)
        program.save(part, external_data=False)
    return path


@contextmanager
def quiet() -> Iterator[None]:
    """The exporter tells of its own steps on stdout, in warnings and in logs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
