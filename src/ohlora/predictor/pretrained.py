"""The predictor on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ohlora.predictor.predictor import NAME, Predictor
from ohlora.pretrained import Pretrained


class PretrainedPredictor(Pretrained, Predictor, tags=["hyperparameter-optimization"]):
    """A Predictor with `save_pretrained` and `push_to_hub`; `Predictor.from_pretrained` makes one."""

    def _save_pretrained(self, save_directory: Path) -> None:
        self.save(save_directory, NAME)

    @classmethod
    def read(cls, folder: Path, name: str) -> Any:
        return cls.load(folder, name)
