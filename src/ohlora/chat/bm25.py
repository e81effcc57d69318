"""BM25 (Robertson and Zaragoza, 2009) over character n-grams: the baseline of retrieval, nothing trained."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

K1, B = 1.2, 0.75  # the usual ones
SIZES = (2, 3)  # characters: Korean words change their endings


@lru_cache(maxsize=20_000)  # the same facts are asked again and again
def grams(text: str) -> Counter[str]:
    """Runs of two and three characters of a text's words, their ends marked."""
    words = re.findall(r"[^\W_]+", text.lower())
    return Counter(
        f" {word} "[at : at + size] for word in words for size in SIZES for at in range(len(word) + 3 - size)
    )


def bm25_scores(question: str, texts: Sequence[str]) -> np.ndarray:
    """How well each text fits the question, from 0 up."""
    counted = [grams(text) for text in texts]
    lengths = np.array([sum(one.values()) for one in counted], float)
    mean = max(lengths.mean(), 1.0) if len(texts) else 1.0
    scores = np.zeros(len(texts))
    for gram in grams(question):
        counts = np.array([one[gram] for one in counted], float)
        holding = int((counts > 0).sum())
        if holding:
            rarity = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
            scores += rarity * counts * (K1 + 1) / (counts + K1 * (1 - B + B * lengths / mean))
    return scores
