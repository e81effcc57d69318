"""Spoken digits as spectrograms, said by eSpeak NG in many voices."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from pathlib import Path

import numpy as np

from ohlora.datasets.builders.build import Arrays, drawn
from ohlora.datasets.builders.spectrogram import spectrogram
from ohlora.datasets.readers import DatasetUnavailable

VERSION = 1
TITLE = "spoken digits"
CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PER_CLASS = (420, 180)
SIDE = 40
VOICES = ("en-us", "en-gb", "en-gb-scotland", "en-029")
VARIANTS = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "croak", "whisper")


def build(data_dir: Path) -> tuple[Arrays, Arrays]:
    program = shutil.which("espeak-ng")
    if program is None:
        raise DatasetUnavailable(
            f"{TITLE} are said by espeak-ng, which is not on the PATH (Debian: apt install espeak-ng)"
        )
    return drawn("speech", CLASSES, PER_CLASS, partial(draw, program))


def draw(program: str, label: int, rng: np.random.Generator) -> np.ndarray:
    voice = f"{VOICES[rng.integers(len(VOICES))]}+{VARIANTS[rng.integers(len(VARIANTS))]}"
    pace, pitch = str(rng.integers(110, 230)), str(rng.integers(10, 90))
    command = [program, "-v", voice, "-s", pace, "-p", pitch, "--stdout", CLASSES[label]]
    wave = subprocess.run(command, check=True, capture_output=True).stdout
    # Its header does not know how long the sound will be: 44 bytes, then 16-bit samples to the end.
    rate, said = int.from_bytes(wave[24:28], "little"), np.frombuffer(wave[44:], "<i2").astype(float)
    loud = np.flatnonzero(np.abs(said) > 200)
    said = said[loud[0] : loud[-1]]
    said = said / np.sqrt(np.mean(said**2))
    before, after = (rng.uniform(0, 0.15, 2) * rate).astype(int)
    sound = np.pad(said, (before, after))
    noise = 10 ** rng.uniform(-2, -0.3)
    return spectrogram(sound + noise * rng.normal(size=len(sound)), rate, SIDE, 120, 7000)
