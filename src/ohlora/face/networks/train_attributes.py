"""`train.py model=face_attr target=gender|quality`: label a few of many faces, judge all the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor, nn

from ohlora.assets import load_network, save_model
from ohlora.errors import nearest
from ohlora.face.dataset import FacePart, RenderedFaces
from ohlora.face.networks.attributes import (
    TARGETS,
    AttributeLearner,
    AttributeSettings,
    Ensemble,
    Judge,
    judge_kind,
    stratified_folds,
)
from ohlora.face.networks.augment import Augmentation
from ohlora.face.networks.learner import FaceJob, number_fault
from ohlora.face.networks.measures import auroc, calibration_error, recall_at_precision
from ohlora.processes import is_main
from ohlora.tracking import remember_settings

MEMBER_KIND = "face_attribute_member"
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
    network: AttributeSettings
    augmentation: Augmentation

    def run(self) -> float:
        """Return the area under the ROC curve on the unlabelled faces, 0 to 1."""
        source = self.prepare()
        pool = source.part("train", self.pool)
        rest = pool.keep(torch.arange(self.labels, self.pool))
        curve, ensembles = {}, {}
        for labels in sorted({*self.curve, self.labels}):
            ensembles[labels], folds = self.ensemble(replace(pool.keep(torch.arange(labels)), labelled=True))
            if is_main():
                judge = Judge(ensembles[labels], {})
                curve[labels] = {**attribute_scores(judge, rest, self.target), **folds}
        if not is_main():
            return float("nan")
        scores = curve[self.labels]
        best = source.population.best_accuracy if self.target == "gender" else None
        card = {
            "kind": judge_kind(self.target),
            "resolution": source.renderer.resolution,
            "network": asdict(self.network),
            "folds": self.folds,
            "labels": self.labels,
            "settings": self.settings(source.key),
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

    def faults(self, source: RenderedFaces) -> list[str]:
        faults = [
            *super().faults(source),
            *number_fault("pool", self.pool, 2),
            *number_fault("folds", self.folds, 2),
        ]
        if self.target not in TARGETS:
            faults.append(
                f"target={self.target} is not one of {' | '.join(TARGETS)}{nearest(self.target, TARGETS)}"
            )
        if number_fault("pool", self.pool, 2) or number_fault("folds", self.folds, 2):
            return faults  # what labels may be depends on both
        for name, labels in (("labels", self.labels), *(("curve", one) for one in self.curve)):
            faults += number_fault(name, labels, 2 * self.folds) or (
                [f"{name}={labels} leaves none of pool={self.pool} images to test on"]
                if labels >= self.pool
                else []
            )
        if self.target == "quality" and not source.spoilt:
            faults.append("dataset.spoilt=false leaves no bad pictures to tell from good ones")
        return faults

    def settings(self, key: str) -> dict[str, object]:
        return {
            "target": self.target,
            "seed": self.seed,
            "folds": self.folds,
            "network": asdict(self.network),
            "augmentation": asdict(self.augmentation),
            "lesson": asdict(self.lesson),
            "faces": key,
        }

    def ensemble(self, labelled: FacePart) -> tuple[Ensemble, dict[str, float]]:
        """A network to each fold, and the folds' mean accuracy on the labels they were not taught."""
        draws = labelled.draws
        labels = draws.gender if self.target == "gender" else draws.quality_label
        fold_of = stratified_folds(labels, self.folds, self.seed)
        members, accuracies = [], []
        for fold in range(self.folds):
            held = labelled.keep(fold_of == fold)
            members.append(self.member(labelled.keep(fold_of != fold), held, fold))
            told = torch.cat(
                [Judge(Ensemble(members[-1:]), {}).judge(faces.images) for faces in held.in_order()]
            )
            accuracies.append(((told > 0.5).float() == labels[fold_of == fold]).float().mean())
        return Ensemble(members), {"fold_accuracy": float(torch.stack(accuracies).mean())}

    def member(self, train: FacePart, held: FacePart, fold: int) -> nn.Module:
        """One network; a resumed run reads those it has finished."""
        name = f"{self.target}_{len(train) + len(held)}_{fold}"
        workshop = self.workshop.inside(name)
        settings = self.settings(train.source.key)
        if workshop.resume and (workshop.folder / "member.safetensors").is_file():
            remember_settings(workshop.folder, settings, resume=True)
            return load_network(workshop.folder, "member", MEMBER_KIND, lambda _: self.network.build())[0]
        share = max(LEAST_SHARE, (len(train) + len(held)) / self.labels)
        lesson = replace(self.lesson, images=min(self.lesson.images, round(self.lesson.images * share)))
        with workshop.seeded(self.seed * self.folds + fold):
            network = self.network.build()
            learner = AttributeLearner(
                network,
                self.augmentation,
                self.target,
                **lesson.of_learner(),
                seed=self.seed * self.folds + fold,
            )
            job = replace(self, lesson=lesson, workshop=workshop)
            job.fit(learner, train, held, settings)
        if is_main():
            save_model(workshop.folder, "member", network.state_dict(), {"kind": MEMBER_KIND, "fold": fold})
        return network


def attribute_scores(judge: Judge, part: FacePart, target: str) -> dict[str, float]:
    """Against the truth: accuracy, beside that of always giving the commoner answer; AUROC; calibration.

    `recall_of_0` is the share of men, or of bad pictures, found while four in five so named are.
    """
    told = torch.cat([judge.judge(faces.images) for faces in part.in_order()])
    truth: Tensor = getattr(part.draws, target)
    common = float(truth.mean())
    return {
        "accuracy": float(((told > 0.5).float() == truth).float().mean()),
        "constant_accuracy": max(common, 1 - common),
        "auroc": auroc(truth, told),
        "calibration_error": calibration_error(truth, told),
        "recall_of_0": recall_at_precision(1 - truth, 1 - told, 0.8),
        "faces": len(part),
    }
