"""The small encoder: layers of multilingual-e5-small (MIT) in 4 bit, low-rank adapters of our own.

A tokenizer.json, the weights, vectors of texts that ship, and a card; NumPy alone computes. How it is made:
training_encoder.py.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from threadpoolctl import ThreadpoolController
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from ohlora.assets import assets_dir
from ohlora.durable import replacing, write_json, write_text
from ohlora.errors import OhloraError

WEIGHTS, TOKENIZER, TEXTS, CARD = "encoder.safetensors", "tokenizer.json", "texts.safetensors", "card.json"
LICENSE = "LICENSE-multilingual-e5-small.txt"  # goes with the layers wherever they go
UNKNOWN = "<unk>"
HEAD = 32  # dimensions of an attention head
BLOCK_BYTES = 16  # of the 32 weights that share a scale
LONGEST = 128  # tokens read of a text, those around it included
PREFIX = {True: "query: ", False: "passage: "}  # what e5 was trained with
# OpenBLAS copies a matrix for each product unless both are small (AVX-512: a million multiplications); a line
# has some 15 tokens, and times blocks of the matrices it takes half as long as times the whole ones.
BLOCK_COLUMNS = 32
EPSILON = 1e-12  # of layer normalisation
MATRICES = ("qkv", "attention", "inner", "outer")
Tensors = Mapping[str, np.ndarray]


class Layer(NamedTuple):
    """A transformer layer, normalised after each of its halves; matrices are [in, out]."""

    qkv: np.ndarray
    qkv_bias: np.ndarray
    attention: np.ndarray
    attention_bias: np.ndarray
    attention_norm: np.ndarray  # [2, dimension]: factor, shift
    inner: np.ndarray
    inner_bias: np.ndarray
    outer: np.ndarray
    outer_bias: np.ndarray
    outer_norm: np.ndarray


class TransformerEncoder:
    """An encoder read from its folder."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).expanduser()
        self._recent: dict[str, np.ndarray] = {}

    @cached_property
    def card(self) -> dict[str, Any]:
        try:
            return json.loads((self.folder / CARD).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OhloraError(
                f"{self.folder / CARD}: {why(error)}; python -m ohlora chat-train makes it"
            ) from None

    @property
    def name(self) -> str:
        """Another training has another name: vectors of one are no good beside those of the other."""
        return f"small-{self.card['weights_sha256'][:12]}"

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        path = self.folder / TOKENIZER
        try:
            return Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises nothing more exact
            raise OhloraError(f"{path}: {why(error)}; python -m ohlora chat-train makes it") from None

    @cached_property
    def _tensors(self) -> Tensors:
        try:
            tensors = load_file(self.folder / WEIGHTS)
            if len(tensors["words.weights"]) != self._tokenizer.get_vocab_size() + 2:
                raise OhloraError(f"{self.folder}: tokenizer and weights are not of one training")
            return tensors
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise OhloraError(f"{self.folder}: {why(error)}; python -m ohlora chat-train makes it") from None

    @cached_property
    def _layers(self) -> list[Layer]:
        return [in_blocks(layer_of(self._tensors, number)) for number in range(layers_of(self._tensors))]

    @cached_property
    def _known(self) -> dict[int, np.ndarray]:
        """Vectors of texts that ship, by the hash of a text: her written lines need not be read again."""
        try:
            kept = load_file(self.folder / TEXTS)
        except (OSError, SafetensorError):
            return {}
        return dict(zip(kept["hashes"].tolist(), kept["vectors"], strict=True))

    def encode(self, texts: Sequence[str], query: bool = False) -> np.ndarray:
        """Vectors [texts, dimension] of length 1."""
        if not len(texts):
            return np.empty((0, self._tensors["positions"].shape[1]), np.float32)
        given = [PREFIX[query] + text for text in texts]
        known = [self._recent.get(text, self._known.get(hash_of(text))) for text in given]
        strangers = [text for text, vector in zip(given, known, strict=True) if vector is None]
        vectors = list(self.read(strangers)) if strangers else []
        if len(given) == 1 and vectors:  # a line is asked about more than once
            self._recent = {given[0]: vectors[0]}
        read = iter(vectors)
        return np.stack([unit(next(read) if one is None else one.astype(np.float32)) for one in known])

    def read(self, texts: Sequence[str]) -> np.ndarray:
        """The mean of the last layer's states, by one thread: matrices are small, and idle threads spin."""
        with libraries().limit(limits=1, user_api="blas"):
            return self._read(texts)

    def _read(self, texts: Sequence[str]) -> np.ndarray:
        """Texts of as many tokens are read together."""
        tokens = token_ids(self._tokenizer, texts)
        groups: dict[int, list[int]] = defaultdict(list)
        for row, ids in enumerate(tokens):
            groups[len(ids)].append(row)
        found = np.empty((len(texts), self._tensors["positions"].shape[1]), np.float32)
        for rows in groups.values():
            states = embedded(self._tensors, np.array([tokens[row] for row in rows]))
            for layer in self._layers:
                states = through(layer, states)
            found[rows] = states.mean(axis=1)
        return found


@cache
def libraries() -> ThreadpoolController:
    return ThreadpoolController()


@lru_cache(maxsize=2)
def opened(folder: str) -> TransformerEncoder:
    """The encoder of a folder, read once however many have a use for it."""
    return TransformerEncoder(folder)


def token_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Ids between those of the beginning and the end, which lie behind the vocabulary's."""
    begin = tokenizer.get_vocab_size()
    read = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [[begin, *row.ids[: LONGEST - 2], begin + 1] for row in read]


def embedded(tensors: Tensors, ids: np.ndarray) -> np.ndarray:
    """Token and position embeddings of ids [texts, tokens], normalised."""
    words = unpacked(tensors["words.weights"][ids.ravel()], tensors["words.scale"][ids.ravel()])
    states = words.reshape(*ids.shape, -1) + tensors["positions"][: ids.shape[1]].astype(np.float32)
    return normalised(states, tensors["norm"])


def layers_of(tensors: Tensors) -> int:
    return sum(name.endswith(".outer_norm") for name in tensors)


def layer_of(tensors: Tensors, number: int) -> Layer:
    """A layer with its adapters added to its matrices."""
    found = {}
    for name in Layer._fields:
        key = f"{number}.{name}"
        if name not in MATRICES:
            found[name] = tensors[key]
            continue
        matrix = unpacked(tensors[f"{key}.weights"], tensors[f"{key}.scale"])
        if f"{key}.up" in tensors:
            up, down = (tensors[f"{key}.{part}"].astype(np.float32) for part in ("up", "down"))
            matrix += up @ down
        found[name] = np.ascontiguousarray(matrix.T)
    return Layer(**found)


def in_blocks(layer: Layer) -> Layer:
    """A layer whose matrices lie as blocks of columns: [blocks, in, BLOCK_COLUMNS]."""
    return layer._replace(
        **{
            name: np.ascontiguousarray(np.stack(np.split(matrix, matrix.shape[1] // BLOCK_COLUMNS, axis=1)))
            for name in MATRICES
            for matrix in [getattr(layer, name)]
        }
    )


def product(states: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """States [tokens, in] times a matrix in blocks: [tokens, out]."""
    return np.matmul(states, blocks).transpose(1, 0, 2).reshape(len(states), -1)


def unpacked(weights: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """float32 [rows, columns] of a matrix in 4 bit (e5.Packed)."""
    values = np.concatenate([weights & 15, weights >> 4], axis=-1).astype(np.float32) - 8
    return (values * scale.astype(np.float32)[..., None]).reshape(len(weights), -1)


def through(layer: Layer, states: np.ndarray) -> np.ndarray:
    """States [texts, tokens, dimension] after a layer in blocks."""
    shape, states = states.shape, states.reshape(-1, states.shape[-1])  # one large product is faster
    parts = (product(states, layer.qkv) + layer.qkv_bias).reshape(*shape[:2], 3, shape[2] // HEAD, HEAD)
    queries, keys, values = parts.transpose(2, 0, 3, 1, 4)
    weights = softmax(queries @ keys.transpose(0, 1, 3, 2) * HEAD**-0.5)
    mixed = (weights @ values).transpose(0, 2, 1, 3).reshape(states.shape)
    states = normalised(states + product(mixed, layer.attention) + layer.attention_bias, layer.attention_norm)
    inner = gelu(product(states, layer.inner) + layer.inner_bias)
    states = normalised(states + product(inner, layer.outer) + layer.outer_bias, layer.outer_norm)
    return states.reshape(shape)


def normalised(states: np.ndarray, norm: np.ndarray) -> np.ndarray:
    states = states - states.mean(axis=-1, keepdims=True)
    spread = np.sqrt(np.square(states).mean(axis=-1, keepdims=True) + EPSILON)
    return states / spread * norm[0] + norm[1]


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def gelu(values: np.ndarray) -> np.ndarray:
    """x times the normal distribution function of x, by Abramowitz and Stegun 7.1.26 (to 1.5e-7)."""
    size = np.abs(values) * np.float32(2**-0.5)
    t = 1 / (1 + np.float32(0.3275911) * size)
    terms = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
    series = np.zeros_like(t)
    for term in reversed(terms):
        series = (series + np.float32(term)) * t
    return values * (0.5 + 0.5 * np.sign(values) * (1 - series * np.exp(-size * size)))


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def hash_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def why(error: BaseException) -> str:
    return "not there" if isinstance(error, FileNotFoundError) else str(error).splitlines()[0][:200]


def unigram_tokenizer(pieces: Sequence[tuple[str, float]]) -> Tokenizer:
    """A Unigram tokenizer (arXiv:1804.10959) of lower-case text; its first piece stands for the unknown."""
    tokenizer = Tokenizer(models.Unigram([*pieces], unk_id=0))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def save_encoder(folder: Path, tokenizer: Tokenizer, tensors: Tensors, card: Mapping[str, Any]) -> None:
    """Write an encoder; the card names its weights by their digest."""
    with replacing(folder / WEIGHTS) as part:
        save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, part)
    with replacing(folder / TOKENIZER) as part:
        tokenizer.save(str(part), pretty=False)
    write_text(folder / LICENSE, (assets_dir() / "chat" / LICENSE).read_text(encoding="utf-8"))
    (folder / TEXTS).unlink(missing_ok=True)  # of the encoder before it
    sha256 = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    write_json(folder / CARD, {**card, "weights_sha256": sha256})


def save_texts(folder: Path, texts: Sequence[str], query: bool) -> None:
    """Keep vectors of texts beside the encoder, in int8: a thousand in 400 kB."""
    given = list(dict.fromkeys(texts))
    vectors = TransformerEncoder(folder).encode(given, query)
    rows = np.round(vectors / np.abs(vectors).max(axis=1, keepdims=True) * 127).astype(np.int8)
    hashes = np.array([hash_of(PREFIX[query] + text) for text in given], np.uint64)
    with replacing(folder / TEXTS) as part:
        save_file({"hashes": hashes, "vectors": rows}, part)
