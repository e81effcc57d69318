"""Ten kinds of synthetic sound as spectrograms: tones, sweeps, plucks, chords, clicks, noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from ohlora.datasets.builders.build import Arrays, drawn
from ohlora.datasets.builders.spectrogram import spectrogram

VERSION = 1
TITLE = "synthetic sounds"
CLASSES = (
    "tone", "square", "rising", "falling", "vibrato", "tremolo", "pluck", "chord", "clicks", "hiss",
)  # fmt: skip
PER_CLASS = (600, 260)
SIDE = 32
RATE = 8000
SECONDS = 0.5


def build(data_dir: Path) -> tuple[Arrays, Arrays]:
    return drawn("sounds", CLASSES, PER_CLASS, draw)


def draw(label: int, rng: np.random.Generator) -> np.ndarray:
    time = np.arange(int(RATE * SECONDS)) / RATE
    start, length = rng.uniform(0, 0.15), rng.uniform(0.2, 0.35)
    inside = np.clip((time - start) * 60, 0, 1) * np.clip((start + length - time) * 60, 0, 1)
    sound = voice(CLASSES[label], np.maximum(time - start, 0), length, rng) * inside
    sound /= np.sqrt(np.mean(sound**2)) + 1e-9
    noise = 10 ** rng.uniform(-2, -0.1)
    hum = 0.5 * noise * np.sin(2 * np.pi * rng.uniform(80, 3000) * time)
    return spectrogram(sound + noise * rng.normal(size=len(time)) + hum, RATE, SIDE, 100, 3900)


def voice(name: str, time: np.ndarray, length: float, rng: np.random.Generator) -> np.ndarray:
    """The sound itself; `time` in seconds from its start."""
    pitch = np.exp(rng.uniform(np.log(200), np.log(1200)))
    phase = 2 * np.pi * pitch * time
    if name == "tone":
        return np.sin(phase)
    if name == "square":
        return np.sign(np.sin(phase))
    if name in ("rising", "falling"):
        octaves = rng.uniform(0.4, 1.5) * (1 if name == "rising" else -1)
        return np.sin(2 * np.pi * pitch * np.cumsum(2 ** (octaves * time / length)) / RATE)
    if name == "vibrato":
        return np.sin(phase + rng.uniform(3, 9) * np.sin(2 * np.pi * rng.uniform(8, 16) * time))
    if name == "tremolo":
        return np.sin(phase) * (0.55 + 0.45 * np.sin(2 * np.pi * rng.uniform(12, 30) * time))
    if name == "pluck":
        return plucked(pitch, len(time), int((time == 0).sum()), rng)
    if name == "chord":
        steps = [(4, 7), (3, 7), (5, 9), (4, 8)][rng.integers(4)]
        return np.sum([np.sin(phase * 2 ** (step / 12)) for step in (0, *steps)], axis=0)
    if name == "clicks":
        every = int(RATE / rng.uniform(15, 50))
        hits = (np.arange(len(time)) % every == 0).astype(float)
        return recursive([1, -1.6 * np.cos(2 * np.pi * pitch / RATE), 0.64], hits)
    width = rng.uniform(0.9, 0.985)
    return recursive([1, -2 * width * np.cos(2 * np.pi * pitch / RATE), width**2], rng.normal(size=len(time)))


def plucked(pitch: float, samples: int, silent: int, rng: np.random.Generator) -> np.ndarray:
    """A string by Karplus and Strong (1983): a burst of noise in an averaging delay line."""
    delay = int(RATE / pitch)
    burst = np.zeros(samples)
    first = max(silent - 1, 0)
    burst[first : first + delay] = rng.normal(size=len(burst[first : first + delay]))
    feedback = np.zeros(delay + 2)
    feedback[0], feedback[delay], feedback[delay + 1] = 1, -0.498, -0.498
    return recursive(feedback, burst)


def recursive(feedback: list[float] | np.ndarray, sound: np.ndarray) -> np.ndarray:
    """An all-pole filter."""
    return np.asarray(lfilter([1.0], feedback, sound))
