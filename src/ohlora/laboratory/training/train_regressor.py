"""`train.py model=face_props`: train a property regressor and measure it on people it never saw."""

from __future__ import annotations

from dataclasses import asdict

import torch

from ohlora.laboratory.measures.statistics import pearson, slope, with_interval
from ohlora.laboratory.networks.regressor import REGRESSOR_KIND, Regressor, RegressorLearner
from ohlora.laboratory.networks.segmenter import load_segmenter
from ohlora.laboratory.networks.settings import PartSettings
from ohlora.laboratory.roles import SUFFIX
from ohlora.laboratory.sources.source import FacePart, need_fit
from ohlora.laboratory.training.jobs import TrainRegressor
from ohlora.processes import is_main


def train_regressor(job: TrainRegressor) -> float:
    """Return the lowest correlation of any property with the truth, on test faces."""
    source = job.prepare()
    resolution, names = source.resolution, list(source.properties)
    finder = None
    if isinstance(job.network, PartSettings):
        finder = load_segmenter(job.segmenters, f"segmenter_{SUFFIX[job.role]}")
        need_fit(finder.card, source)
    train, val = source.part(job.split, job.counts.train), source.part("val", job.counts.val)
    values = train.properties
    mean, std = values.mean(dim=0), values.std(dim=0)
    settings = {
        "scorer": SUFFIX[job.role],
        "seed": job.seed,
        "split": job.split,
        "counts": asdict(job.counts),
        "network": asdict(job.network),
        "augmentation": asdict(job.augmentation),
        "lesson": asdict(job.lesson),
        "faces": source.key,
        "taught": train.fingerprint(),
        "segmenter": finder.card["weights"]["sha256"] if finder else None,
    }
    with job.training_run.seeded(job.seed):
        network = job.network.build(names, resolution, finder.network if finder else None)
        learner = RegressorLearner(
            network, job.augmentation, mean, std, **job.lesson.of_learner(), seed=job.seed
        )
        training = job.fit(learner, train, val, settings)
    if not is_main():
        return float("nan")
    card = {
        "kind": REGRESSOR_KIND,
        "resolution": resolution,
        "properties": names,
        "mean": mean.tolist(),
        "std": std.tolist(),
        "network": asdict(job.network),
        "segmenter_width": finder.card["width"] if finder else None,
    }
    scores = regressor_scores(Regressor(network, card), source.part("test_b", job.counts.test))
    job.keep(
        f"regressor_{SUFFIX[job.role]}",
        network.state_dict(),
        {**card, "settings": settings, "training": training, "scores": scores},
        [
            f"regressor of the {job.role}: {training['steps']} steps, {training['elapsed_s']:.0f} s",
            *(f"{name:16} r {scores[f'r_{name}']:.4f}" for name in names),
        ],
    )
    return min(scores[f"r_{name}"] for name in names)


def regressor_scores(regressor: Regressor, part: FacePart) -> dict[str, float]:
    """Correlation with the truth, slope on it, and mean absolute error in spreads of the truth."""
    predicted = torch.cat([regressor.measure(faces.images) for faces in part.in_order()])
    truth = part.properties
    scores: dict[str, float] = {"faces": len(part)}
    for i, name in enumerate(regressor.properties):
        scores |= with_interval(
            f"r_{name}", lambda rows, i=i: pearson(truth[rows, i], predicted[rows, i]), len(part)
        )
        scores[f"slope_{name}"] = slope(truth[:, i], predicted[:, i])
        scores[f"mae_{name}"] = float((truth[:, i] - predicted[:, i]).abs().mean() / regressor.std[i])
    return scores
