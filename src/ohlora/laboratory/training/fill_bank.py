"""`train.py model=face_bank`: draw people at random, let them pass or not, keep those who did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch

from ohlora.assets import need_resolution
from ohlora.errors import OhloraError
from ohlora.face.drawing.generator import to_uint8
from ohlora.face.trained.face_bank import BANK_KIND
from ohlora.face.trained.vae import load_generator
from ohlora.laboratory.measures.rows import save_rows
from ohlora.laboratory.measures.screening import ROW, PassProtocol, examine
from ohlora.laboratory.networks.attributes import load_judge
from ohlora.laboratory.networks.regressor import load_regressor
from ohlora.laboratory.networks.segmenter import load_segmenter
from ohlora.laboratory.sources.source import FaceSource
from ohlora.laboratory.training.training_run import FaceTask, number_fault

BANK = "bank"
SHOWN, COLUMNS = 200, 10  # on the contact sheet, and in its rows


@dataclass(frozen=True)
class FillBank(FaceTask):
    """Judge a chooses among `candidates` random people, judge b tests them again; of those you may choose.

    A contact sheet, `bank.png`, shows the first SHOWN who passed, ten a row; `favourites` are numbers on it.
    """

    networks: str  # the folder of generator, regressors, segmenter b and quality ensemble
    generator: str  # its name there
    protocol: PassProtocol
    candidates: int
    faces: int  # kept at most
    favourites: Sequence[int] | None  # of those who passed, from 0 on, in the order wanted; None: the first
    seed: int

    def run(self) -> float:
        """Return the share of random people that pass, 0 to 1."""
        source = self.prepare()
        generator = load_generator(self.networks, self.generator)
        chooser, judge = (load_regressor(self.networks, f"regressor_{one}") for one in "ab")
        segmenter = load_segmenter(self.networks, "segmenter_b")
        quality = load_judge(self.networks, "quality") if self.protocol.least_quality is not None else None
        for network in (generator, chooser, judge, segmenter, quality):
            if network is not None:
                need_resolution(network.card, source.resolution)
        asks = quality.judge if quality else None
        drawn = torch.Generator().manual_seed(self.seed)
        latents = torch.randn(self.candidates, generator.latent_dim, generator=drawn)
        bases = source.wanted("test_b", self.candidates)
        first, second, passed, again = [], [], [], []
        for i, (latent, base) in enumerate(zip(latents, bases, strict=True)):
            report = examine(generator, chooser.measure, segmenter.label_maps, latent, base, asks)
            if report.faults(self.protocol):
                continue
            other = examine(generator, judge.measure, segmenter.label_maps, latent, base, asks)
            passed.append(i)
            again.append(not other.faults(self.protocol))
            first.append(report.row)
            second.append(other.row)
        if not passed:
            raise OhloraError(
                f"none of {self.candidates} people pass pass_protocol={self.protocol.name}:"
                f" train {self.generator} longer, or ask for less"
            )
        chosen = list(self.favourites) if self.favourites else list(range(len(passed)))[: self.faces]
        if strangers := [number for number in chosen if not 0 <= number < len(passed)]:
            raise OhloraError(f"favourites={strangers} are not among those who pass, 0 to {len(passed) - 1}")
        everybody = torch.tensor(passed)
        w = generator.mapping(latents[everybody[:SHOWN]], bases[everybody[:SHOWN]])
        thumbnails = to_uint8(generator.synthesis(w)).cpu()
        save_rows(list(thumbnails.split(COLUMNS)), self.workshop.folder / f"{BANK}.png")
        kept = everybody[chosen]
        w = generator.mapping(latents[kept], bases[kept])
        scores = {
            "candidates": self.candidates,
            "passed": len(passed) / self.candidates,
            "passed_again": sum(again) / len(again),
            "kept": len(kept),
        }
        self.keep(
            BANK,
            {
                "latents": latents[kept],
                "bases": bases[kept],
                "thumbnails": to_uint8(generator.synthesis(w)).cpu(),
                "first": torch.stack(first)[chosen],
                "second": torch.stack(second)[chosen],
            },
            {
                "kind": BANK_KIND,
                "generator": generator.card["weights"]["sha256"],
                "protocol": asdict(self.protocol),
                "columns": list(ROW),
                "seed": self.seed,
                "scores": scores,
            },
            [
                f"{len(passed)} of {self.candidates} random people pass ({scores['passed']:.1%}),"
                f" {scores['passed_again']:.1%} of them a second time before the other judge",
                f"{len(kept)} are kept; all of them: {self.workshop.folder / f'{BANK}.png'}",
            ],
        )
        return scores["passed"]

    @property
    def needs(self) -> Sequence[str]:
        return ("properties",)

    def faults(self, source: FaceSource) -> list[str]:
        faults = [*number_fault("candidates", self.candidates, 1), *number_fault("faces", self.faces, 1)]
        for number in self.favourites or ():
            faults += number_fault("favourites", number, 0)
        return faults
