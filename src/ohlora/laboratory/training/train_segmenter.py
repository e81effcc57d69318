"""`train.py model=face_seg`: train a segmenter on exact label maps and measure it on people it never saw."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ohlora.face.trained.evaluate import evaluating
from ohlora.laboratory.measures.scores import SCORES, v2_scores
from ohlora.laboratory.measures.statistics import pearson, with_interval
from ohlora.laboratory.networks.augment import Augmentation
from ohlora.laboratory.networks.segmenter import (
    SEGMENTER_KIND,
    Segmenter,
    SegmenterLearner,
    UNet,
    confusions,
    overlap_scores,
)
from ohlora.laboratory.roles import SUFFIX, Role
from ohlora.laboratory.sources.source import FacePart, FaceSource
from ohlora.laboratory.training.training_run import FaceJob, number_fault
from ohlora.processes import is_main

FRAMES = 20  # timed


@dataclass(frozen=True)
class TrainSegmenter(FaceJob):
    """A segmenter: the teacher trains other networks, the examiner only measures them."""

    role: Role
    seed: int
    split: str  # whose people teach it
    width: int  # channels at full resolution
    augmentation: Augmentation
    dice: float  # weight of the overlap beside the cross-entropy

    def run(self) -> float:
        """Return the mean intersection over union on test faces, 0 to 1."""
        source = self.prepare()
        settings = {
            "scorer": SUFFIX[self.role],
            "seed": self.seed,
            "width": self.width,
            "split": self.split,
            "counts": asdict(self.counts),
            "augmentation": asdict(self.augmentation),
            "dice": self.dice,
            "lesson": asdict(self.lesson),
            "faces": source.key,
        }
        with self.training_run.seeded(self.seed):
            network = UNet(self.width)
            learner = SegmenterLearner(
                network, self.augmentation, self.dice, **self.lesson.of_learner(), seed=self.seed
            )
            train, val = source.part(self.split, self.counts.train), source.part("val", self.counts.val)
            training = self.fit(learner, train, val, settings)
        if not is_main():
            return float("nan")
        card = {"kind": SEGMENTER_KIND, "resolution": source.resolution, "width": self.width}
        scores = segmenter_scores(Segmenter(network, card), source.part("test_b", self.counts.test))
        self.keep(
            f"segmenter_{SUFFIX[self.role]}",
            network.state_dict(),
            {**card, "settings": settings, "training": training, "scores": scores},
            [
                f"segmenter of the {self.role}: {training['steps']} steps, {training['elapsed_s']:.0f} s",
                f"mean IoU {scores['mean_iou']:.3f}, worst of eyes and lips"
                f" {scores['worst_eye_or_lip_iou']:.3f}",
                f"hair IoU {scores['iou_hair']:.3f}, Dice {scores['hair_dice']:.3f}",
                f"{scores['ms_a_frame']:.1f} ms a frame",
            ],
        )
        return scores["mean_iou"]

    @property
    def needs(self) -> Sequence[str]:
        return ("label_maps",)

    def faults(self, source: FaceSource) -> list[str]:
        size = source.resolution
        return [
            *super().faults(source),
            *number_fault("width", self.width, 1),
            *([f"resolution={size} is not a multiple of 8"] if size % 8 else []),
        ]


def segmenter_scores(segmenter: Segmenter, part: FacePart) -> dict[str, float]:
    """Overlap with the exact maps, agreement of the v2 scores of both maps, and what a single frame takes."""
    found, exact, told = [], [], []
    for faces in part.in_order():
        assert faces.label_maps is not None
        predicted = segmenter.label_maps(faces.images)
        found.append(confusions(faces.label_maps, predicted))
        exact.append(v2_scores(faces.label_maps, faces.images))
        told.append(v2_scores(predicted, faces.images))
    truth, answer, counts = torch.cat(exact), torch.cat(told), torch.cat(found)
    scores = overlap_scores(counts.sum(dim=0))
    for name in ("mean_iou", "iou_hair", "hair_dice", "worst_eye_or_lip_iou"):
        scores |= with_interval(
            name, lambda rows, name=name: overlap_scores(counts[rows].sum(dim=0))[name], len(part)
        )
    for i, name in enumerate(SCORES):
        scores |= with_interval(
            f"r_{name}", lambda rows, i=i: pearson(truth[rows, i], answer[rows, i]), len(part)
        )
    one = part.faces(torch.zeros(FRAMES, dtype=torch.long)).images
    return {**scores, "ms_a_frame": frame_ms(segmenter, one), "faces": len(part)}


def frame_ms(segmenter: Segmenter, images: Tensor) -> float:
    """Median milliseconds that an image alone takes, of uint8 images."""
    device, times = next(segmenter.network.parameters()).device, []
    with evaluating(segmenter.network):
        for image in images:
            started = time.perf_counter()
            segmenter.ask(image[None].to(device)).cpu()
            times.append(time.perf_counter() - started)
    return 1000 * sorted(times)[len(times) // 2]
