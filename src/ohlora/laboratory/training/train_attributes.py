"""`train.py model=face_attr target=gender|quality`: label a few of many faces, judge all the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

import torch
from torch import Tensor, nn

from ohlora.assets import load_network, save_model
from ohlora.laboratory.measures.binary import auroc, calibration_error, recall_at_precision
from ohlora.laboratory.measures.statistics import with_interval
from ohlora.laboratory.networks.attributes import (
    AttributeLearner,
    Ensemble,
    Judge,
    judge_kind,
    stratified_folds,
)
from ohlora.laboratory.networks.segmenter import Segmenter, load_segmenter
from ohlora.laboratory.sources.source import FacePart, FaceSource, first, need_fit
from ohlora.laboratory.training.jobs import TrainAttributes
from ohlora.processes import is_main
from ohlora.tracking import remember_settings

MEMBER_KIND = "face_attribute_member"
FINDER = "segmenter_a"  # shows where to look; b only judges
LEAST_SHARE = 0.25  # of the lesson, for few labels: they are seen more often


def train_attributes(job: TrainAttributes) -> float:
    """Return the area under the ROC curve on the unlabelled faces, 0 to 1."""
    source = job.prepare()
    found = segmenter(job, source)
    pool = labelled_pool(job, source)
    rest = pool.keep(torch.arange(job.labels, len(pool)))
    taught = first(pool, job.labels).labelled_by_hand()
    curve, ensembles = {}, {}
    for labels in sorted({*job.curve, job.labels}):
        ensembles[labels], folds = ensemble(job, first(taught, labels), found)
        if is_main():
            judge = Judge(ensembles[labels], {})
            curve[labels] = {**attribute_scores(judge, rest, job.target), **folds}
    if not is_main():
        return float("nan")
    scores = curve[job.labels]
    best = source.best_accuracy(job.target)
    card = {
        "kind": judge_kind(job.target),
        "resolution": source.resolution,
        "network": asdict(job.network),
        "segmenter_width": found.card["width"] if found else None,
        "folds": job.folds,
        "labels": job.labels,
        "settings": settings_of(job, taught, found),
        "scores": {**scores, **({"bayes_accuracy": best} if best else {})},
        "curve": curve,
    }
    job.keep(
        job.target,
        ensembles[job.labels].state_dict(),
        card,
        [
            f"{job.target} from {job.labels} labels, on the other {len(rest)} faces"
            + (f" (the best possible judge: accuracy {best:.3f})" if best else ""),
            *(
                f"{labels:5} labels: accuracy {one['accuracy']:.3f}, AUROC {one['auroc']:.3f},"
                f" calibration error {one['calibration_error']:.3f},"
                f" recall of 0 at precision 0.8 {one['recall_of_0']:.3f}"
                for labels, one in curve.items()
            ),
        ],
    )
    return scores["auroc"]


def labelled_pool(job: TrainAttributes, source: FaceSource) -> FacePart:
    """The faces of the pool of which the target is told."""
    pool = source.part("train", job.pool)
    label = pool.label(job.target)
    return pool if label is None else pool.keep(label.isfinite())


def faults(job: TrainAttributes, source: FaceSource) -> list[str]:
    """Every setting that cannot work with these faces."""
    pool = labelled_pool(job, source)
    found = [
        f"{name}={labels} leaves none of the pool's {len(pool)} labelled images to test on"
        for name, labels in (("labels", job.labels), *(("curve", one) for one in job.curve))
        if labels >= len(pool)
    ]
    fewest = min(job.labels, *job.curve) if job.curve else job.labels
    if alike(pool.label(job.target)):
        found.append(f"target={job.target}: every picture is alike (dataset=faces needs spoilt=true)")
    elif alike(first(pool, fewest).labelled_by_hand().label(job.target)):
        found.append(f"target={job.target}: the first {fewest} labels are all alike; give more of them")
    return found


def alike(labels: Tensor | None) -> bool:
    """Whether they name one class only."""
    return labels is None or len((labels > 0.5).unique()) < 2


def segmenter(job: TrainAttributes, source: FaceSource) -> Segmenter | None:
    """What shows where to look, if the network asks."""
    if not job.network.finds:
        return None
    found = load_segmenter(job.segmenters, FINDER)
    need_fit(found.card, source)
    return found


def settings_of(job: TrainAttributes, labelled: FacePart, found: Segmenter | None) -> dict[str, object]:
    return {
        "target": job.target,
        "seed": job.seed,
        "folds": job.folds,
        "network": asdict(job.network),
        "augmentation": asdict(job.augmentation),
        "lesson": asdict(job.lesson),
        "segmenter": found.card["weights"]["sha256"] if found else None,
        "faces": labelled.source.key,
        "taught": labelled.fingerprint(job.target),
    }


def ensemble(
    job: TrainAttributes, labelled: FacePart, found: Segmenter | None
) -> tuple[Ensemble, dict[str, float]]:
    """A network to each fold, and the folds' mean accuracy on the labels they were not taught."""
    label = labelled.label(job.target)
    assert label is not None
    labels = (label > 0.5).float()
    finder = found.network if found else None
    fold_of = stratified_folds(labels, job.folds, job.seed)
    settings = settings_of(job, labelled, found)
    members, accuracies = [], []
    for fold in range(job.folds):
        held = labelled.keep(fold_of == fold)
        members.append(member(job, labelled.keep(fold_of != fold), held, fold, found, settings))
        judged = torch.cat(
            [Judge(Ensemble(members[-1:], finder), {}).judge(faces.images) for faces in held.in_order()]
        )
        accuracies.append(((judged > 0.5).float() == labels[fold_of == fold]).float().mean())
    return Ensemble(members, finder), {"fold_accuracy": float(torch.stack(accuracies).mean())}


def member(
    job: TrainAttributes,
    train: FacePart,
    held: FacePart,
    fold: int,
    found: Segmenter | None,
    settings: Mapping[str, object],
) -> nn.Module:
    """One network; a resumed run reads those it has finished."""
    name = f"{job.target}_{len(train) + len(held)}_{fold}"
    training_run = job.training_run.inside(name)
    folder, finder = training_run.folder, found.network if found else None
    if training_run.resume and (folder / "member.safetensors").is_file():
        remember_settings(folder, settings, resume=True)
        return load_network(training_run.folder, "member", MEMBER_KIND, lambda _: job.network.build(finder))[
            0
        ]
    share = max(LEAST_SHARE, (len(train) + len(held)) / job.labels)
    lesson = replace(job.lesson, images=min(job.lesson.images, round(job.lesson.images * share)))
    with training_run.seeded(job.seed * job.folds + fold):
        network = job.network.build(finder)
        learner = AttributeLearner(
            Ensemble([network], finder),
            job.augmentation,
            job.target,
            **lesson.of_learner(),
            seed=job.seed * job.folds + fold,
        )
        job = replace(job, lesson=lesson, training_run=training_run)
        job.fit(learner, train, held, settings)
    if is_main():
        card = {"kind": MEMBER_KIND, "fold": fold}
        save_model(training_run.folder, "member", network.state_dict(), card, interim=True)
    return network


def attribute_scores(judge: Judge, part: FacePart, target: str) -> dict[str, float]:
    """Against the truth: accuracy, beside that of always giving the commoner answer; AUROC; calibration.

    `recall_of_0` is the share of men, or of bad pictures, found while four in five so named are.
    """
    judged = torch.cat([judge.judge(faces.images) for faces in part.in_order()])
    label = part.label(target)
    assert label is not None
    truth = (label > 0.5).float()
    common = float(truth.mean())
    scores = {"constant_accuracy": max(common, 1 - common), "faces": len(part)}
    for name, measure in (
        ("accuracy", lambda t, p: float(((p > 0.5).float() == t).float().mean())),
        ("auroc", auroc),
        ("calibration_error", calibration_error),
        ("recall_of_0", lambda t, p: recall_at_precision(1 - t, 1 - p, 0.8)),
    ):
        scores |= with_interval(
            name, lambda rows, measure=measure: measure(truth[rows], judged[rows]), len(part)
        )
    return scores
