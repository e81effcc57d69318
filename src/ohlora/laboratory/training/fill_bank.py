"""`train.py model=face_bank`: draw random people, screen them, keep those who pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor

from ohlora.assets import need_resolution
from ohlora.errors import OhloraError
from ohlora.face.drawing.generator import to_uint8
from ohlora.face.trained.face_bank import BANK_KIND
from ohlora.face.trained.vae import VaeGenerator, load_generator
from ohlora.laboratory.measures.rows import save_numbered
from ohlora.laboratory.measures.screening import ROW, Screening, examine
from ohlora.laboratory.networks.attributes import load_judge
from ohlora.laboratory.networks.regressor import load_regressor
from ohlora.laboratory.networks.segmenter import load_segmenter
from ohlora.laboratory.sources.source import FaceSource
from ohlora.laboratory.training.training_run import FaceTask, number_fault
from ohlora.progress import progress

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


@dataclass(frozen=True)
class FillBank(FaceTask):
    """The teacher's regressor screens `candidates` random people; the examiner's tests those who pass again.

    `passed.png` shows the first SHOWN who passed, with the numbers that `favourites` takes; `bank.png` those
    in the bank, with their numbers there.
    """

    networks: str  # the folder of generator, regressors, the examiner's segmenter and the quality ensemble
    generator: str  # its name there
    screening: Screening
    candidates: int
    faces: int  # in the bank at most
    favourites: Sequence[int] | None  # of those who passed, from 0 on, in the order wanted; None: the first
    seed: int

    def run(self) -> float:
        """Return the share of random people that pass, 0 to 1."""
        source = self.prepare()
        generator = load_generator(self.networks, self.generator)
        need_resolution(generator.card, source.resolution)
        drawn = torch.Generator().manual_seed(self.seed)
        latents = torch.randn(self.candidates, generator.latent_dim, generator=drawn)
        bases = source.wanted("test_b", self.candidates)
        passed = self.screened(generator, source, latents, bases)
        chosen = self.chosen(passed)
        banked = torch.tensor(passed.rows)[chosen]
        everybody = torch.tensor(passed.rows[:SHOWN])
        folder = self.training_run.folder
        save_numbered(thumbnails(generator, latents[everybody], bases[everybody]), folder / f"{PASSED}.png")
        pictures = thumbnails(generator, latents[banked], bases[banked])
        save_numbered(pictures, folder / f"{BANK}.png")
        scores = {
            "candidates": self.candidates,
            "passed": len(passed.rows) / self.candidates,
            "passed_again": sum(passed.again) / len(passed.again),
            "kept": len(banked),
        }
        self.keep(
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
                "protocol": asdict(self.screening),
                "columns": list(ROW),
                "seed": self.seed,
                "scores": scores,
            },
            [
                f"{len(passed.rows)} of {self.candidates} random people pass ({scores['passed']:.1%}),"
                f" {scores['passed_again']:.1%} of them a second time before the examiner:"
                f" {folder / f'{PASSED}.png'}",
                f"{len(banked)} are in the bank: {folder / f'{BANK}.png'}",
            ],
        )
        return scores["passed"]

    def screened(self, generator: VaeGenerator, source: FaceSource, latents: Tensor, bases: Tensor) -> Passed:
        """Who passes, by the teacher's regressor; OhloraError where nobody does."""
        teacher, examiner = (load_regressor(self.networks, f"regressor_{one}") for one in "ab")
        segmenter = load_segmenter(self.networks, "segmenter_b")
        quality = load_judge(self.networks, "quality") if self.screening.least_quality is not None else None
        for network in (teacher, examiner, segmenter, quality):
            if network is not None:
                need_resolution(network.card, source.resolution)
        judged = quality.judge if quality else None
        passed = Passed()
        with progress(self.candidates, "people") as advance:
            for i, (latent, base) in enumerate(zip(latents, bases, strict=True)):
                report = examine(generator, teacher.measure, segmenter.label_maps, latent, base, judged)
                if not report.faults(self.screening):
                    other = examine(generator, examiner.measure, segmenter.label_maps, latent, base, judged)
                    passed.rows.append(i)
                    passed.first.append(report.row)
                    passed.second.append(other.row)
                    passed.again.append(not other.faults(self.screening))
                advance(note=f"{len(passed.rows)} pass")
        if not passed.rows:
            raise OhloraError(
                f"none of {self.candidates} people pass screening={self.screening.name}:"
                f" train {self.generator} longer, or ask for less"
            )
        return passed

    def chosen(self, passed: Passed) -> list[int]:
        """Numbers, among those who passed, of the people for the bank."""
        count = len(passed.rows)
        chosen = list(self.favourites) if self.favourites else list(range(count))[: self.faces]
        if strangers := [number for number in chosen if not 0 <= number < count]:
            raise OhloraError(f"favourites={strangers} are not among those who pass, 0 to {count - 1}")
        return chosen

    @property
    def needs(self) -> Sequence[str]:
        return ("properties",)

    def faults(self, source: FaceSource) -> list[str]:
        faults = [*number_fault("candidates", self.candidates, 1), *number_fault("faces", self.faces, 1)]
        for number in self.favourites or ():
            faults += number_fault("favourites", number, 0)
        return faults


def thumbnails(generator: VaeGenerator, latents: Tensor, bases: Tensor) -> Tensor:
    """uint8 images [people, 3, resolution, resolution]."""
    return to_uint8(generator.synthesis(generator.mapping(latents, bases))).cpu()
