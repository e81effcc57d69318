"""Retrieval judged as ranking on keys unseen in training, and "nothing relevant" by a threshold."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ohlora.chat.fact import read_line
from ohlora.chat.retrieval import Encoder
from ohlora.chat.text_files import Row, of_split, rows

Scores = Callable[[str, Sequence[str]], np.ndarray]  # a question, texts -> how well each fits
CANDIDATES = 40  # memories to choose from
DRAWS = 2  # sets of other memories a question is asked beside


def by_vectors(encoder: Encoder) -> Scores:
    """Scores by cosine, with every text read once."""
    kept: dict[tuple[str, bool], np.ndarray] = {}

    def vectors(texts: Sequence[str], query: bool) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if (text, query) not in kept]
        kept.update(zip([(text, query) for text in new], encoder.encode(new, query=query), strict=True))
        return np.stack([kept[text, query] for text in texts])

    return lambda question, texts: vectors(texts, False) @ vectors([question], True)[0]


@dataclass(frozen=True)
class Question:
    """A question beside memories, and which of them answer it; none for one that nothing answers."""

    row: Row
    texts: tuple[str, ...]
    right: frozenset[int]


def text_of(line: str) -> str:
    fact = read_line(line)
    assert fact, line
    return fact.text


def memories(split: str) -> list[str]:
    found = [
        line
        for row in of_split("retrieval_pairs", split)
        for line in ([row["memory"]] if row["memory"] else []) + row["also"] + row["distractors"]
    ]
    return list(dict.fromkeys(found))


def questions(split: str, seed: int = 0) -> list[Question]:
    """Every pair of a split beside others' memories, CANDIDATES in all, DRAWS times."""
    rng = random.Random(seed)
    pool = memories(split)
    found = []
    for row in of_split("retrieval_pairs", split):
        own = [*([row["memory"]] if row["memory"] else []), *row["also"]]
        for _ in range(DRAWS):
            others = [line for line in pool if line not in own and line not in row["distractors"]]
            others = rng.sample(others, min(len(others), CANDIDATES - len(own) - len(row["distractors"])))
            lines = [*own, *row["distractors"], *others]
            # Shuffled: BM25 finds many texts equally bad, and the first of equals comes first.
            random.Random(row["question"]).shuffle(lines)
            right = frozenset(lines.index(line) for line in own)
            found.append(Question(row, tuple(map(text_of, lines)), right))
    return found


def unanswered(split: str, seed: int = 1) -> list[Question]:
    """Lines that no memory has to do with, beside memories of a split."""
    rng = random.Random(seed)
    pool = memories(split)
    asked = list(rows("no_memory_questions"))
    half = asked[1::2] if split == "test" else asked[::2]
    return [
        Question(
            {**row, "kind": "unrelated"},
            tuple(map(text_of, rng.sample(pool, min(len(pool), CANDIDATES)))),
            frozenset(),
        )
        for row in half
    ]


@dataclass(frozen=True)
class Judged:
    """How one question went."""

    row: Row
    best: float  # the highest score
    rank: int | None  # of the first right memory, from 1; None where none is right


def judge(scores: Scores, asked: Sequence[Question]) -> list[Judged]:
    found = []
    for one in asked:
        values = scores(one.row.get("question") or one.row["user"], one.texts)
        order = list(np.argsort(-values, kind="stable"))
        rank = min((order.index(right) + 1 for right in one.right), default=None)
        found.append(Judged(one.row, float(values.max()), rank))
    return found


def ranking(judged: Sequence[Judged]) -> dict[str, float]:
    """hit@1, hit@5 and mean reciprocal rank over the questions that have an answer."""
    ranks = np.array([one.rank for one in judged if one.rank is not None], float)
    if not len(ranks):
        return {}
    return {
        "hit@1": float((ranks == 1).mean()),
        "hit@5": float((ranks <= 5).mean()),
        "mrr": float((1 / ranks).mean()),
        "questions": len(ranks) / DRAWS,
    }


def calibrate(judged: Sequence[Judged]) -> float:
    """The threshold with the highest balanced accuracy of "something relevant" against "nothing"."""
    yes = np.sort([one.best for one in judged if one.rank is not None])
    no = np.sort([one.best for one in judged if one.rank is None])
    cuts = np.unique([*yes, *no])
    recall = 1 - np.searchsorted(yes, cuts) / len(yes)
    quiet = np.searchsorted(no, cuts) / len(no)
    # The middle of the two scores it lies between.
    at = int(np.argmax(recall + quiet))
    return float((cuts[at] + cuts[max(at - 1, 0)]) / 2)


def relevance(judged: Sequence[Judged], threshold: float) -> dict[str, float]:
    """How often "something relevant" and "nothing relevant" are told right, and their mean."""
    yes = np.array([one.best >= threshold for one in judged if one.rank is not None])
    no = np.array([one.best < threshold for one in judged if one.rank is None])
    return {
        "something_right": float(yes.mean()),
        "nothing_right": float(no.mean()),
        "balanced_accuracy": float((yes.mean() + no.mean()) / 2),
    }


def measured(scores: Scores, threshold: float | None = None) -> Mapping[str, Any]:
    """All of the test split's measures; a threshold of None is calibrated on the validation split."""
    if threshold is None:
        threshold = calibrate(judge(scores, [*questions("validation"), *unanswered("validation")]))
    judged = judge(scores, [*questions("test"), *unanswered("test")])
    groups: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        if one.rank is not None:
            groups[one.row["language"]].append(one)
            groups[one.row["kind"]].append(one)
            groups[one.row["wording"]].append(one)
            groups["cross_lingual" if one.row["cross_lingual"] else "one_language"].append(one)
    return {
        "threshold": threshold,
        **ranking(judged),
        **relevance(judged, threshold),
        "groups": {name: ranking(group) for name, group in sorted(groups.items())},
    }
