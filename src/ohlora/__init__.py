"""Oh-LoRA: hyperparameters at a glance, and a battle to prove it."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ohlora.classify.loading import load
    from ohlora.errors import OhloraError
    from ohlora.features.autoencoder import Encoder
    from ohlora.features.describe import describe
    from ohlora.predictor.advice import Advice, advise
    from ohlora.predictor.predictor import Predictor
    from ohlora.predictor.sampler import OhLoRASampler
    from ohlora.space import Choice, Real, Space
    from ohlora.trials.classifier import ImageClassifier, Prediction
    from ohlora.verbs import fit

__version__ = "0.1.0"
__all__ = [
    "Advice",
    "Choice",
    "Encoder",
    "ImageClassifier",
    "OhLoRASampler",
    "OhloraError",
    "Prediction",
    "Predictor",
    "Real",
    "Space",
    "__version__",
    "advise",
    "describe",
    "fit",
    "load",
]

_HOME = {  # imported when first asked for: `import ohlora` is light
    "Advice": "predictor.advice",
    "Choice": "space",
    "Encoder": "features.autoencoder",
    "ImageClassifier": "trials.classifier",
    "OhLoRASampler": "predictor.sampler",
    "OhloraError": "errors",
    "Prediction": "trials.classifier",
    "Predictor": "predictor.predictor",
    "Real": "space",
    "Space": "space",
    "advise": "predictor.advice",
    "describe": "features.describe",
    "fit": "verbs",
    "load": "classify.loading",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ohlora' has no attribute {name!r}")
    return getattr(import_module(f"ohlora.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if sys.argv[:1] == ["-m"]:  # so while Python looks for the module it is to run
    from ohlora.cli import refuse_moved

    refuse_moved()
