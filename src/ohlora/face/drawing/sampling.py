"""People and photos of a population as tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ohlora.face.drawing.chance import uniform
from ohlora.face.drawing.population import BACKGROUND, DEFECTS, Draws, Population, identities, photos_of


def sample(population: Population, seed: int, indices: Sequence[int] | np.ndarray, photo: int = 0) -> Draws:
    """People `indices` of world `seed`; another `photo` is the same person on another day."""
    rows = np.asarray(indices, dtype=np.int64).reshape(-1)
    people = identities(seed, rows)
    photos = photos_of(people, photo)
    female = population.is_female(people)

    u = uniform(photos, "properties", len(population.properties))
    low, high = (
        np.array([getattr(axis, end) for axis in population.properties.values()]) for end in ("low", "high")
    )
    columns = {name: column for column, name in enumerate(population.properties)}
    values = low + u * (high - low)
    mean, std = (columns[name] for name in BACKGROUND)
    bound = np.minimum(values[:, mean], 1 - values[:, mean]) / population.clip_at
    values[:, std] = low[std] + u[:, std] * (np.minimum(high[std], bound) - low[std])

    spoilt, amount, kind, slip = uniform(photos, "quality", 4).T
    severity = np.where(spoilt < 2 * population.bad_share, amount, 0.0)
    good = severity <= 0.5
    return Draws(
        identity=torch.from_numpy(people),
        latents=torch.from_numpy(population.latents(seed, rows, photo)),
        properties=torch.from_numpy(values.astype(np.float32)),
        gender=torch.from_numpy(female.astype(np.float32)),
        severity=torch.from_numpy(severity.astype(np.float32)),
        defect=torch.from_numpy((kind * len(DEFECTS)).astype(np.int64)),
        quality=torch.from_numpy(good.astype(np.float32)),
        quality_label=torch.from_numpy((good ^ (slip < population.label_noise)).astype(np.float32)),
        split=torch.from_numpy(population.split_of(people)),
    )
