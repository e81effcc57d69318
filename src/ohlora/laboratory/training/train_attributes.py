"""`train.py model=face_attr target=gender|quality`: label a few of many faces, judge all the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch
from torch import nn

from ohlora.assets import load_network, need_resolution, save_model
from ohlora.errors import nearest
from ohlora.laboratory.measures.binary import auroc, calibration_error, recall_at_precision
from ohlora.laboratory.measures.statistics import with_interval
from ohlora.laboratory.networks.attributes import (
    TARGETS,
    AttributeLearner,
    Ensemble,
    Judge,
    PictureSettings,
    RegionSettings,
    judge_kind,
    stratified_folds,
)
from ohlora.laboratory.networks.augment import Augmentation
from ohlora.laboratory.networks.segmenter import Segmenter, load_segmenter
from ohlora.laboratory.sources.source import FacePart, FaceSource
from ohlora.laboratory.training.training_run import FaceJob, number_fault
from ohlora.processes import is_main
from ohlora.tracking import remember_settings

MEMBER_KIND = "face_attribute_member"
FINDER = "segmenter_a"  # shows where to look; b only judges
LEAST_SHARE = 0.25  # of the lesson, for few labels: they are seen more often


@dataclass(frozen=True)
class TrainAttributes(FaceJob):
    """Learn gender or quality from the first `labels` of `pool` faces; the rest, whose truth is known, tests.

    Members are trained for a fixed number of steps, once: none is picked by its validation.
    """

    target: str
    labels: int
    curve: Sequence[int]  # fewer labels, trained for the report alone
    pool: int
    folds: int
    seed: int
    network: PictureSettings | RegionSettings
    augmentation: Augmentation
    segmenters: str  # the folder of segmenter_a, which shows where to look

    def run(self) -> float:
        """Return the area under the ROC curve on the unlabelled faces, 0 to 1."""
        source = self.prepare()
        found = self.segmenter(source.resolution)
        pool = self.labelled(source)
        rest = pool.keep(torch.arange(self.labels, len(pool)))
        curve, ensembles = {}, {}
        for labels in sorted({*self.curve, self.labels}):
            ensembles[labels], folds = self.ensemble(
                pool.keep(torch.arange(labels)).labelled_by_hand(), found
            )
            if is_main():
                judge = Judge(ensembles[labels], {})
                curve[labels] = {**attribute_scores(judge, rest, self.target), **folds}
        if not is_main():
            return float("nan")
        scores = curve[self.labels]
        best = source.best_accuracy(self.target)
        card = {
            "kind": judge_kind(self.target),
            "resolution": source.resolution,
            "network": asdict(self.network),
            "segmenter_width": found.card["width"] if found else None,
            "folds": self.folds,
            "labels": self.labels,
            "settings": self.settings(source.key, found),
            "scores": {**scores, **({"bayes_accuracy": best} if best else {})},
            "curve": curve,
        }
        self.keep(
            self.target,
            ensembles[self.labels].state_dict(),
            card,
            [
                f"{self.target} from {self.labels} labels, on the other {len(rest)} faces"
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

    @property
    def needs(self) -> Sequence[str]:
        return [self.target] if self.target in TARGETS else []

    def labelled(self, source: FaceSource) -> FacePart:
        """The faces of the pool of which the target is told."""
        pool = source.part("train", self.pool)
        told = pool.told(self.target)
        return pool if told is None else pool.keep(told.isfinite())

    def faults(self, source: FaceSource) -> list[str]:
        faults = [
            *super().faults(source),
            *number_fault("pool", self.pool, 2),
            *number_fault("folds", self.folds, 2),
        ]
        if self.target not in TARGETS:
            faults.append(
                f"target={self.target} is not one of {' | '.join(TARGETS)}{nearest(self.target, TARGETS)}"
            )
        if faults:
            return faults  # what labels may be depends on them
        pool = self.labelled(source)
        for name, labels in (("labels", self.labels), *(("curve", one) for one in self.curve)):
            faults += number_fault(name, labels, 2 * self.folds) or (
                [f"{name}={labels} leaves none of the pool's {len(pool)} labelled images to test on"]
                if labels >= len(pool)
                else []
            )
        told = pool.told(self.target)
        if told is None or len((told > 0.5).unique()) < 2:
            faults.append(f"target={self.target}: every picture is alike (dataset=faces needs spoilt=true)")
        return faults

    def segmenter(self, resolution: int) -> Segmenter | None:
        """What shows where to look, if the network asks."""
        if not self.network.finds:
            return None
        found = load_segmenter(self.segmenters, FINDER)
        need_resolution(found.card, resolution)
        return found

    def settings(self, key: str, found: Segmenter | None) -> dict[str, object]:
        return {
            "target": self.target,
            "seed": self.seed,
            "folds": self.folds,
            "network": asdict(self.network),
            "augmentation": asdict(self.augmentation),
            "lesson": asdict(self.lesson),
            "segmenter": found.card["weights"]["sha256"] if found else None,
            "faces": key,
        }

    def ensemble(self, labelled: FacePart, found: Segmenter | None) -> tuple[Ensemble, dict[str, float]]:
        """A network to each fold, and the folds' mean accuracy on the labels they were not taught."""
        told = labelled.told(self.target)
        assert told is not None
        labels = (told > 0.5).float()
        finder = found.network if found else None
        fold_of = stratified_folds(labels, self.folds, self.seed)
        members, accuracies = [], []
        for fold in range(self.folds):
            held = labelled.keep(fold_of == fold)
            members.append(self.member(labelled.keep(fold_of != fold), held, fold, found))
            judged = torch.cat(
                [Judge(Ensemble(members[-1:], finder), {}).judge(faces.images) for faces in held.in_order()]
            )
            accuracies.append(((judged > 0.5).float() == labels[fold_of == fold]).float().mean())
        return Ensemble(members, finder), {"fold_accuracy": float(torch.stack(accuracies).mean())}

    def member(self, train: FacePart, held: FacePart, fold: int, found: Segmenter | None) -> nn.Module:
        """One network; a resumed run reads those it has finished."""
        name = f"{self.target}_{len(train) + len(held)}_{fold}"
        training_run = self.training_run.inside(name)
        folder = training_run.folder
        settings, finder = self.settings(train.source.key, found), found.network if found else None
        if training_run.resume and (folder / "member.safetensors").is_file():
            remember_settings(folder, settings, resume=True)
            return load_network(
                training_run.folder, "member", MEMBER_KIND, lambda _: self.network.build(finder)
            )[0]
        share = max(LEAST_SHARE, (len(train) + len(held)) / self.labels)
        lesson = replace(self.lesson, images=min(self.lesson.images, round(self.lesson.images * share)))
        with training_run.seeded(self.seed * self.folds + fold):
            network = self.network.build(finder)
            learner = AttributeLearner(
                Ensemble([network], finder),
                self.augmentation,
                self.target,
                **lesson.of_learner(),
                seed=self.seed * self.folds + fold,
            )
            job = replace(self, lesson=lesson, training_run=training_run)
            job.fit(learner, train, held, settings)
        if is_main():
            save_model(
                training_run.folder, "member", network.state_dict(), {"kind": MEMBER_KIND, "fold": fold}
            )
        return network


def attribute_scores(judge: Judge, part: FacePart, target: str) -> dict[str, float]:
    """Against the truth: accuracy, beside that of always giving the commoner answer; AUROC; calibration.

    `recall_of_0` is the share of men, or of bad pictures, found while four in five so named are.
    """
    judged = torch.cat([judge.judge(faces.images) for faces in part.in_order()])
    told = part.told(target)
    assert told is not None
    truth = (told > 0.5).float()
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
