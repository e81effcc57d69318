"""Encoders on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ohlora.features.autoencoder import Encoder, load_encoder, save_encoder
from ohlora.pretrained import Pretrained

NAME = "encoder"  # of the two files that save_pretrained writes


class PretrainedEncoder(Pretrained, Encoder, tags=["image-feature-extraction"]):
    """An Encoder with `save_pretrained` and `push_to_hub`; `Encoder.from_pretrained` makes one."""

    def _save_pretrained(self, save_directory: Path) -> None:
        save_encoder(save_directory / NAME, self)

    @classmethod
    def read(cls, folder: Path, name: str) -> Any:
        encoder = load_encoder(folder / name)
        return cls(encoder.network, encoder.card)
