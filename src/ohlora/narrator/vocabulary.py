"""A byte-pair vocabulary cut to the tokens that Korean and English need.

Most of Gemma's 262,144 tokens are of other languages; as embedding, tied to the output, they are five eighths
of its weights. Text of kept tokens is cut up as before. What a token that is left out stood for is spelled by
shorter ones, by bytes at worst, so that any text can still be read.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

# Hangul, ASCII, Latin-1, punctuation, symbols and emoji; "▁" is a space.
WRITTEN = re.compile(
    r"[\n\t\x20-\x7e\xa1-\xff▁가-힣ᄀ-ᇿㄱ-ㆎ\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u20e3\u2100-\u2bff"
    r"\u3000-\u303f\uff01-\uff5e\u200d\ufe0f\U0001f000-\U0001faff]+"
)
LATIN_1 = re.compile("[\xc0-\xff]")  # other languages
BYTE = re.compile("<0x[0-9A-F]{2}>")
NAMED = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")  # of the special tokens: those a tokenizer asks for
# Ids are in the order of merging. Every token that is written is kept before COMMON; English words in lower
# case after a space before RARE, in other forms, which come more seldom, before UNCOMMON.
COMMON, UNCOMMON, RARE = 30_000, 60_000, 150_000
SIGNS = re.compile(r"[!?.,~^;:()…-]+")
# Words that are spoken of here and in no old dictionary.
TERMS = re.compile(
    r"cifar|cnn|cpu|cuda|datasets?|dropout|gpu|hyperparameters?|lora|mnist|nan|optimizers?|pixels?|relu|sgd"
    r"|sigmoid|sns|softmax|subset|validation"
)
ENDINGS = (
    ("s", ""),
    ("es", ""),
    ("ed", ""),
    ("ed", "e"),
    ("ing", ""),
    ("ing", "e"),
    ("ies", "y"),
    ("er", ""),
)


def english_words() -> Callable[[str], bool]:
    """Whether a word in lower case is English, inflected or not (GCIDE, by the package english-words)."""
    from english_words import get_english_words_set  # type: ignore[import-not-found]

    words = get_english_words_set(["gcide"], alpha=True, lower=True)

    def english(word: str) -> bool:
        stems = [word.removesuffix(ending) + rest for ending, rest in ENDINGS if word.endswith(ending)]
        return bool(words.intersection([word, *stems]))

    return english


def tokens_to_keep(tokenizer: Mapping[str, Any], english: Callable[[str], bool]) -> list[int]:
    """Ids of the tokens Korean and English are written with, in order, and of bytes and a few special ones.

    `tokenizer` is the content of a tokenizer.json with a BPE model. With a token go those it is merged from.
    """
    ids: dict[str, int] = tokenizer["model"]["vocab"]
    special = {token["content"] for token in tokenizer["added_tokens"] if token["special"]}
    kept = {name for name in NAMED if name in ids}
    kept |= {
        token
        for token, number in ids.items()
        if token not in special and (BYTE.fullmatch(token) or needed(token, number, english))
    }
    ranks = {(left, right): rank for rank, (left, right) in enumerate(tokenizer["model"]["merges"])}
    for token in list(kept):
        kept.update(piece for piece in merged_from(token, ranks) if piece in ids)
    return sorted(ids[token] for token in kept)


def needed(token: str, number: int, english: Callable[[str], bool]) -> bool:
    """Whether Korean or English is written with a token often enough."""
    if not WRITTEN.fullmatch(token):
        return False
    bare = token.removeprefix("▁")
    if len(bare) < 2 or SIGNS.fullmatch(bare):
        return True
    if not bare.isascii():
        return not LATIN_1.search(bare)
    if number < COMMON or TERMS.fullmatch(bare.lower()):
        return True
    limit = RARE if token == "▁" + bare.lower() else UNCOMMON
    return number < limit and bare.isalpha() and english(bare.lower())


def merged_from(token: str, ranks: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """Every piece a token is while byte-pair encoding puts it together from characters."""
    pieces = list(token)
    yield from pieces
    while len(pieces) > 1:
        rank, at = min((ranks.get((pieces[i], pieces[i + 1]), len(ranks)), i) for i in range(len(pieces) - 1))
        if rank == len(ranks):  # an added token, found whole before anything is merged
            return
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
        yield pieces[at]


def cut_tokenizer(tokenizer: Mapping[str, Any], keep: Sequence[int]) -> dict[str, Any]:
    """A tokenizer.json with only the tokens `keep`, numbered in that order; merges to others are dropped."""
    content = copy.deepcopy(dict(tokenizer))
    model = content["model"]
    names = {number: token for token, number in model["vocab"].items()}
    vocabulary = {names[number]: place for place, number in enumerate(keep)}
    model["vocab"] = vocabulary
    model["merges"] = [
        [left, right]
        for left, right in model["merges"]
        if all(piece in vocabulary for piece in (left, right, left + right))
    ]
    content["added_tokens"] = [
        {**token, "id": vocabulary[token["content"]]}
        for token in content["added_tokens"]
        if token["content"] in vocabulary
    ]
    for token in content["post_processor"]["special_tokens"].values():
        token["ids"] = [vocabulary[name] for name in token["tokens"]]
    return content


def cut_embeddings(model: Any, keep: Sequence[int]) -> None:
    """Leave a causal model with tied embeddings the rows `keep`, in that order."""
    import torch

    embedding = model.get_input_embeddings()
    embedding.weight = torch.nn.Parameter(embedding.weight.detach()[list(keep)].clone())
    embedding.num_embeddings = model.config.vocab_size = len(keep)
    model.tie_weights()
    model.get_output_embeddings().out_features = len(keep)
