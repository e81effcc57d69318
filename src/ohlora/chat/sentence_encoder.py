"""An encoder of sentence-transformers, where that package is installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ohlora.chat.retrieval import Encoder, SentenceTransformers
from ohlora.errors import OhloraError


class SentenceEncoder:
    """The package's model under our protocol."""

    def __init__(self, settings: SentenceTransformers, model: Any) -> None:
        self.name, self._settings, self._model = f"st-{settings.model}", settings, model

    def encode(self, texts: Sequence[str], query: bool = False) -> np.ndarray:
        prompt = self._settings.query_prompt if query else self._settings.passage_prompt
        given = [prompt + text for text in texts]
        return np.asarray(self._model.encode(given, normalize_embeddings=True), np.float32)


def load_sentence_encoder(settings: SentenceTransformers) -> Encoder:
    from sentence_transformers import SentenceTransformer  # type: ignore[import-not-found]

    try:
        return SentenceEncoder(
            settings, SentenceTransformer(settings.model, model_kwargs={"use_safetensors": True})
        )
    except (OSError, ValueError, RuntimeError) as error:
        why = str(error).splitlines()[0][:200]
        raise OhloraError(
            f"encoder.model={settings.model} cannot be loaded ({why}); encoder=small ships"
        ) from None
