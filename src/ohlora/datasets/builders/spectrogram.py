"""Sound as an image: log power of a short-time Fourier transform on a grid of times and pitches."""

from __future__ import annotations

import numpy as np

RANGE_DB = 60  # below the loudest is silence


def spectrogram(sound: np.ndarray, rate: int, side: int, low: float, high: float) -> np.ndarray:
    """Image uint8 [side, side], low pitches at the bottom, time from left to right.

    `sound` is float [samples] at `rate` per second; rows are spaced evenly in log frequency from `low` to
    `high` hertz, columns cover the whole sound.
    """
    window = np.hanning(rate // 25)
    hop = max(1, (len(sound) - len(window)) // (2 * side - 1))
    frames = np.lib.stride_tricks.sliding_window_view(sound, len(window))[::hop]
    power = np.abs(np.fft.rfft(frames * window, 4 * len(window))) ** 2
    rows = np.geomspace(low, high, side)
    bins = np.clip(np.rint(rows * 4 * len(window) / rate).astype(int), 0, power.shape[1] - 1)
    times = np.linspace(0, len(power) - 1, 2 * side).astype(int)
    picture = power[times][:, bins].reshape(side, 2, side).mean(axis=1).T
    decibel = 10 * np.log10(picture / max(picture.max(), 1e-12) + 10 ** (-RANGE_DB / 10))
    return np.clip(np.rint((decibel[::-1] / RANGE_DB + 1) * 255), 0, 255).astype(np.uint8)
