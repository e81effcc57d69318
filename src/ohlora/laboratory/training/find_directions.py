"""`train.py model=face_directions`: sample a generator, score what it draws, find where properties lie."""

from __future__ import annotations

import torch
from torch import Tensor

from ohlora.face.drawing.generator import to_uint8
from ohlora.face.trained.spaces import points_of
from ohlora.face.trained.vae import load_generator
from ohlora.laboratory.networks.directions import (
    DIRECTIONS_KIND,
    direction,
    freed,
    leaks,
    sweep,
)
from ohlora.laboratory.networks.regressor import load_regressor
from ohlora.laboratory.sources.source import need_fit
from ohlora.laboratory.training.jobs import FindDirections
from ohlora.laboratory.training.stylegan_directions import find_in_stylegan


def find_directions(job: FindDirections) -> float:
    """Return the lowest mean correlation of weight and property, of eyes, mouth and roll.

    In a StyleGAN, which is labelled beforehand, what `find_in_stylegan` says.
    """
    if job.stylegan:
        return find_in_stylegan(job)
    source = job.prepare()
    generator = load_generator(job.networks, job.generator)
    teacher, judge = (load_regressor(job.networks, f"regressor_{one}") for one in "ab")
    for network in (generator, teacher, judge):
        need_fit(network.card, source)
    names = list(generator.properties)
    asked = source.wanted("train", job.samples + job.swept)
    latents = torch.randn(len(asked), generator.latent_dim, generator=torch.Generator().manual_seed(0))
    points, show = points_of(generator, job.space, latents, asked)
    kept, held = slice(job.samples), torch.arange(job.samples, len(asked))
    readings = torch.cat(
        [
            teacher.measure(to_uint8(show(points[rows], rows)).cpu())
            for rows in torch.arange(job.samples).split(256)
        ]
    )

    def show_held(moved: Tensor, faces: Tensor) -> Tensor:
        return show(moved, held[faces])

    found = [direction(points[kept], readings[:, i], job.method, job.share) for i in range(len(names))]
    vectors = torch.stack([vector for vector, _ in found])
    vectors = freed(vectors) if job.free else vectors
    weights = torch.linspace(-job.reach, job.reach, job.steps)
    spread = readings.std(dim=0).clamp_min(1e-6)
    moves = [
        sweep(show_held, judge.measure, points[held], vector, i, weights, spread)
        for i, vector in enumerate(vectors)
    ]
    leak = leaks(torch.stack([one.moved for one in moves]))
    scores: dict[str, float] = {"largest_leak": float((leak - torch.eye(len(names))).abs().max())}
    for i, name in enumerate(names):
        scores |= {
            f"accuracy_{name}": found[i][1],
            f"r_{name}": moves[i].r,
            f"gain_{name}": moves[i].gain,
        }
    label = f"directions_{job.space}_{job.method}"
    job.keep(
        label,
        {"vectors": vectors, "gains": torch.tensor([one.gain for one in moves]), "leaks": leak},
        {
            "kind": DIRECTIONS_KIND,
            "generator": generator.card["weights"]["sha256"],
            "space": job.space,
            "method": job.method,
            "freed": job.free,
            "samples": job.samples,
            "properties": names,
            "scores": scores,
        },
        [
            f"directions in {job.space} by {job.method}, {job.samples} samples",
            *(
                f"{name:16} accuracy {found[i][1]:.3f}, sweep r {moves[i].r:.3f}, gain {moves[i].gain:.3f}"
                for i, name in enumerate(names)
            ),
            f"largest leak {scores['largest_leak']:.3f} spreads",
        ],
    )
    return min(scores[f"r_{name}"] for name in ("eyes", "mouth", "roll"))
