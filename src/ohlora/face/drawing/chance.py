"""Random numbers as a pure function of keys: the same on every machine and with every version of anything.

numpy and torch may change their streams, and logarithms differ by a bit between maths libraries; whole-number
arithmetic does not. A number depends on its keys alone, so a million faces are drawn as one array, in any
order.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mixed(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every input bit reaches every output bit."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def words(keys: Sequence[int] | np.ndarray, stream: str, count: int) -> np.ndarray:
    """64 random bits for each key and position, uint64 [keys, count]; streams of different names differ."""
    rows = mixed(np.asarray(keys, dtype=np.uint64)[:, None] + GOLDEN)
    columns = mixed(np.arange(count, dtype=np.uint64)[None, :] + np.uint64(zlib.crc32(stream.encode()) << 32))
    return mixed(mixed(rows ^ columns) + GOLDEN)


def uniform(keys: Sequence[int] | np.ndarray, stream: str, count: int) -> np.ndarray:
    """Numbers from 0 to 1, 1 excluded, float64 [keys, count]."""
    return (words(keys, stream, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(keys: Sequence[int] | np.ndarray, stream: str, count: int) -> np.ndarray:
    """Numbers of mean 0 and variance 1, as good as normal, float64 [keys, count].

    Each is a sum of twelve 16-bit numbers (Irwin-Hall): exact, never beyond 6, its kurtosis 0.1 below 3.
    """
    drawn = words(keys, stream, 3 * count)
    total = sum((drawn >> np.uint64(shift)) & np.uint64(0xFFFF) for shift in (0, 16, 32, 48))
    total = np.asarray(total).reshape(len(drawn), count, 3).sum(axis=2).astype(np.float64)
    return (total - 12 * 65535 / 2) / 65536
