"""`train.py model=face_identity`: train an embedder of identity and measure it on people it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ohlora.laboratory.networks.augment import Augmentation
from ohlora.laboratory.networks.identity import (
    IDENTITY_KIND,
    Embedder,
    IdentityLearner,
    IdentitySettings,
    identity_scores,
)
from ohlora.laboratory.roles import SUFFIX, Role
from ohlora.laboratory.sources.dataset import Album, RenderedFaces
from ohlora.laboratory.sources.source import FaceSource
from ohlora.laboratory.training.training_run import FaceJob, number_fault
from ohlora.processes import is_main


@dataclass(frozen=True)
class TrainIdentity(FaceJob):
    """An embedder of its own seed, taught by twins and by photos of another day."""

    role: Role
    seed: int
    temperature: float  # of the softmax over cosines
    network: IdentitySettings
    augmentation: Augmentation

    def run(self) -> float:
        """Return the area under the ROC curve of same or not, on test people, 0 to 1."""
        source = self.prepare()
        settings = {
            "scorer": SUFFIX[self.role],
            "seed": self.seed,
            "temperature": self.temperature,
            "counts": asdict(self.counts),
            "network": asdict(self.network),
            "augmentation": asdict(self.augmentation),
            "lesson": asdict(self.lesson),
            "faces": source.key,
        }
        with self.training_run.seeded(self.seed):
            network = self.network.build(source.resolution)
            learner = IdentityLearner(
                network, self.augmentation, self.temperature, **self.lesson.of_learner(), seed=self.seed
            )
            train, val = album(source, "train", self.counts.train), album(source, "val", self.counts.val)
            training = self.fit(learner, train, val, settings)
        if not is_main():
            return float("nan")
        card = {
            "kind": IDENTITY_KIND,
            "resolution": source.resolution,
            "network": asdict(self.network),
        }
        scores = identity_scores(Embedder(network, card), album(source, "test_b", self.counts.test))
        self.keep(
            f"identity_{SUFFIX[self.role]}",
            network.state_dict(),
            {**card, "settings": settings, "training": training, "scores": scores},
            [
                f"identity of the {self.role}: {training['steps']} steps, {training['elapsed_s']:.0f} s",
                f"AUROC {scores['auroc']:.4f} ({scores['auroc_low']:.4f} to {scores['auroc_high']:.4f}) on"
                f" {len(album(source, 'test_b', self.counts.test))} unseen people",
                *(
                    f"{told} {scores[name]:.4f}"
                    for name, told in (("auroc_of_twins", "of twins"), ("auroc_of_women", "among women"))
                    if name in scores
                ),
                f"found again among all of them {scores['found_again']:.3f}",
            ],
        )
        return scores["auroc"]

    @property
    def needs(self) -> Sequence[str]:
        return ("identity",)

    def faults(self, source: FaceSource) -> list[str]:
        return [
            *super().faults(source),
            *([] if isinstance(source, RenderedFaces) else [f"{source.domain} have no twins: dataset=faces"]),
            *([] if self.temperature > 0 else [f"temperature={self.temperature} is not above 0"]),
            *number_fault("network.dimensions", self.network.dimensions, 1),
        ]


def album(source: FaceSource, split: str, count: int) -> Album:
    """The first `count` people of a split in three pictures each."""
    part = source.part(split, count)
    assert isinstance(source, RenderedFaces)
    return Album(source, split, part.positions)
