"""`train.py model=face_props`: train a property regressor and measure it on people it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch

from ohlora.assets import need_resolution
from ohlora.laboratory.measures.statistics import pearson, slope, with_interval
from ohlora.laboratory.networks.augment import Augmentation
from ohlora.laboratory.networks.regressor import (
    REGRESSOR_KIND,
    PartSettings,
    Regressor,
    RegressorLearner,
    TrunkSettings,
)
from ohlora.laboratory.networks.segmenter import load_segmenter
from ohlora.laboratory.roles import SUFFIX, Role
from ohlora.laboratory.sources.source import FacePart
from ohlora.laboratory.training.training_run import FaceJob
from ohlora.processes import is_main


@dataclass(frozen=True)
class TrainRegressor(FaceJob):
    """A property regressor: the teacher's gradients train the generator, the examiner only measures it."""

    role: Role
    seed: int
    split: str  # whose people teach it
    network: TrunkSettings | PartSettings
    augmentation: Augmentation
    segmenters: str  # the folder of the role's segmenter, which finds the parts

    @property
    def needs(self) -> Sequence[str]:
        return ("properties",)

    def run(self) -> float:
        """Return the lowest correlation of any property with the truth, on test faces."""
        source = self.prepare()
        resolution, names = source.resolution, list(source.properties)
        finder = None
        if isinstance(self.network, PartSettings):
            finder = load_segmenter(self.segmenters, f"segmenter_{SUFFIX[self.role]}")
            need_resolution(finder.card, resolution)
        train, val = source.part(self.split, self.counts.train), source.part("val", self.counts.val)
        values = train.properties
        mean, std = values.mean(dim=0), values.std(dim=0)
        settings = {
            "scorer": SUFFIX[self.role],
            "seed": self.seed,
            "split": self.split,
            "counts": asdict(self.counts),
            "network": asdict(self.network),
            "augmentation": asdict(self.augmentation),
            "lesson": asdict(self.lesson),
            "faces": source.key,
            "segmenter": finder.card["weights"]["sha256"] if finder else None,
        }
        with self.training_run.seeded(self.seed):
            network = self.network.build(names, resolution, finder.network if finder else None)
            learner = RegressorLearner(
                network, self.augmentation, mean, std, **self.lesson.of_learner(), seed=self.seed
            )
            training = self.fit(learner, train, val, settings)
        if not is_main():
            return float("nan")
        card = {
            "kind": REGRESSOR_KIND,
            "resolution": resolution,
            "properties": names,
            "mean": mean.tolist(),
            "std": std.tolist(),
            "network": asdict(self.network),
            "segmenter_width": finder.card["width"] if finder else None,
        }
        scores = regressor_scores(Regressor(network, card), source.part("test_b", self.counts.test))
        self.keep(
            f"regressor_{SUFFIX[self.role]}",
            network.state_dict(),
            {**card, "settings": settings, "training": training, "scores": scores},
            [
                f"regressor of the {self.role}: {training['steps']} steps, {training['elapsed_s']:.0f} s",
                *(f"{name:16} r {scores[f'r_{name}']:.4f}" for name in names),
            ],
        )
        return min(scores[f"r_{name}"] for name in names)


def regressor_scores(regressor: Regressor, part: FacePart) -> dict[str, float]:
    """Correlation with the truth, slope on it, and mean absolute error in spreads of the truth."""
    told = torch.cat([regressor.measure(faces.images) for faces in part.in_order()])
    truth = part.properties
    scores: dict[str, float] = {"faces": len(part)}
    for i, name in enumerate(regressor.properties):
        scores |= with_interval(
            f"r_{name}", lambda rows, i=i: pearson(truth[rows, i], told[rows, i]), len(part)
        )
        scores[f"slope_{name}"] = slope(truth[:, i], told[:, i])
        scores[f"mae_{name}"] = float((truth[:, i] - told[:, i]).abs().mean() / regressor.std[i])
    return scores
