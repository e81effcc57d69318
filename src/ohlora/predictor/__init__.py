"""Features + hyperparameters -> predicted macro-F1, and the search over it."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "advise":  # as earlier READMEs imported it; today: from ohlora import advise
        from ohlora.predictor.advice import advise

        return advise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
