"""One CNN + one set of hyperparameters + one subset -> one score."""

from ohlora.trials.cnn import Budget, CnnClassifier, CnnSettings
from ohlora.trials.drivers import Hardware, Protocol, TrialOutcome, train_and_score

__all__ = [
    "Budget",
    "CnnClassifier",
    "CnnSettings",
    "Hardware",
    "Protocol",
    "TrialOutcome",
    "train_and_score",
]
