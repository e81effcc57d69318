"""Train low-rank adapters of the small encoder's last layers on own pairs.

The 4-bit weights stay as they are. Adapters (LoRA, arXiv:2106.09685) are trained contrastively (InfoNCE,
arXiv:1807.03748): a question near the fact that answers it, in either language, and away from the facts of
other keys and from facts that look right and are not. A second target is how the whole model spreads a
question over the facts of a batch (knowledge distillation, arXiv:1503.02531).
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from ohlora.chat.fact import read_line
from ohlora.chat.text_files import Row, of_split
from ohlora.chat.training import EncoderTraining
from ohlora.chat.transformer_encoder import (
    EPSILON,
    HEAD,
    MATRICES,
    PREFIX,
    Tensors,
    embedded,
    layer_of,
    layers_of,
    token_ids,
)
from ohlora.progress import progress


@dataclass
class Asked:
    """What is known of one key: questions with a fact that answers each, and facts that look right."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    distractors: list[str] = field(default_factory=list)


def own_pairs() -> list[Asked]:
    """Questions and facts of the training splits, by key: two facts of one key are never set apart."""
    found: dict[str, Asked] = defaultdict(Asked)
    for row in of_split("retrieval_pairs", "train"):
        for line in [row["memory"], *row["also"]]:
            add(found, row["question"], line)
        lines = filter(None, map(read_line, row["distractors"]))
        found[key_of(row["memory"])].distractors += [fact.text for fact in lines]
    for row in of_split("dialogues", "train"):
        for question, line in told_or_asked(row):
            add(found, question, line)
    return list(found.values())


def told_or_asked(row: Row) -> Iterator[tuple[str, str]]:
    """Lines of the user's beside the memory lines they are about."""
    if row["kind"] in ("memory_asked", "memory_offered"):
        yield from ((row["user"], line) for line in row["memory"] if shares_words(line, row["reply"]))
    yield from ((row["user"], f"[{one['key']}: {one['value']}]") for one in row["write"])


def add(found: dict[str, Asked], question: str, line: str) -> None:
    fact = read_line(line)
    if fact is not None:
        found[fact.key].pairs.append((question, fact.text))


def key_of(line: str) -> str:
    fact = read_line(line)
    assert fact, line
    return fact.key


def shares_words(line: str, reply: str) -> bool:
    fact = read_line(line)
    words = re.findall(r"[^\W_]{2,}", fact.value.lower()) if fact else []
    return any(word in reply.lower() for word in words)


class Adapted(nn.Module):
    """A layer whose matrices stay as they are, each with an adapter that is trained."""

    def __init__(self, tensors: Tensors, number: int, rank: int, rng: torch.Generator) -> None:
        super().__init__()
        layer = layer_of(tensors, number)
        for name, value in layer._asdict().items():
            self.register_buffer(name, torch.tensor(value), persistent=False)
        self.down, self.up = nn.ParameterDict(), nn.ParameterDict()
        for name in MATRICES:
            rows, columns = getattr(layer, name).shape
            self.down[name] = nn.Parameter(torch.randn(rows, rank, generator=rng) / rows**0.5)
            self.up[name] = nn.Parameter(torch.zeros(rank, columns))

    def product(self, name: str, states: Tensor) -> Tensor:
        whole = torch.addmm(getattr(self, f"{name}_bias"), states.flatten(0, 1), getattr(self, name))
        return whole.view(*states.shape[:2], -1) + states @ self.down[name] @ self.up[name]

    def normalised(self, name: str, states: Tensor) -> Tensor:
        factor, shift = getattr(self, name)
        return F.layer_norm(states, factor.shape, factor, shift, EPSILON)

    def forward(self, states: Tensor, there: Tensor) -> Tensor:
        """States [texts, tokens, dimension]; `there` [texts, tokens] says which tokens are no padding."""
        texts, tokens, dimension = states.shape
        parts = self.product("qkv", states).view(texts, tokens, 3, dimension // HEAD, HEAD)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(queries, keys, values, there[:, None, None])
        mixed = mixed.transpose(1, 2).reshape(states.shape)
        states = self.normalised("attention_norm", states + self.product("attention", mixed))
        inner = F.gelu(self.product("inner", states))
        return self.normalised("outer_norm", states + self.product("outer", inner))

    def adapters(self) -> dict[str, np.ndarray]:
        """As transformer_encoder.layer_of adds them: matrices there are [out, in]."""
        found = {}
        for name in MATRICES:
            for part, values in (("up", self.up[name]), ("down", self.down[name])):
                found[f"{name}.{part}"] = values.detach().T.numpy().astype(np.float16)
        return found


class Student(nn.Module):
    """The last layers, over states of the layers before them, which are the same all along."""

    def __init__(self, tensors: Tensors, tokenizer: Tokenizer, settings: EncoderTraining, seed: int) -> None:
        super().__init__()
        self.tokenizer, self.tensors = tokenizer, tensors
        kept = len(settings.layers) - settings.trained_layers
        rng = torch.Generator().manual_seed(seed)
        self.before = [Adapted(tensors, number, 1, rng).requires_grad_(False) for number in range(kept)]
        numbers = range(kept, len(settings.layers))
        self.layers = nn.ModuleList(Adapted(tensors, one, settings.rank, rng) for one in numbers)
        self.states: dict[str, Tensor] = {}

    @torch.no_grad()
    def look(self, texts: Sequence[str]) -> None:
        """Keep the states of texts before the trained layers; texts of as many tokens are read together."""
        new = [text for text in dict.fromkeys(texts) if text not in self.states]
        alike: dict[int, list[tuple[str, list[int]]]] = defaultdict(list)
        for text, ids in zip(new, token_ids(self.tokenizer, new), strict=True):
            alike[len(ids)].append((text, ids))
        for length, rows in alike.items():
            ids = np.array([ids for _, ids in rows])
            states = torch.from_numpy(embedded(self.tensors, ids).astype(np.float32))
            for layer in self.before:
                states = layer(states, torch.ones(len(rows), length, dtype=torch.bool))
            self.states |= zip([text for text, _ in rows], states, strict=True)

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Vectors of length 1 [texts, dimension]."""
        self.look(texts)
        own = [self.states[text] for text in texts]
        states = pad_sequence(own, batch_first=True)
        there = torch.arange(states.shape[1]) < torch.tensor([len(one) for one in own])[:, None]
        for layer in self.layers:
            states = layer(states, there)
        total = (states * there[..., None]).sum(dim=1)
        return F.normalize(total / there.sum(dim=1, keepdim=True), dim=-1)


@torch.no_grad()
def vectors_of(
    whole: Tensors, tokenizer: Tokenizer, asked: Sequence[Asked], settings: EncoderTraining
) -> dict[str, Tensor]:
    """The whole model's vectors of every text that is trained on: the teacher's."""
    pairs = [pair for one in asked for pair in one.pairs]
    facts = [fact for _, fact in pairs] + [fact for one in asked for fact in one.distractors]
    texts = [PREFIX[True] + question for question, _ in pairs] + [PREFIX[False] + fact for fact in facts]
    every = replace(settings, layers=list(range(layers_of(whole))), trained_layers=1)
    teacher = Student(whole, tokenizer, every, 0)
    teacher.look(texts)
    return {text: teacher([text])[0] for text in dict.fromkeys(texts)}


def train_adapters(
    tensors: dict[str, np.ndarray],
    tokenizer: Tokenizer,
    asked: Sequence[Asked],
    settings: EncoderTraining,
    seed: int,
    taught: Mapping[str, Tensor],
) -> None:
    """Add the adapters to `tensors`; `taught` are the teacher's vectors."""
    torch.set_num_threads(1)
    student = Student(tensors, tokenizer, settings, seed)
    student.look([*taught])
    rng = random.Random(seed)
    optimizer = torch.optim.AdamW(student.layers.parameters(), settings.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.steps
    )
    with progress(settings.steps, "steps") as advance:
        for _ in range(settings.steps):
            chosen = rng.sample(asked, min(settings.batch_size, len(asked)))
            loss = contrast(student, chosen, rng, settings, taught)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            advance(1, note=f"loss {float(loss.detach()):.3f}")
    first = len(settings.layers) - settings.trained_layers
    for number, layer in enumerate(student.layers, start=first):
        assert isinstance(layer, Adapted)
        tensors |= {f"{number}.{name}": values for name, values in layer.adapters().items()}


def contrast(
    student: Student,
    chosen: Sequence[Asked],
    rng: random.Random,
    settings: EncoderTraining,
    taught: Mapping[str, Tensor],
) -> Tensor:
    """InfoNCE between questions and facts of one key each, and how far their scores are from the teacher's.

    Distractors are further wrong facts.
    """
    questions, facts = zip(*(rng.choice(one.pairs) for one in chosen), strict=True)
    wrong = [rng.choice(one.distractors) for one in chosen if one.distractors]
    texts = [PREFIX[True] + text for text in questions]
    texts += [PREFIX[False] + text for text in (*facts, *wrong)]
    own, whole = (
        vectors[: len(chosen)] @ vectors[len(chosen) :].T / settings.temperature
        for vectors in (student(texts), torch.stack([taught[text] for text in texts]))
    )
    target = torch.arange(len(chosen))
    back = own[:, : len(chosen)].T
    found = (F.cross_entropy(own, target) + F.cross_entropy(back, target)) / 2
    distance = F.kl_div(own.log_softmax(1), whole.log_softmax(1), log_target=True, reduction="batchmean")
    return found + settings.distillation * distance
