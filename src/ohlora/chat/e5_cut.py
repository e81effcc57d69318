"""Cut e5 down to the small encoder: some of its layers, and the vocabulary of Korean and English.

Layers that its ranking hardly needs are left out (ShortGPT, arXiv:2403.03853); the 4-bit weights of the
others stay as they are, and NumPy alone is needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ohlora.chat.e5 import E5File, Packed
from ohlora.chat.transformer_encoder import LONGEST, MATRICES, UNKNOWN
from ohlora.errors import need_packages
from ohlora.narrator.vocabulary import english_words

HANGUL = re.compile(r"▁?[가-힣]+")
OTHERS = re.compile(r"▁?[0-9]+|▁?[^\w\s]|▁|▁?[ㄱ-ㅎㅏ-ㅣ]+|▁?[a-z]")
LAYERS = 12  # of e5
BEGIN, END, STRANGE = 0, 2, 3  # ids of e5
NAMES = {  # of e5's tensors
    "attention": "ao",
    "inner": "fi",
    "outer": "fo",
    "attention_norm": "aln",
    "outer_norm": "oln",
}


def korean_and_english(vocabulary: Sequence[tuple[str, float]], parts: int) -> list[int]:
    """Ids of the pieces that Korean and English need; `parts`: the commonest parts of English words."""
    need_packages("chat-training", "english_words")
    english, kept, inside = english_words(), [], 0
    for number, (piece, _) in enumerate(vocabulary):
        part = re.fullmatch(r"[a-z]{2,}", piece)
        inside += bool(part)
        whole = re.fullmatch(r"▁[a-z]{2,}", piece) and english(piece[1:])
        if HANGUL.fullmatch(piece) or OTHERS.fullmatch(piece) or whole or (part and inside <= parts):
            kept.append(number)
    return kept


def cut(model: E5File, kept: Sequence[int], layers: Sequence[int]) -> dict[str, np.ndarray]:
    """The tensors of some tokens and some layers, as transformer_encoder.py reads them."""
    dimension = len(model.numbers("emb.ln.w"))
    words = model.packed("emb.word", dimension)
    rows = [STRANGE, *kept, BEGIN, END]
    positions = (
        model.numbers("emb.pos").reshape(-1, dimension)[:LONGEST] + model.numbers("emb.type")[:dimension]
    )
    tensors = {
        "words.weights": words.weights[rows],
        "words.scale": words.scale[rows],
        "positions": positions.astype(np.float16),
        "norm": np.stack([model.numbers("emb.ln.w"), model.numbers("emb.ln.b")]),
    }
    for number, layer in enumerate(layers):
        for name, values in layer_tensors(model, f"l{layer}", dimension).items():
            tensors[f"{number}.{name}"] = values
    return tensors


def layer_tensors(model: E5File, layer: str, dimension: int) -> dict[str, np.ndarray]:
    found = {}
    several = [model.packed(f"{layer}.{one}.w", dimension) for one in "qkv"]
    packed = {"qkv": Packed(*(np.concatenate(part) for part in zip(*several, strict=True)))}
    for name in MATRICES[1:]:
        columns = dimension if name != "outer" else 4 * dimension
        packed[name] = model.packed(f"{layer}.{NAMES[name]}.w", columns)
    for name, (weights, scale) in packed.items():
        found |= {f"{name}.weights": weights, f"{name}.scale": scale}
        parts = "qkv" if name == "qkv" else (NAMES[name],)
        found[f"{name}_bias"] = np.concatenate([model.numbers(f"{layer}.{part}.b") for part in parts])
    for name in ("attention_norm", "outer_norm"):
        found[name] = np.stack([model.numbers(f"{layer}.{NAMES[name]}.{part}") for part in "wb"])
    return found


def tokenizer_pieces(model: E5File, kept: Sequence[int]) -> list[tuple[str, float]]:
    pieces = [model.pieces[number] for number in kept]
    return [(UNKNOWN, min(score for _, score in pieces) - 10), *pieces]
