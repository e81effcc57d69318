"""`train.py model=face_identity`: train an embedder of identity and measure it on people it never saw."""

from __future__ import annotations

from dataclasses import asdict

from ohlora.laboratory.networks.identity import IDENTITY_KIND, Embedder, IdentityLearner, identity_scores
from ohlora.laboratory.roles import SUFFIX
from ohlora.laboratory.sources.dataset import Album
from ohlora.laboratory.sources.settings import RenderedFaces
from ohlora.laboratory.sources.source import FaceSource
from ohlora.laboratory.training.jobs import TrainIdentity
from ohlora.processes import is_main


def train_identity(job: TrainIdentity) -> float:
    """Return the area under the ROC curve of same or not, on test people, 0 to 1."""
    source = job.prepare()
    train, val = album(source, "train", job.counts.train), album(source, "val", job.counts.val)
    settings = {
        "scorer": SUFFIX[job.role],
        "seed": job.seed,
        "temperature": job.temperature,
        "counts": asdict(job.counts),
        "network": asdict(job.network),
        "augmentation": asdict(job.augmentation),
        "lesson": asdict(job.lesson),
        "faces": source.key,
        "taught": train.fingerprint(),
    }
    with job.training_run.seeded(job.seed):
        network = job.network.build(source.resolution)
        learner = IdentityLearner(
            network, job.augmentation, job.temperature, **job.lesson.of_learner(), seed=job.seed
        )
        training = job.fit(learner, train, val, settings)
    if not is_main():
        return float("nan")
    card = {
        "kind": IDENTITY_KIND,
        "resolution": source.resolution,
        "network": asdict(job.network),
    }
    scores = identity_scores(Embedder(network, card), album(source, "test_b", job.counts.test))
    job.keep(
        f"identity_{SUFFIX[job.role]}",
        network.state_dict(),
        {**card, "settings": settings, "training": training, "scores": scores},
        [
            f"identity of the {job.role}: {training['steps']} steps, {training['elapsed_s']:.0f} s",
            f"AUROC {scores['auroc']:.4f} ({scores['auroc_low']:.4f} to {scores['auroc_high']:.4f}) on"
            f" {len(album(source, 'test_b', job.counts.test))} unseen people",
            *(
                f"{pairs} {scores[name]:.4f}"
                for name, pairs in (("auroc_of_twins", "of twins"), ("auroc_of_women", "among women"))
                if name in scores
            ),
            f"found again among all of them {scores['found_again']:.3f}",
        ],
    )
    return scores["auroc"]


def faults(job: TrainIdentity, source: FaceSource) -> list[str]:
    """Every setting that cannot work with these faces."""
    return [] if isinstance(source, RenderedFaces) else [f"{source.domain} have no twins: dataset=faces"]


def album(source: FaceSource | RenderedFaces, split: str, count: int) -> Album:
    """The first `count` people of a split in three pictures each."""
    part = source.part(split, count)
    assert isinstance(source, RenderedFaces)
    return Album(source, split, part.positions)
