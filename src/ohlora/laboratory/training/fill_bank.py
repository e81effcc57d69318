"""`train.py model=face_bank`: draw random people, screen them, keep those who pass."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor

from ohlora.errors import OhloraError
from ohlora.face.drawing.generator import to_uint8
from ohlora.face.trained.face_bank import BANK_KIND
from ohlora.face.trained.vae import VaeGenerator, load_generator
from ohlora.laboratory.measures.rows import save_numbered
from ohlora.laboratory.measures.screening import ROW, examine
from ohlora.laboratory.networks.attributes import load_judge
from ohlora.laboratory.networks.regressor import load_regressor
from ohlora.laboratory.networks.segmenter import load_segmenter
from ohlora.laboratory.sources.source import FaceSource, need_fit
from ohlora.laboratory.training.favourites import numbers_of
from ohlora.laboratory.training.jobs import FillBank
from ohlora.laboratory.training.stylegan_bank import bank_of_stylegan
from ohlora.progress import progress
from ohlora.tracking import log_picture

BANK = "bank"
PASSED = "passed"  # the sheet of all who passed
SHOWN = 200  # on it at most


@dataclass
class Passed:
    """The people who passed, in the order they were drawn."""

    rows: list[int] = field(default_factory=list)  # among the candidates
    first: list[Tensor] = field(default_factory=list)  # measured by the teacher, which chose them
    second: list[Tensor] = field(default_factory=list)  # and by the examiner
    again: list[bool] = field(default_factory=list)  # whether they pass before the examiner too


def fill_bank(job: FillBank) -> float:
    """Return the share of random people that pass, 0 to 1."""
    if job.stylegan:
        return bank_of_stylegan(job)
    source = job.prepare()
    generator = load_generator(job.networks, job.generator)
    need_fit(generator.card, source)
    drawn = torch.Generator().manual_seed(job.seed)
    latents = torch.randn(job.candidates, generator.latent_dim, generator=drawn)
    bases = source.wanted("test_b", job.candidates)
    passed = screened(job, generator, source, latents, bases)
    everybody = torch.tensor(passed.rows[:SHOWN])
    folder = job.training_run.folder
    save_numbered(thumbnails(generator, latents[everybody], bases[everybody]), folder / f"{PASSED}.png")
    chosen = numbers_of(job, len(passed.rows))
    banked = torch.tensor(passed.rows)[chosen]
    pictures = thumbnails(generator, latents[banked], bases[banked])
    save_numbered(pictures, folder / f"{BANK}.png")
    for name in (PASSED, BANK):
        log_picture(job.training_run.logger, name, folder / f"{name}.png")
    scores = {
        "candidates": job.candidates,
        "passed": len(passed.rows) / job.candidates,
        "passed_again": sum(passed.again) / len(passed.again),
        "kept": len(banked),
    }
    job.keep(
        BANK,
        {
            "latents": latents[banked],
            "bases": bases[banked],
            "thumbnails": pictures,
            "first": torch.stack(passed.first)[chosen],
            "second": torch.stack(passed.second)[chosen],
        },
        {
            "kind": BANK_KIND,
            "generator": generator.card["weights"]["sha256"],
            "protocol": asdict(job.screening),
            "columns": list(ROW),
            "seed": job.seed,
            "scores": scores,
        },
        [
            f"{len(passed.rows)} of {job.candidates} random people pass ({scores['passed']:.1%}),"
            f" {scores['passed_again']:.1%} of them a second time before the examiner:"
            f" {folder / f'{PASSED}.png'}",
            f"{len(banked)} are in the bank: {folder / f'{BANK}.png'}",
        ],
    )
    return scores["passed"]


def screened(
    job: FillBank, generator: VaeGenerator, source: FaceSource, latents: Tensor, bases: Tensor
) -> Passed:
    """Who passes, by the teacher's regressor; OhloraError where nobody does."""
    teacher, examiner = (load_regressor(job.networks, f"regressor_{one}") for one in "ab")
    segmenter = load_segmenter(job.networks, "segmenter_b")
    quality = load_judge(job.networks, "quality") if job.screening.least_quality is not None else None
    for network in (teacher, examiner, segmenter, quality):
        if network is not None:
            need_fit(network.card, source)
    judged = quality.judge if quality else None
    passed = Passed()
    with progress(job.candidates, "people") as advance:
        for i, (latent, base) in enumerate(zip(latents, bases, strict=True)):
            report = examine(generator, teacher.measure, segmenter.label_maps, latent, base, judged)
            if not report.faults(job.screening):
                other = examine(generator, examiner.measure, segmenter.label_maps, latent, base, judged)
                passed.rows.append(i)
                passed.first.append(report.row)
                passed.second.append(other.row)
                passed.again.append(not other.faults(job.screening))
            advance(note=f"{len(passed.rows)} pass")
    if not passed.rows:
        raise OhloraError(
            f"none of {job.candidates} people pass screening={job.screening.name}:"
            f" train {job.generator} longer, or ask for less"
        )
    return passed


def thumbnails(generator: VaeGenerator, latents: Tensor, bases: Tensor) -> Tensor:
    """uint8 images [people, 3, resolution, resolution]."""
    return to_uint8(generator.synthesis(generator.mapping(latents, bases))).cpu()
