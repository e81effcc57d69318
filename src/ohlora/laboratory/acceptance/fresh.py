"""What only a process of its own can tell: that nothing hangs on this one, and how long it is to start."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from ohlora.face.drawing.population import Population
from ohlora.face.trained.vae import load_generator

Answer = TypeVar("Answer")


def in_fresh_process(function: Callable[..., Answer], *arguments: object) -> tuple[Answer, float]:
    """The answer of a new Python that shares nothing with this one, and the seconds until it was here."""
    started = time.perf_counter()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        answer = pool.submit(function, *arguments).result()
        return answer, time.perf_counter() - started


def parameters(population: Population, seed: int, indices: Sequence[int]) -> np.ndarray:
    """All that decides how people look, float32 [people, numbers], each person drawn alone."""
    draws = [population.sample(seed, [index]) for index in indices]
    return np.concatenate(
        [torch.cat([one.latents, one.properties, one.severity[:, None]], dim=1).numpy() for one in draws]
    )


def first_frame(folder: Path, name: str) -> int:
    """Read a generator and draw one face; how many pixels it has."""
    generator = load_generator(folder, name)
    asked = torch.tensor([[axis.at(0.5) for axis in generator.properties.values()]])
    picture = generator.picture(generator.mapping(torch.zeros(1, generator.latent_dim), asked))
    return picture.images[0, 0].numel()
