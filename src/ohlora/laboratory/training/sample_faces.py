"""`train.py model=face_samples`: pictures of a StyleGAN's random faces, and their scores in labels.csv."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ohlora.datasets.pictures import to_picture
from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.face.drawing.generator import to_uint8
from ohlora.face.trained.stylegan.acting import load_network
from ohlora.face.trained.stylegan.pretrained import PretrainedGenerator
from ohlora.face.trained.stylegan.settings import folder_and_name, made_by
from ohlora.laboratory.networks.labeller import load_labeller
from ohlora.laboratory.sources.face_scores import (
    NEEDED,
    add_empty_rows,
    number_of,
    picture_name,
    read_table,
    sample_number,
    write_scores,
)
from ohlora.progress import progress

if TYPE_CHECKING:
    from ohlora.laboratory.training.jobs import SampleFaces

SAMPLES_KIND = "face_samples"
CARD, LABELS = "samples.json", "labels.csv"
KEPT_EVERY = 64  # pictures after which scores are written: a killed run loses no more


@dataclass(frozen=True)
class Samples:
    """Which faces lie in a folder: they are drawn again from these numbers."""

    folder: Path
    generator: str  # digest of the weights
    psi: float
    seed: int
    count: int
    parser: str | None  # digest of the one that scored them; None: somebody else does


def random_latents(
    generator: PretrainedGenerator, numbers: Tensor, seed: int, stream: int = 0
) -> tuple[Tensor, Tensor]:
    """z [faces, latent_dim] and one-hot class labels [faces, labels] of faces by number, each on its own.

    Another `stream` has other faces.
    """
    labels = len(generator.properties)
    z, drawn = [], torch.zeros(len(numbers), labels)
    for row, number in enumerate(numbers.tolist()):
        chance = np.random.default_rng([seed, stream, number])
        z.append(chance.standard_normal(generator.latent_dim, dtype=np.float32))
        if labels:
            drawn[row, int(chance.integers(labels))] = 1.0
    return torch.from_numpy(np.stack(z)), drawn


def pictures(generator: PretrainedGenerator, latents: Tensor, labels: Tensor) -> Tensor:
    """uint8 images of latents."""
    with torch.no_grad():
        return to_uint8(generator.synthesis(generator.mapping(latents, labels)))


def sample_faces(job: SampleFaces) -> float:
    """Draw, save and score; return how many samples there are."""
    job.start()
    assert job.stylegan is not None
    generator = load_network(job.stylegan, job.psi)
    labeller = load_labeller(job.parser) if job.parser else None
    parser = labeller.network.card["weights"]["sha256"] if labeller else None
    folder = Path(job.save_to).expanduser() / folder_and_name(job.stylegan, "samples")[1]
    wanted = Samples(folder, generator.card["weights"]["sha256"], job.psi, job.seed, job.samples, parser)
    before = samples_before(wanted)
    folder.mkdir(parents=True, exist_ok=True)
    labels = folder / LABELS
    scores = scored_already(labels, labeller.names, wanted, before) if labeller else {}
    write_json(
        folder / CARD,
        {
            "kind": SAMPLES_KIND,
            "generator": wanted.generator,
            "psi": wanted.psi,
            "seed": wanted.seed,
            "parser": wanted.parser or (before.parser if before else None),
            "samples": max(before.count if before else 0, wanted.count),
        },
    )
    with progress(job.samples, "faces") as advance:
        for numbers in torch.arange(job.samples).split(KEPT_EVERY):
            missing = [n for n in numbers.tolist() if not (folder / picture_name(n)).is_file()]
            missing = sorted({*missing, *(n for n in numbers.tolist() if labeller and n not in scores)})
            for some in torch.tensor(missing, dtype=torch.long).split(generator.together):
                if len(some):
                    images = pictures(generator, *random_latents(generator, some, job.seed))
                    for number, image in zip(some.tolist(), made_small(images, job.side), strict=True):
                        part = folder / f"{picture_name(number)}.part"  # a kill leaves no half picture
                        to_picture(image).save(part, "png")
                        part.replace(folder / picture_name(number))
                    if labeller:
                        scores |= zip(some.tolist(), labeller.measure(images).tolist(), strict=True)
                advance(len(some))
            advance.skip(len(numbers) - len(missing))
            if labeller and missing:
                write_scores(labels, labeller.names, scores)
    if not labeller:
        add_empty_rows(labels, job.samples)
    scored_by = "scored by the parser" if labeller else f"to be scored ({', '.join(NEEDED)} at least)"
    print(f"{job.samples} faces of {generator.resolution} px at psi={job.psi:g}: {folder}")
    print(f"{labels}: {scored_by}")
    return float(job.samples)


def made_small(images: Tensor, side: int) -> Tensor:
    """uint8 images of at most `side` pixels a side."""
    if images.shape[-1] <= side:
        return images
    small = F.interpolate(images.float(), (side, side), mode="bilinear", antialias=True)
    return small.round().clamp(0, 255).byte()


def scored_already(
    path: Path, names: tuple[str, ...], wanted: Samples, before: Samples | None
) -> dict[int, list[float]]:
    """Rows of an earlier run by the same parser, as far as they are whole; those of another are wiped out.

    OhloraError where no parser wrote them.
    """
    if not path.is_file():
        return {}
    header, rows = read_table(path)
    if before is None or before.parser is None or header != ["file", *names]:
        if any((row.get(name) or "").strip() for _, row in rows for name in header[1:]):
            raise OhloraError(f"{path} has scores of somebody else: move it away, or leave parser out")
        return {}
    if before.parser != wanted.parser:
        write_scores(path, names, {})  # before the card names the new parser: a kill leaves no mixture
        return {}
    found = {}
    for _, row in rows:
        number, values = sample_number(row["file"] or ""), [number_of(row[name] or "") for name in names]
        if number is not None and np.isfinite(values).all():
            found[number] = values
    return found


def samples_before(wanted: Samples) -> Samples | None:
    """What lies in the folder; OhloraError where that is other faces than those that are asked for."""
    if not (wanted.folder / CARD).is_file():
        return None
    there = read_samples(wanted.folder)
    if (there.generator, there.psi, there.seed) != (wanted.generator, wanted.psi, wanted.seed):
        raise OhloraError(
            f"{wanted.folder} has faces of other weights or with psi={there.psi:g} job.seed={there.seed}:"
            " ask for those, or move the folder away"
        )
    return there


def read_samples(folder: Path) -> Samples:
    """What is in a folder of samples; OhloraError where that cannot be told."""
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if card["kind"] != SAMPLES_KIND:
            raise ValueError(f"kind={card['kind']}")
        return Samples(
            *(folder, str(card["generator"]), float(card["psi"]), int(card["seed"]), int(card["samples"])),
            card.get("parser"),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OhloraError(f"{path} is missing or damaged ({type(error).__name__})") from None


def samples_of(file: str, generator: PretrainedGenerator) -> Samples:
    """The samples that lie beside weights; OhloraError names the command where they do not."""
    folder, name = folder_and_name(file, "samples")
    try:
        found = read_samples(folder / name)
        if found.generator != generator.card["weights"]["sha256"]:
            raise OhloraError(f"{folder / name} has faces of other weights")
        return found
    except OhloraError as error:
        raise OhloraError(f"{error}; {made_by('face_samples', file)}") from None
