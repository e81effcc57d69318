"""Train the small encoder: token embeddings distilled from e5, then contrastive on pairs.

As in Model2Vec a token's first vector is what e5 makes of the token alone, reduced by PCA and weighted down
where it is frequent. Then pairs that belong together are pulled together (InfoNCE, arXiv:1807.03748), other
pairs of the batch apart, and the table is held near its start: words that no pair has keep their place.
"""

from __future__ import annotations

import csv
import hashlib
import random
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ohlora.chat.e5 import E5, read_vocabulary
from ohlora.chat.embedding_bag import UNKNOWN, unigram_tokenizer
from ohlora.chat.fact import read_line
from ohlora.chat.text_files import of_split
from ohlora.durable import replacing
from ohlora.errors import OhloraError, need_packages
from ohlora.narrator.vocabulary import english_words
from ohlora.progress import progress

Pair = tuple[str, str]
HANGUL = re.compile(r"▁?[가-힣]+")
OTHERS = re.compile(r"▁?[0-9]+|▁?[^\w\s]|▁|▁?[ㄱ-ㅎㅏ-ㅣ]+|▁?[a-z]")
TEACHER_BATCH = 128


def korean_and_english(parts: int) -> list[tuple[str, float]]:
    """The pieces of e5's vocabulary that Korean and English need; `parts`: the commonest parts of words."""
    need_packages("chat-training", "english_words")
    english, pieces, inside = english_words(), [], 0
    for piece, score in read_vocabulary():
        part = re.fullmatch(r"[a-z]{2,}", piece)
        inside += bool(part)
        whole = re.fullmatch(r"▁[a-z]{2,}", piece) and english(piece[1:])
        if HANGUL.fullmatch(piece) or OTHERS.fullmatch(piece) or whole or (part and inside <= parts):
            pieces.append((piece, score))
    return [(UNKNOWN, min(score for _, score in pieces) - 10), *pieces]


def teacher_vectors(texts: Sequence[str], cache_dir: Path) -> np.ndarray:
    """What e5 makes of texts [texts, 384], kept in the cache: it takes ten milliseconds a text."""
    key = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    path = cache_dir / "chat" / f"e5-{key}.npy"
    if not path.is_file():
        teacher = E5()
        found = []
        with progress(len(texts), "texts read by e5") as advance:
            for start in range(0, len(texts), TEACHER_BATCH):
                batch = texts[start : start + TEACHER_BATCH]
                found.append(teacher.encode(batch))
                advance(len(batch))
        with replacing(path) as part, part.open("wb") as file:
            np.save(file, np.concatenate(found))
    return np.load(path, allow_pickle=False)


def first_table(pieces: Sequence[tuple[str, float]], dimension: int, cache_dir: Path) -> np.ndarray:
    """e5's vectors of the pieces alone, by PCA, weighted by how rare a piece is."""
    vectors = teacher_vectors([piece.replace("▁", " ").strip() or " " for piece, _ in pieces], cache_dir)
    centred = vectors - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    table = centred @ axes[:dimension].T
    table /= np.linalg.norm(table, axis=1, keepdims=True) + 1e-9
    probability = np.exp([score for _, score in pieces])
    rarity = 1e-4 / (1e-4 + probability / probability.sum())  # smooth inverse frequency
    table *= rarity[:, None]
    table[0] = 0  # the unknown says nothing
    return table.astype(np.float32)


def public_pairs(folder: Path) -> list[Pair]:
    """Korean pairs: questions that mean the same, and a line with its answer."""
    found: list[Pair] = []
    try:
        with (folder / "question_pair" / "kor_pair_train.csv").open(encoding="utf-8-sig", newline="") as file:
            # The label's name is the other way round: 0 is the same.
            rows = [row for row in csv.DictReader(file) if row["is_duplicate"] == "0"]
            found += [(row["question1"], row["question2"]) for row in rows]
        with (folder / "chatbot_qa" / "ChatbotData.csv").open(encoding="utf-8", newline="") as file:
            found += [(row["Q"], row["A"]) for row in csv.DictReader(file)]
    except FileNotFoundError as error:
        raise OhloraError(
            f"{error.filename} is not there: Korean text for training lies in paths.data_dir"
        ) from None
    return [(one, other) for one, other in found if one != other]


def own_pairs() -> list[Pair]:
    """Questions and the facts that answer them, of the training split."""
    found = [
        (row["question"], line) for row in of_split("retrieval_pairs", "train") for line in lines_of(row)
    ]
    for row in of_split("dialogues", "train"):
        if row["kind"] in ("memory_asked", "memory_offered"):
            found += [(row["user"], line) for line in row["memory"] if shares_words(line, row["reply"])]
        found += [(row["user"], f"[{one['key']}: {one['value']}]") for one in row["write"]]
    facts = [(question, read_line(line)) for question, line in found]
    return [(question, fact.text) for question, fact in facts if fact]


def lines_of(row: dict) -> list[str]:
    return [line for line in [row["memory"], *row["also"]] if line]


def shares_words(line: str, reply: str) -> bool:
    fact = read_line(line)
    words = re.findall(r"[^\W_]{2,}", fact.value.lower()) if fact else []
    return any(word in reply.lower() for word in words)


class Bag(nn.Module):
    """Mean of token embeddings, scaled to length 1."""

    def __init__(self, table: np.ndarray) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag.from_pretrained(torch.tensor(table), freeze=False, mode="mean")

    def forward(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        lengths = torch.tensor([0, *map(len, tokens)])
        flat = torch.tensor([token for row in tokens for token in row])
        return F.normalize(self.embedding(flat, lengths.cumsum(0)[:-1]), dim=-1)


def train_table(
    pieces: Sequence[tuple[str, float]],
    start: np.ndarray,
    public: Sequence[Pair],
    own: Sequence[Pair],
    *,
    epochs: int,
    own_times: int,
    batch_size: int,
    learning_rate: float,
    temperature: float,
    hold: float,
    seed: int,
) -> np.ndarray:
    """The table after contrastive training; `hold` is the weight of the squared distance from its start."""
    tokenizer = unigram_tokenizer(pieces)

    def tokens(texts: Sequence[str]) -> list[list[int]]:
        return [row.ids or [0] for row in tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    lists = [
        list(zip(*(tokens(side) for side in zip(*part, strict=True)), strict=True)) for part in (public, own)
    ]
    rng = random.Random(seed)
    torch.manual_seed(seed)
    bag = Bag(start)
    first = torch.tensor(start)
    optimizer = torch.optim.Adam(bag.parameters(), lr=learning_rate)
    batches = epochs * ((len(lists[0]) + own_times * len(lists[1])) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=batches)
    with progress(batches, "steps") as advance:
        for _ in range(epochs):
            rows = [*lists[0], *lists[1] * own_times]
            rng.shuffle(rows)
            for at in range(0, len(rows) - batch_size + 1, batch_size):
                ones, others = zip(*rows[at : at + batch_size], strict=True)
                logits = bag(ones) @ bag(others).T / temperature
                target = torch.arange(len(logits))
                loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
                loss = loss + hold * (bag.embedding.weight - first).square().sum(dim=1).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                advance(1, note=f"loss {float(loss.detach()):.3f}")
    return bag.embedding.weight.detach().numpy()
