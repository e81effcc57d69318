"""`train.py model=face_seg`: train a segmenter on exact label maps and measure it on people it never saw."""

from __future__ import annotations

import time
from dataclasses import asdict

import torch
from torch import Tensor

from ohlora.face.trained.evaluate import evaluating
from ohlora.laboratory.measures.scores import SCORES, v2_scores
from ohlora.laboratory.measures.statistics import pearson, with_interval
from ohlora.laboratory.networks.segmenter import (
    SEGMENTER_KIND,
    Segmenter,
    SegmenterLearner,
    UNet,
    confusions,
    overlap_scores,
)
from ohlora.laboratory.roles import SUFFIX
from ohlora.laboratory.sources.source import FacePart, FaceSource
from ohlora.laboratory.training.jobs import TrainSegmenter
from ohlora.processes import is_main

FRAMES = 20  # timed


def train_segmenter(job: TrainSegmenter) -> float:
    """Return the mean intersection over union on test faces, 0 to 1."""
    source = job.prepare()
    train, val = source.part(job.split, job.counts.train), source.part("val", job.counts.val)
    settings = {
        "scorer": SUFFIX[job.role],
        "seed": job.seed,
        "width": job.width,
        "split": job.split,
        "counts": asdict(job.counts),
        "augmentation": asdict(job.augmentation),
        "dice": job.dice,
        "lesson": asdict(job.lesson),
        "faces": source.key,
        "taught": train.fingerprint(),
    }
    with job.training_run.seeded(job.seed):
        network = UNet(job.width)
        learner = SegmenterLearner(
            network, job.augmentation, job.dice, **job.lesson.of_learner(), seed=job.seed
        )
        training = job.fit(learner, train, val, settings)
    if not is_main():
        return float("nan")
    card = {"kind": SEGMENTER_KIND, "resolution": source.resolution, "width": job.width}
    scores = segmenter_scores(Segmenter(network, card), source.part("test_b", job.counts.test))
    job.keep(
        f"segmenter_{SUFFIX[job.role]}",
        network.state_dict(),
        {**card, "settings": settings, "training": training, "scores": scores},
        [
            f"segmenter of the {job.role}: {training['steps']} steps, {training['elapsed_s']:.0f} s",
            f"mean IoU {scores['mean_iou']:.3f}, worst of eyes and lips {scores['worst_eye_or_lip_iou']:.3f}",
            f"hair IoU {scores['iou_hair']:.3f}, Dice {scores['hair_dice']:.3f}",
            f"{scores['ms_a_frame']:.1f} ms a frame",
        ],
    )
    return scores["mean_iou"]


def faults(job: TrainSegmenter, source: FaceSource) -> list[str]:
    """Every setting that cannot work with these faces."""
    size = source.resolution
    return [f"resolution={size} is not a multiple of 8"] if size % 8 else []


def segmenter_scores(segmenter: Segmenter, part: FacePart) -> dict[str, float]:
    """Overlap with the exact maps, agreement of the v2 scores of both maps, and what a single frame takes."""
    found, exact, read = [], [], []
    for faces in part.in_order():
        assert faces.label_maps is not None
        predicted = segmenter.label_maps(faces.images)
        found.append(confusions(faces.label_maps, predicted))
        exact.append(v2_scores(faces.label_maps, faces.images))
        read.append(v2_scores(predicted, faces.images))
    truth, answer, counts = torch.cat(exact), torch.cat(read), torch.cat(found)
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
