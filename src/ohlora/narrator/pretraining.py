"""Pretraining of a small language model with transformers' Trainer."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rich.console import Console
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, Trainer, TrainingArguments

from ohlora import lineage
from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.narrator.card import PRETRAINING, origin, plot_losses
from ohlora.narrator.documents import read_corpus
from ohlora.narrator.facts import LANGUAGES
from ohlora.narrator.pretrain import NetworkShape, Pretrain
from ohlora.narrator.template import all_lines
from ohlora.narrator.tokenizer import train_tokenizer
from ohlora.narrator.trainers import (
    LogMetrics,
    ShowProgress,
    cost,
    last_checkpoint,
    losses,
    seeded,
    training_arguments,
)
from ohlora.narrator.training import read_rows
from ohlora.tracking import log_picture, log_table


def pretrain(job: Pretrain) -> float:
    """Return the evaluation loss, nats a character."""
    job.hardware.use_threads()
    console, out = Console(highlight=False), Path(job.resume or job.output_dir)
    settings = {
        "sources": [asdict(source) for source in job.sources],
        "share": job.share,
        "shape": asdict(job.shape),
        "block": job.block,
        "held_out": job.held_out,
        "schedule": asdict(job.schedule),
        "seed": job.seed,
    }
    documents, held_documents = read_corpus(job.sources, job.seed, job.share, job.held_out)
    checkpoint = last_checkpoint(out, settings, resume=job.resume is not None)
    lines = [
        *(text for row in read_rows() for text in (row["prompt"], row["completion"])),
        *all_lines(*LANGUAGES),
    ]
    tokenizer: Any = train_tokenizer(documents, lines, job.shape.vocab_size, job.shape.context)
    train, held = (pack(part, tokenizer, job.block) for part in (documents, held_documents))
    for name, part in (("train on", train), ("hold out", held)):
        if not len(part):
            raise OhloraError(
                f"too little text to {name}: less than one sequence of block={job.block} tokens"
                f" (share={job.share}, held_out={job.held_out})"
            )
    size = {"documents": len(documents), "characters": sum(map(len, documents))}
    console.print(
        f"{size['documents']:,} documents, {size['characters']:,} characters, {train.numel():,} tokens"
    )
    with seeded(job.seed):
        model = build_model(job.shape, tokenizer)
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                **training_arguments(job.schedule, len(train), job.hardware, out, job.seed),
                remove_unused_columns=False,
            ),
            train_dataset=torch.utils.data.TensorDataset(train),
            eval_dataset=torch.utils.data.TensorDataset(held),
            data_collator=as_batch,
            callbacks=[LogMetrics(job.logger), ShowProgress("steps")],
        )
        trainer.remove_callback(PrinterCallback)
        started = time.perf_counter()
        trainer.train(resume_from_checkpoint=checkpoint)
        elapsed_s = time.perf_counter() - started
        loss = trainer.evaluate()["eval_loss"]
    a_character = loss * held.numel() / sum(map(len, held_documents))
    model.to("cpu").save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    lineage.made("model", "language_model", out / "model" / "model.safetensors", out / "model")
    report = {
        "stage": PRETRAINING,
        **origin(),
        **settings,
        **size,
        "tokens": train.numel(),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        **cost(trainer.state, checkpoint, elapsed_s),
        "tokens_seen": trainer.state.global_step
        * job.schedule.batch_size
        * job.schedule.accumulate
        * job.block,
        "device": str(job.hardware.resolve()[0]),
        "eval_loss": loss,
        "bits_a_character": a_character / math.log(2),
        "losses": losses(trainer.state),
    }
    write_json(out / "report.json", report)
    job.logger.log_metrics({"bits_a_character": report["bits_a_character"]}, step=report["steps"])
    log_picture(job.logger, "losses", plot_losses({PRETRAINING: report}, out / "losses.png"))
    sizes = [
        {"source": source.name, "licence": source.licence, "times": source.times} for source in job.sources
    ]
    log_table(job.logger, "sources", pd.DataFrame(sizes))
    console.print(
        f"{report['steps']} steps, {elapsed_s:.0f} s: {report['bits_a_character']:.3f} bits a character"
        f"\nmodel: {out / 'model'}",
        markup=False,
        soft_wrap=True,
    )
    return a_character


def build_model(shape: NetworkShape, tokenizer: Any) -> Any:
    """An untrained Llama-type model of this size for this tokenizer."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.width,
            intermediate_size=shape.inner,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            max_position_embeddings=shape.context,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def pack(documents: Sequence[str], tokenizer: Any, block: int) -> Tensor:
    """Token ids [sequences, block]: documents one after the other, an end between them, the rest dropped."""
    ids: list[int] = []
    for encoded in tokenizer(list(documents), add_special_tokens=False)["input_ids"]:
        ids += [*encoded, tokenizer.eos_token_id]
    return torch.tensor(ids[: len(ids) // block * block], dtype=torch.long).view(-1, block)


def as_batch(rows: Sequence[tuple[Tensor]]) -> dict[str, Tensor]:
    """Rows of token ids as a language model's batch: each token is to be guessed from those before."""
    ids = torch.stack([row for (row,) in rows])
    return {"input_ids": ids, "labels": ids}
