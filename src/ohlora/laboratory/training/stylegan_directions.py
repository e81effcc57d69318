"""`train.py model=face_directions paths.stylegan=FILE`: where scored properties lie in a StyleGAN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ohlora.errors import OhloraError
from ohlora.face.trained.spaces import points_of
from ohlora.face.trained.stylegan.acting import ANGLES, DIRECTIONS_KIND, load_network
from ohlora.face.trained.stylegan.calibration import Curve
from ohlora.face.trained.stylegan.pretrained import PretrainedGenerator
from ohlora.face.trained.stylegan.settings import MOVED, folder_and_name
from ohlora.laboratory.measures.calibration import rising_curve
from ohlora.laboratory.measures.statistics import pearson
from ohlora.laboratory.networks.directions import Sweep, direction, freed, likeliest_moves, sweep
from ohlora.laboratory.networks.labeller import Labeller, load_labeller
from ohlora.laboratory.sources.face_scores import FaceScores, read_scores
from ohlora.laboratory.training.sample_faces import LABELS, random_latents, samples_of

if TYPE_CHECKING:
    from ohlora.laboratory.training.jobs import FindDirections


@dataclass(frozen=True)
class Found:
    """Directions by their names, of what was scored."""

    names: tuple[str, ...]
    moves: Tensor  # [names, d], unit
    readers: Tensor  # [names, d]; 1 for the own move
    accuracies: tuple[float, ...]  # on ends held out


def found_in(space: str, points: Tensor, scores: FaceScores, method: str, share: float, free: bool) -> Found:
    """A direction for each score, and what reads a point's coordinate along it."""
    values = torch.from_numpy(scores.values).float()
    pairs = [direction(points, values[:, i], method, share) for i in range(len(scores.names))]
    vectors = torch.stack([vector for vector, _ in pairs])
    moves = vectors
    if free:  # z is as wide in every direction, which samples show only nearly
        moves = freed(vectors) if space == "z" else likeliest_moves(vectors, points)
    along = (moves * vectors).sum(dim=1, keepdim=True)
    return Found(scores.names, moves, vectors / along, tuple(accuracy for _, accuracy in pairs))


def find_in_stylegan(job: FindDirections) -> float:
    """Return the lowest accuracy of eyes and mouth on held-out ends, 0 to 1."""
    assert job.stylegan is not None
    job.start()
    generator = load_network(job.stylegan)
    samples = samples_of(job.stylegan, generator)
    generator = load_network(job.stylegan, samples.psi)
    table = Path(job.labels).expanduser() if job.labels else samples.folder / LABELS
    scores = read_scores(table, samples.count, job.angles == "degrees")
    labeller = load_labeller(job.parser) if job.parser else None
    if labeller and (
        unread := [name for name in scores.names if name in MOVED and name not in labeller.names]
    ):
        raise OhloraError(f"parser={job.parser} does not measure {', '.join(unread)}, which {table} scores")
    latents, labels = random_latents(generator, torch.from_numpy(scores.numbers), samples.seed)
    with torch.no_grad():
        points, _ = points_of(generator, job.space, latents, labels)
        found = found_in(job.space, points, scores, job.method, job.share, job.free)
        swept = (
            moved_people(job, generator, samples.seed, labeller, found, points, scores) if labeller else {}
        )
    curves = calibrated(found, points, scores, swept)
    names = list(curves)
    kept = [found.names.index(name) for name in names]
    told = report(found, points, scores, swept, curves)
    job.keep(
        folder_and_name(job.stylegan, "directions")[1],
        {
            "moves": found.moves[kept],
            "readers": found.readers[kept],
            "coordinates": torch.stack([curve.coordinates for curve in curves.values()]),
            "readings": torch.stack([curve.readings for curve in curves.values()]),
        },
        {
            "kind": DIRECTIONS_KIND,
            "domain": "stylegan",
            "generator": generator.card["weights"]["sha256"],
            "space": job.space,
            "method": job.method,
            "freed": job.free,
            "psi": samples.psi,
            "samples": len(scores.numbers),
            "properties": names,
            "held": [one for one in found.names if one not in names],
            "calibrated_on": "moved faces" if swept else "samples",
            "scores": told,
        },
        [
            f"directions in {job.space} by {job.method}, {len(scores.numbers)} scored samples,"
            f" calibrated on {'moved faces' if swept else 'the samples'}",
            *(line_of(one, told, curves[one]) for one in names),
        ],
    )
    return min(told[f"accuracy_{one}"] for one in ("eyes", "mouth"))


def moved_people(
    job: FindDirections,
    generator: PretrainedGenerator,
    seed: int,
    labeller: Labeller,
    found: Found,
    points: Tensor,
    scores: FaceScores,
) -> dict[str, tuple[Tensor, Sweep]]:
    """Of every direction that moods move, what the parser reads off other people moved along it.

    With each the coordinates they were moved to, [people, weights].
    """
    latents, labels = random_latents(generator, torch.arange(job.swept), seed, stream=1)
    people, show = points_of(generator, job.space, latents, labels)
    spreads = dict(zip(scores.names, scores.values.std(axis=0).tolist(), strict=True))
    spread = torch.tensor([spreads.get(name, torch.inf) for name in labeller.names])
    swept = {}
    for number, name in enumerate(found.names):
        if name in MOVED:
            reader, column = found.readers[number], labeller.names.index(name)
            weights = torch.linspace(-job.reach, job.reach, job.steps) * (points @ reader).std()
            one = sweep(
                *(show, labeller.measure, people, found.moves[number], column, weights, spread),
                together=generator.together,
            )
            swept[name] = ((people @ reader)[:, None] + weights, one)
    return swept


def calibrated(
    found: Found, points: Tensor, scores: FaceScores, swept: Mapping[str, tuple[Tensor, Sweep]]
) -> dict[str, Curve]:
    """Curves of all that moods move: of moved faces where they were measured, else of the samples."""
    curves, faults = {}, []
    for number, name in enumerate(found.names):
        if name not in MOVED:
            continue
        try:
            if name in swept:
                coordinates, one = swept[name]
                readings = one.readings[:, :, one.column]
                curves[name] = rising_curve(name, coordinates.flatten(), readings.flatten())
            else:
                readings = torch.from_numpy(scores.values[:, number]).float()
                curves[name] = rising_curve(name, points @ found.readers[number], readings)
        except OhloraError as error:
            faults.append(str(error))
    if faults:
        raise OhloraError("; ".join(faults))
    return curves


def report(
    found: Found,
    points: Tensor,
    scores: FaceScores,
    swept: Mapping[str, tuple[Tensor, Sweep]],
    curves: Mapping[str, Curve],
) -> dict[str, float]:
    """How well ends are told apart, coordinates follow scores, and moved faces follow; where curves end."""
    told: dict[str, float] = {}
    for number, name in enumerate(found.names):
        values = torch.from_numpy(scores.values[:, number]).float()
        told[f"accuracy_{name}"] = found.accuracies[number]
        told[f"r_of_samples_{name}"] = pearson(points @ found.readers[number], values)
        if name in swept:
            told[f"r_{name}"] = swept[name][1].r
        if name in curves:
            told[f"least_{name}"], told[f"most_{name}"] = curves[name].readings[[0, -1]].tolist()
    return told


def line_of(name: str, told: Mapping[str, float], curve: Curve) -> str:
    """One property's line for the terminal."""
    follows = f", moved faces r {told[f'r_{name}']:.3f}" if f"r_{name}" in told else ""
    unit = " rad" if name in ANGLES else ""
    low, high = curve.readings[[0, -1]].tolist()
    return f"{name:6} accuracy {told[f'accuracy_{name}']:.3f}{follows}, reaches {low:.3g} to {high:.3g}{unit}"
