"""A small language model from nothing: python -m ohlora.narrator.pretrain (conf/pretrain.yaml)."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ohlora.door import open_door


@dataclass(frozen=True)
class NetworkShape:
    """The size of a Llama-type decoder (arXiv:2302.13971) with tied embeddings."""

    vocab_size: int  # slots included
    width: int
    layers: int
    heads: int
    inner: int  # width of the gated feed-forward layer
    context: int  # tokens at most


@dataclass(frozen=True)
class Pretrain:
    """Read a corpus, make a tokenizer, train a model on packed text, keep both as a transformers folder."""

    sources: Sequence[Any]  # TextSource
    share: float  # of every source's documents, 0 to 1
    shape: NetworkShape
    block: int  # tokens of a training sequence
    held_out: float  # share of the documents that are only evaluated on
    schedule: Any  # Schedule
    hardware: Any  # Hardware
    seed: int
    resume: str | None
    output_dir: str
    logger: Any

    def run(self) -> float:
        """Return the evaluation loss, nats a character."""
        from ohlora.errors import OhloraError, need_packages

        need_packages("pretraining", "accelerate", "datasets")
        import torch
        from rich.console import Console
        from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, Trainer, TrainingArguments

        from ohlora.durable import write_json
        from ohlora.narrator.card import PRETRAINING, origin
        from ohlora.narrator.corpus import read_corpus
        from ohlora.narrator.facts import LANGUAGES
        from ohlora.narrator.template import all_lines
        from ohlora.narrator.tokenizer import train_tokenizer
        from ohlora.narrator.trainers import Told, cost, last_checkpoint, losses, seeded, training_arguments
        from ohlora.narrator.training import read_rows

        self.hardware.use_threads()
        console, out = Console(highlight=False), Path(self.resume or self.output_dir)
        settings = {
            "sources": [asdict(source) for source in self.sources],
            "share": self.share,
            "shape": asdict(self.shape),
            "block": self.block,
            "held_out": self.held_out,
            "schedule": asdict(self.schedule),
            "seed": self.seed,
        }
        train_documents, held_documents = read_corpus(self.sources, self.seed, self.share, self.held_out)
        checkpoint = last_checkpoint(out, settings, resume=self.resume is not None)
        rows = read_rows()
        lines = [
            *(row[column] for row in rows for column in ("prompt", "completion")),
            *all_lines(*LANGUAGES),
        ]
        tokenizer: Any = train_tokenizer(train_documents, lines, self.shape.vocab_size, self.shape.context)
        train, held = (pack(part, tokenizer, self.block) for part in (train_documents, held_documents))
        for name, part in (("train on", train), ("hold out", held)):
            if not len(part):
                raise OhloraError(
                    f"too little text to {name}: less than one sequence of block={self.block} tokens"
                    f" (share={self.share}, held_out={self.held_out})"
                )
        size = {"documents": len(train_documents), "characters": sum(map(len, train_documents))}
        console.print(
            f"{size['documents']:,} documents, {size['characters']:,} characters, {train.numel():,} tokens"
        )
        with seeded(self.seed):
            model: Any = LlamaForCausalLM(
                LlamaConfig(
                    vocab_size=len(tokenizer),
                    hidden_size=self.shape.width,
                    intermediate_size=self.shape.inner,
                    num_hidden_layers=self.shape.layers,
                    num_attention_heads=self.shape.heads,
                    max_position_embeddings=self.shape.context,
                    tie_word_embeddings=True,
                    bos_token_id=None,
                    eos_token_id=tokenizer.eos_token_id,
                    pad_token_id=tokenizer.pad_token_id,
                )
            )
            arguments = training_arguments(self.schedule, len(train), self.hardware, out, self.seed)
            trainer = Trainer(
                model=model,
                args=TrainingArguments(**arguments, remove_unused_columns=False),
                train_dataset=torch.utils.data.TensorDataset(train),
                eval_dataset=torch.utils.data.TensorDataset(held),
                data_collator=as_batch,
                callbacks=[Told(self.logger)],
            )
            trainer.remove_callback(PrinterCallback)
            started = time.perf_counter()
            trainer.train(resume_from_checkpoint=checkpoint)
            elapsed_s = time.perf_counter() - started
            loss = trainer.evaluate()["eval_loss"]
        a_character = loss * held.numel() / sum(map(len, held_documents))
        model.to("cpu").save_pretrained(out / "model")
        tokenizer.save_pretrained(out / "model")
        report = {
            "stage": PRETRAINING,
            **origin(),
            **settings,
            **size,
            "tokens": train.numel(),
            "parameters": sum(weight.numel() for weight in model.parameters()),
            **cost(trainer.state, checkpoint, elapsed_s),
            "tokens_seen": trainer.state.global_step
            * self.schedule.batch_size
            * self.schedule.accumulate
            * self.block,
            "device": str(self.hardware.resolve()[0]),
            "eval_loss": loss,
            "bits_a_character": a_character / math.log(2),
            "losses": losses(trainer.state),
        }
        write_json(out / "report.json", report)
        self.logger.log_metrics({"bits_a_character": report["bits_a_character"]}, step=report["steps"])
        console.print(
            f"{report['steps']} steps, {elapsed_s:.0f} s: {report['bits_a_character']:.3f} bits a character"
            f"\nmodel: {out / 'model'}",
            soft_wrap=True,
        )
        return a_character


def pack(documents: Sequence[str], tokenizer: Any, block: int) -> Any:
    """Token ids [sequences, block]: documents one after the other, an end between them, the rest dropped."""
    import torch

    ids: list[int] = []
    for encoded in tokenizer(list(documents), add_special_tokens=False)["input_ids"]:
        ids += [*encoded, tokenizer.eos_token_id]
    return torch.tensor(ids[: len(ids) // block * block], dtype=torch.long).view(-1, block)


def as_batch(rows: Sequence[tuple[Any]]) -> dict[str, Any]:
    """Rows of token ids as a language model's batch: each token is to be guessed from those before."""
    import torch

    ids = torch.stack([row for (row,) in rows])
    return {"input_ids": ids, "labels": ids}


if __name__ == "__main__":
    open_door("pretrain")
