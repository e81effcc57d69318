"""Matches with any verdicts."""

import pytest

from ohlora.battle.verdict import Verdict

OWN_F1 = 0.5
# Differences well inside each verdict, and scores that a first and a second attempt do not share.
DIFFERENCE = {
    Verdict.LOST_BY_FAR: (-0.2113, -0.1874),
    Verdict.LOST_CLEARLY: (-0.0842, -0.0617),
    Verdict.LOST_NARROWLY: (-0.0131, -0.0078),
    Verdict.DRAW: (0.0, 0.0),
    Verdict.WON_NARROWLY: (0.0124, 0.0093),
    Verdict.WON_CLEARLY: (0.0713, 0.0934),
    Verdict.WON_BY_FAR: (0.1812, 0.2315),
}
CHALLENGER = {
    "learning_rate": 0.00123,
    "optimizer": "adamw",
    "scheduler": "cosine",
    "activation": "relu",
    "dropout_fc": 0.35,
    "batch_size": 64,
}
OHLORA = {
    "learning_rate": 0.0031,
    "optimizer": "adam",
    "scheduler": "exp_90",
    "activation": "leaky_relu",
    "dropout_fc": 0.12,
    "batch_size": 32,
}


def a_match(
    *verdicts, language="ko", kind="human", player="you", title="Fashion-MNIST", name="fashion", swap=False
):
    """A match whose attempts end as `verdicts` say; `swap` exchanges which equal verdict scored more."""
    attempts = [
        {
            "contestant": player if kind == "human" else kind,
            "kind": kind,
            "params": CHALLENGER,
            "val_f1": 0.4321,
            "test_f1": OWN_F1 + DIFFERENCE[Verdict(verdict)][place != swap],
        }
        for place, verdict in enumerate(verdicts)
    ]
    own = {"contestant": "Oh-LoRA", "kind": "ohlora", "params": OHLORA, "val_f1": 0.5123, "test_f1": OWN_F1}
    return {
        "dataset": {"name": name, "title": title},
        "subset": {"family": "varied", "seed": 1000007, "class_counts": [120, 85, 240]},
        "rules": "house",
        "attempts": [own, *attempts],
        "winner": None,
        "predicted_f1": 0.5456,
        "language": language,
    }


@pytest.fixture(scope="session")
def match():
    return a_match
