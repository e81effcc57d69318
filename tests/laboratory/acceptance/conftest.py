"""An evaluation on few faces of 32 px, and generators whose every score is known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ohlora.build import build
from ohlora.laboratory.acceptance.jobs import Counts, Report
from ohlora.laboratory.acceptance.stages import Evaluation

FEW = (
    "renderer.resolution=32",
    "renderer.supersample=1",
    "hardware.threads=1",
    "counts.renders=40",
    "counts.faces=16",
    "counts.unlabelled=32",
    "counts.asked=12",
    "counts.compared=16",
    "counts.swept=4",
    "counts.steps=3",
    "counts.candidates=3",
    "counts.frames=4",
)


@pytest.fixture(scope="session")
def report_job(composed, lasting_cache) -> Callable[..., Report]:
    """`report_job(tmp_path, "stages=[renderer]")`: the job of the door on few faces."""

    def made(folder: Path, *overrides: str) -> Report:
        words = [word for word in FEW if word.split("=")[0] not in {one.split("=")[0] for one in overrides}]
        cfg = composed("face_report", *words, f"paths.face={folder / 'face'}", *overrides)
        cfg.paths.run_dir = str(folder)
        cfg.paths.cache_dir = str(lasting_cache)
        return build(cfg.job)

    return made


@pytest.fixture
def evaluation(report_job, tmp_path) -> Evaluation:
    return report_job(tmp_path).checked()[1]


@pytest.fixture
def evaluation_with(evaluation) -> Callable[..., Evaluation]:
    """`evaluation_with(generator_polished=..., identity_b=...)`: with these among its models."""

    def build(counts: dict[str, int] | None = None, **networks: Any) -> Evaluation:
        models = replace(evaluation.models, kept=dict(networks))
        settings: Counts = replace(evaluation.counts, **(counts or {}))
        return replace(evaluation, models=models, counts=settings, measured={})

    return build


class Stamp:
    """Prints who she is on the left half of a picture and what was asked on the right, as grey cells."""

    latent_dim, resolution = 8, 32

    def __init__(self, properties, forgetful: float = 0.0) -> None:
        self.properties, self.forgetful = properties, forgetful

    def mapping(self, latents, properties):
        low, high = (
            torch.tensor([getattr(axis, end) for axis in self.properties.values()]) for end in ("low", "high")
        )
        wishes = 2 * (properties - low) / (high - low) - 1
        return torch.cat([latents / 4 + self.forgetful * wishes, wishes], dim=1).clamp(-1, 1)

    def synthesis(self, w):
        cells = w.view(-1, 2, 4, 2).permute(0, 2, 1, 3).flatten(2)
        return (
            cells.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None].expand(-1, 3, -1, -1).contiguous()
        )


class Reader:
    """Reads a side of what a Stamp printed."""

    def __init__(self, side: slice) -> None:
        self.side = side

    def embed(self, images):
        cells = images[:, 0, 4::8, 4::8].float()[:, :, self.side].flatten(1) / 127.5 - 1
        return torch.nn.functional.normalize(cells, dim=1)

    features = embed


@pytest.fixture
def stamp(renderer) -> Callable[..., Stamp]:
    return lambda **faults: Stamp(renderer.properties, **faults)


@pytest.fixture
def readers() -> dict[str, Reader]:
    return {"person": Reader(slice(0, 2)), "wishes": Reader(slice(2, 4))}
