"""Styles w of the portrait and their vector scenes, in NumPy: a page that draws scenes waits for no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ohlora.face.drawing.portrait.figure import scene
from ohlora.face.drawing.portrait.scene import Scene
from ohlora.face.drawing.portrait.settings import Portrait


def styles(portrait: Portrait, latents: np.ndarray, properties: np.ndarray) -> np.ndarray:
    """Styles float32 [faces, w] of latents [faces, latent_dim] and raw properties, then controls."""
    pairs = np.array([*portrait.identity.values(), *portrait.nuisance.values()], dtype=np.float32)
    bounded = latents.astype(np.float32).clip(-portrait.limit, portrait.limit)
    return np.concatenate([properties.astype(np.float32), pairs[:, 0] + pairs[:, 1] * bounded], axis=1)


def scenes_of(portrait: Portrait, w: Iterable[Sequence[float]]) -> list[Scene]:
    """The scene of each style."""
    return [scene(dict(zip(portrait.names, row, strict=True))) for row in w]


def scenes(portrait: Portrait, latents: np.ndarray, properties: np.ndarray) -> list[Scene]:
    """The scene of each face."""
    return scenes_of(portrait, styles(portrait, latents, properties).tolist())
