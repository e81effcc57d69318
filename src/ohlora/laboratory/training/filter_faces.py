"""`train.py model=face_filter`: keep the good pictures of women, and count what was kept in vain."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ohlora.assets import load_model
from ohlora.errors import OhloraError
from ohlora.laboratory.measures.statistics import with_interval
from ohlora.laboratory.networks.attributes import TARGETS, load_judge
from ohlora.laboratory.sources.dataset import current_key
from ohlora.laboratory.sources.source import FacePart, FaceSource, need_fit
from ohlora.laboratory.training.jobs import FilterFaces

FILTER_KIND = "face_filter"
FILTER = "kept"


def filter_faces(job: FilterFaces) -> float:
    """Return the share of kept faces that are women's and good, 0 to 1; NaN where that is not told."""
    source = job.prepare()
    judges = {name: load_judge(job.judges, name) for name in job.least}
    for judge in judges.values():
        need_fit(judge.card, source)
    part = source.part("train", job.counts.train)
    answers: dict[str, list[Tensor]] = {name: [] for name in judges}
    for faces in part.in_order():
        for name, judge in judges.items():
            answers[name].append(judge.judge(faces.images))
    probabilities = {name: torch.cat(values) for name, values in answers.items()}
    kept = torch.stack([probabilities[name] >= least for name, least in job.least.items()]).all(dim=0)
    taught = max(int(judge.card["labels"]) for judge in judges.values())
    unseen = torch.arange(len(part)) >= taught
    scores = {"kept": int(kept.sum()), "faces": len(part), **filter_scores(kept, part)}
    if unseen.any():  # the same without the faces whose labels taught the judges
        rest = filter_scores(kept[unseen], part.keep(unseen))
        scores |= {f"unseen_{key}": value for key, value in rest.items()}
    card = {
        "kind": FILTER_KIND,
        "split": part.split,
        "pictures": source.key,
        "least": dict(job.least),
        "judges": {name: judge.card["weights"]["sha256"] for name, judge in judges.items()},
        "scores": scores,
    }
    job.keep(
        FILTER,
        {"positions": part.positions[kept], **probabilities},
        card,
        [
            f"kept {scores['kept']} of {scores['faces']} faces ({scores['yield']:.1%})",
            *(
                [f"precision {scores['precision']:.3f}, recall {scores['recall']:.3f} against the truth"]
                if "precision" in scores
                else []
            ),
        ],
    )
    return scores.get("precision", float("nan"))


def filter_scores(kept: Tensor, part: FacePart) -> dict[str, float]:
    """Yield; and precision and recall of being a woman's and good, on faces where both are told. 0 to 1.

    Where anything was kept, precision comes with its interval.
    """
    scores = {"yield": float(kept.float().mean())}
    truth = [part.label(name) for name in TARGETS]
    known = torch.stack([torch.zeros(len(part)) if one is None else one.isfinite() for one in truth]).all(0)
    if known.any():
        kept, wanted = kept[known], good(part)[known]
        both = int((kept & wanted).sum())
        scores |= {
            "precision": both / max(1, int(kept.sum())),
            "recall": both / max(1, int(wanted.sum())),
        }
        right = wanted[kept].float()
        if len(right):
            scores |= with_interval("precision", lambda rows: float(right[rows].mean()), len(right))
    return scores


def good(part: FacePart) -> Tensor:
    """Good pictures of women, as far as that is told of them, bool [faces]."""
    rows = torch.ones(len(part), dtype=torch.bool)
    for name in TARGETS:
        label = part.label(name)
        if label is not None:
            rows &= ~(label <= 0.5)
    return rows


def filtered_faces(source: FaceSource, folder: str | None, count: int) -> FacePart:
    """The faces a filter kept of the first `count`; without a filter, those that are told to be good."""
    part = source.part("train", count)
    if folder is None:
        return part.keep(good(part))
    tensors, card = load_model(Path(folder), FILTER, FILTER_KIND)
    if current_key(card["pictures"]) != source.key:
        raise OhloraError(
            f"{Path(folder) / FILTER} was made of other pictures (resolution, renderer or seed); run"
            " model=face_filter again"
        )
    return part.keep(torch.isin(part.positions, tensors["positions"]))
