"""`train.py model=face_bank paths.stylegan=FILE`: people of a StyleGAN who act along its directions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ohlora.errors import OhloraError
from ohlora.face.drawing.generator import to_uint8
from ohlora.face.trained.face_bank import BANK_KIND
from ohlora.face.trained.spaces import points_of
from ohlora.face.trained.stylegan.acting import ActingStyleGAN, load_acting
from ohlora.face.trained.stylegan.settings import StyleGANFile, folder_and_name
from ohlora.laboratory.measures.rows import save_numbered
from ohlora.laboratory.measures.screening import MOVED, ROW, examine
from ohlora.laboratory.networks.labeller import Labeller, load_labeller
from ohlora.laboratory.training.favourites import numbers_of
from ohlora.laboratory.training.sample_faces import made_small, random_latents
from ohlora.progress import progress
from ohlora.tracking import log_picture

if TYPE_CHECKING:
    from ohlora.laboratory.training.jobs import FillBank

SHOWN = 200  # on a sheet at most
THUMBNAIL = 128  # pixels a side, at most
BANKED = 2  # stream of random faces: others than samples and swept people
RESTING = {"eyes": 0.75, "mouth": 0.0}  # places on their axes; all else rests in the middle


def bank_of_stylegan(job: FillBank) -> float:
    """Return the share of random people who pass, 0 to 1; without a parser nobody is asked and all do."""
    assert job.stylegan is not None
    job.start()
    generator = load_acting(StyleGANFile(job.stylegan, job.dataset.properties, job.controls, parser=None))
    labeller = load_labeller(job.parser) if job.parser else None
    if labeller and (lacking := [name for name in MOVED if name not in generator.shown]):
        raise OhloraError(
            f"screening asks for {', '.join(lacking)}, which has no direction here: leave parser out"
        )
    z, labels = random_latents(generator.network, torch.arange(job.candidates), job.seed, stream=BANKED)
    base = torch.tensor([axis.at(RESTING.get(name, 0.5)) for name, axis in generator.properties.items()])
    latents = torch.cat([z, labels], dim=1)
    with torch.no_grad():
        if labeller:
            passed, rows = screened(job, generator, labeller, latents, base)
        else:
            passed = nearest_first(generator, z, labels, base)
            rows = torch.zeros(job.candidates, len(ROW))
    folder = job.training_run.folder
    save_sheet(generator, latents[passed[:SHOWN]], base, folder / "passed.png")
    banked = passed[numbers_of(job, len(passed))]
    shown = save_sheet(generator, latents[banked], base, folder / "bank.png")
    for sheet in ("passed", "bank"):
        log_picture(job.training_run.logger, sheet, folder / f"{sheet}.png")
    share = len(passed) / job.candidates
    by = f"{job.candidates} random people whom nobody screened, those who move least first"
    if labeller:
        by = f"{len(passed)} of {job.candidates} random people pass ({share:.1%})"
    job.keep(
        folder_and_name(job.stylegan, "bank")[1],
        {
            "latents": latents[banked],
            "bases": base.expand(len(banked), -1).clone(),
            "thumbnails": shown,
            "first": rows[banked],
            "second": torch.zeros(len(banked), len(ROW)),  # there is one parser
        },
        {
            "kind": BANK_KIND,
            "domain": "stylegan",
            "generator": generator.network.card["weights"]["sha256"],
            "directions": generator.directions.card["weights"]["sha256"],
            "protocol": asdict(job.screening) if labeller else None,
            "columns": list(ROW),
            "seed": job.seed,
            "scores": {"candidates": job.candidates, "passed": share, "kept": len(banked)},
        },
        [
            f"{by}: {folder / 'passed.png'}",
            f"{len(banked)} are in the bank: {folder / 'bank.png'}",
        ],
    )
    return share


def screened(
    job: FillBank, generator: ActingStyleGAN, labeller: Labeller, latents: Tensor, base: Tensor
) -> tuple[Tensor, Tensor]:
    """Numbers of the candidates who pass, and the report of every candidate [candidates, len(ROW)]."""
    columns = {name: labeller.names.index(name) for name in generator.shown if name in labeller.names}

    def measure(images: Tensor) -> Tensor:
        """In the units that moods are told in."""
        readings = labeller.measure(images)
        told = torch.zeros(len(images), len(generator.properties))
        for number, name in enumerate(generator.properties):
            if name in columns:
                told[:, number] = generator.scales[name].value(readings[:, columns[name]])
        return told

    passed, rows = [], []
    with progress(job.candidates, "people") as advance:
        for number, latent in enumerate(latents):
            report = examine(generator, measure, labeller.label_maps, latent, base)
            rows.append(report.row)
            if not report.faults(job.screening):
                passed.append(number)
            advance(note=f"{len(passed)} pass")
    if not passed:
        medians = dict(zip(ROW, torch.stack(rows).median(dim=0).values.tolist(), strict=True))
        said = ", ".join(f"{name} {medians[f'r_{name}']:.2f}" for name in MOVED)
        raise OhloraError(
            f"none of {job.candidates} people pass screening={job.screening.name} (median r: {said}): other"
            " directions (latent_space=, method=, more samples), or ask for less"
        )
    return torch.tensor(passed), torch.stack(rows)


def nearest_first(generator: ActingStyleGAN, z: Tensor, labels: Tensor, base: Tensor) -> Tensor:
    """Numbers of all candidates by how far they are moved to be at rest, in shares of the curves."""
    points, _ = points_of(generator.network, generator.directions.space, z, labels)
    far = torch.zeros(len(points))
    for name, value in zip(generator.properties, base, strict=True):
        if name in generator.scales:
            scale = generator.scales[name]
            reader = generator.directions.readers[generator.directions.names.index(name)]
            ends = scale.curve.coordinates[[0, -1]]
            far += ((points @ reader - scale.coordinate(value[None])) / (ends[1] - ends[0])).square()
    return far.argsort(stable=True)


def save_sheet(generator: ActingStyleGAN, latents: Tensor, base: Tensor, path: Path) -> Tensor:
    """A numbered sheet of people at rest, and its pictures, uint8, of at most THUMBNAIL pixels."""
    parts = []
    with torch.no_grad():
        for some in latents.split(generator.network.together):
            images = to_uint8(generator.synthesis(generator.mapping(some, base.expand(len(some), -1))))
            parts.append(made_small(images, THUMBNAIL))
    shown = torch.cat(parts)
    save_numbered(shown, path)
    return shown
