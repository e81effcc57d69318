"""The small encoder: the mean of a text's token embeddings, scaled to length 1 (a bag of embeddings).

A tokenizer.json, one int8 table with a scale a row, and a card; NumPy alone computes. How it is trained:
training_encoder.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from ohlora.durable import replacing, write_json
from ohlora.errors import OhloraError

WEIGHTS, TOKENIZER, CARD = "encoder.safetensors", "tokenizer.json", "card.json"
UNKNOWN = "<unk>"


class EmbeddingBag:
    """An encoder read from its folder."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).expanduser()

    @cached_property
    def card(self) -> dict[str, Any]:
        try:
            return json.loads((self.folder / CARD).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OhloraError(
                f"{self.folder / CARD}: {why(error)}; python -m ohlora chat-train makes it"
            ) from None

    @property
    def name(self) -> str:
        """Another training has another name: vectors of one are no good beside those of the other."""
        return f"small-{self.card['weights_sha256'][:12]}"

    @cached_property
    def _parts(self) -> tuple[Tokenizer, np.ndarray]:
        try:
            tokenizer = Tokenizer.from_file(str(self.folder / TOKENIZER))
            tensors = load_file(self.folder / WEIGHTS)
            table = tensors["embedding"].astype(np.float32) * tensors["scale"].astype(np.float32)[:, None]
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise OhloraError(f"{self.folder}: {why(error)}; python -m ohlora chat-train makes it") from None
        except Exception as error:  # tokenizers raises nothing more exact
            raise OhloraError(f"{self.folder / TOKENIZER} is damaged: {why(error)}") from None
        if tokenizer.get_vocab_size() != len(table):
            raise OhloraError(f"{self.folder}: tokenizer and embeddings are not of one training")
        return tokenizer, table

    def encode(self, texts: Sequence[str], query: bool = False) -> np.ndarray:
        """Vectors [texts, dimension]; that of a text without a known token is 0."""
        tokenizer, table = self._parts
        found = [row.ids for row in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
        return np.stack([unit(table[ids].sum(axis=0)) for ids in found]) if found else table[:0]


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def why(error: BaseException) -> str:
    return "not there" if isinstance(error, FileNotFoundError) else str(error).splitlines()[0][:200]


def unigram_tokenizer(pieces: Sequence[tuple[str, float]]) -> Tokenizer:
    """A Unigram tokenizer (arXiv:1804.10959) of lower-case text; its first piece stands for the unknown."""
    tokenizer = Tokenizer(models.Unigram([*pieces], unk_id=0))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Punctuation(), pre_tokenizers.Metaspace(prepend_scheme="first")]
    )
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def save_bag(folder: Path, tokenizer: Tokenizer, table: np.ndarray, card: dict[str, Any]) -> None:
    """Write an encoder in int8, a scale a row: four times smaller than fp32, as good at ranking."""
    import hashlib

    scale = np.maximum(np.abs(table).max(axis=1), 1e-9) / 127
    rows = np.round(table / scale[:, None]).astype(np.int8)
    with replacing(folder / WEIGHTS) as part:
        save_file({"embedding": rows, "scale": scale.astype(np.float32)}, part)
    with replacing(folder / TOKENIZER) as part:
        tokenizer.save(str(part), pretty=False)
    sha256 = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    write_json(folder / CARD, {**card, "weights_sha256": sha256})
