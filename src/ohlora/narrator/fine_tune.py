"""Give a language model Oh-LoRA's voice: python -m ohlora.narrator.fine_tune narrator=tiny|kanana.

TRL's supervised fine-tuning of a PEFT LoRA adapter on what `lessons.py` makes; see conf/narrate.yaml.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ohlora.door import open_door

EMBEDDINGS = "embed_tokens"  # the layer of a token's meaning, in the Llama family


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter (arXiv:2106.09685)."""

    rank: int
    alpha: int
    dropout: float
    targets: str | Sequence[str]  # names of the layers it sits beside
    trained_whole: Sequence[str]  # names of layers that are trained themselves


@dataclass(frozen=True)
class FineTune:
    """Train an adapter, judge it on lines held out, keep it, merged into its model or alone."""

    model: str  # a folder, or a name on the Hub
    persona: Mapping[str, str] | None  # what the model is told it is, by language
    lessons: Any  # Lessons or Rehearsal
    adapter: Adapter
    merge: bool  # keep the whole model, in half precision; else the adapter alone
    bits: int | None  # 4 | 8: load the model quantised (bitsandbytes, CUDA)
    recompute: bool  # gradient checkpointing: a third more time for a fraction of the memory
    schedule: Any  # Schedule
    hardware: Any  # Hardware
    seed: int
    resume: str | None
    save_to: str | None  # a folder: keep what was trained there as well
    output_dir: str
    logger: Any

    def run(self) -> float:
        """Return the loss on held-out lines, nats a token."""
        self.refuse_nonsense()
        from datasets import Dataset
        from peft import LoraConfig
        from rich.console import Console
        from transformers import EarlyStoppingCallback, PrinterCallback
        from trl import SFTConfig

        from ohlora.durable import write_json, write_text
        from ohlora.narrator.card import PRETRAINING, history, model_card, origin, plot_losses
        from ohlora.narrator.language_model import load_tokenizer, turns
        from ohlora.narrator.line_trainer import LineTrainer
        from ohlora.narrator.tokenizer import add_facts
        from ohlora.narrator.trainers import (
            Told,
            cost,
            last_checkpoint,
            losses,
            one_folder,
            recomputing,
            seeded,
            training_arguments,
        )
        from ohlora.processes import is_main, world_size
        from ohlora.tracking import log_picture

        self.hardware.use_threads()
        device, precision = self.hardware.resolve()
        console = Console(highlight=False)
        out = one_folder(Path(self.resume or self.output_dir), device)
        tokenizer = load_tokenizer(self.model)
        if EMBEDDINGS in self.adapter.trained_whole:  # nothing else could learn what a new token means
            add_facts(tokenizer)
        settings = {
            "model": self.model,
            "persona": self.persona,
            "lessons": asdict(self.lessons),
            "adapter": asdict(self.adapter),
            "bits": self.bits,
            "schedule": asdict(self.schedule),
            "seed": self.seed,
        }
        checkpoint = last_checkpoint(out, settings, resume=self.resume is not None)
        rows, held = self.lessons.rows(self.model, self.persona, self.seed, out)
        train, evaluation = (
            Dataset.from_list(
                [turns(row["prompt"], row["language"], self.persona, row["completion"]) for row in part]
            )
            for part in (rows, held)
        )
        with seeded(self.seed):
            trainer = LineTrainer(
                model=self.load(device, len(tokenizer)),
                args=SFTConfig(
                    **training_arguments(
                        self.schedule, len(train), self.hardware, out, self.seed, world_size()
                    ),
                    max_length=self.lessons.max_length,
                    completion_only_loss=True,
                    **recomputing(SFTConfig, self.recompute),
                    packing=False,
                ),
                train_dataset=train,
                eval_dataset=evaluation,
                processing_class=tokenizer,
                peft_config=LoraConfig(
                    task_type="CAUSAL_LM",
                    r=self.adapter.rank,
                    lora_alpha=self.adapter.alpha,
                    lora_dropout=self.adapter.dropout,
                    target_modules=as_plain(self.adapter.targets),
                    modules_to_save=list(self.adapter.trained_whole) or None,
                    ensure_weight_tying=bool(self.adapter.trained_whole),
                ),
                callbacks=[
                    Told(self.logger),
                    *([EarlyStoppingCallback(self.schedule.patience)] if self.schedule.patience else []),
                ],
            )
            trainer.remove_callback(PrinterCallback)
            console.print(
                f"{len(train)} rows, {len(evaluation)} held out, {trainer.args.max_steps} steps; a row:\n"
                + shown(trainer),
                soft_wrap=True,
            )
            started = time.perf_counter()
            trainer.train(resume_from_checkpoint=checkpoint)
            elapsed_s = time.perf_counter() - started
            loss = float(trainer.evaluate()["eval_loss"])
        if not is_main():
            return loss
        folder = out / ("model" if self.merge else "adapter")
        self.keep(trainer, tokenizer, folder)
        report = {
            "stage": self.lessons.stage,
            **origin(),
            **settings,
            "rows": len(train),
            "held_out_rows": len(evaluation),
            **cost(trainer.state, checkpoint, elapsed_s),
            "processes": world_size(),
            "device": str(device),
            "precision": precision,
            "eval_loss": loss,
            "losses": losses(trainer.state),
        }
        write_json(out / "report.json", report)
        stages = {**history(self.model), self.lessons.stage: report}
        if PRETRAINING in stages:
            write_text(folder / "README.md", model_card(stages))
        log_picture(self.logger, "losses", plot_losses(stages, out / "losses.png"))
        if self.save_to:
            shutil.copytree(folder, self.save_to, dirs_exist_ok=True)
        console.print(
            f"{report['steps']} steps, {elapsed_s:.0f} s: loss on held-out lines {loss:.3f}\n"
            f"{folder.name}: {folder}",
            soft_wrap=True,
        )
        return loss

    def refuse_nonsense(self) -> None:
        """Name every setting that cannot work, before anything is loaded."""
        from ohlora.errors import OhloraError, need_packages

        need_packages("narrator", "trl", "peft", "datasets", "accelerate")
        device, _ = self.hardware.resolve()
        if not self.model:
            raise OhloraError("fine_tuning.model is missing: the folder that pretraining leaves")
        checks = (
            ("bits", self.bits, self.bits in (None, 4, 8), "null | 4 | 8"),
            (
                "bits",
                self.bits,
                not (self.bits and device.type != "cuda"),
                f"null on {device.type}: needs CUDA",
            ),
            ("bits", self.bits, not (self.bits and self.merge), "null where the model is merged"),
            *self.lessons.checks(),
            ("adapter.rank", self.adapter.rank, self.adapter.rank >= 1, "1 or more"),
            ("schedule.batch_size", self.schedule.batch_size, self.schedule.batch_size >= 1, "1 or more"),
            ("schedule.checks", self.schedule.checks, self.schedule.checks >= 1, "1 or more"),
        )
        if faults := [
            f"{name}={value} is not {allowed}" for name, value, good, allowed in checks if not good
        ]:
            raise OhloraError("; ".join(faults))

    def load(self, device: Any, tokens: int) -> Any:
        """The model to adapt, with room for so many tokens; in fp32 unless it is quantised."""
        from ohlora.narrator.language_model import load_model

        model = load_model(self.model, device, self.bits)
        if tokens > model.get_input_embeddings().num_embeddings:
            model.resize_token_embeddings(tokens)
        return model

    def keep(self, trainer: Any, tokenizer: Any, folder: Path) -> None:
        """Write what was trained, with its tokenizer."""
        import torch

        model = trainer.accelerator.unwrap_model(trainer.model)
        if self.merge:
            model = model.merge_and_unload().to("cpu", torch.float16)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def as_plain(names: str | Sequence[str]) -> str | list[str]:
    return names if isinstance(names, str) else list(names)


def shown(trainer: Any) -> str:
    """The first row as the model sees it, what it learns from between bars."""
    import torch

    batch = trainer.data_collator([trainer.train_dataset[0]])
    ids, labels = batch["input_ids"][0], batch["labels"][0]
    learned = torch.nonzero(labels != -100).flatten()
    first, last = int(learned[0]), int(learned[-1]) + 1
    decode = trainer.processing_class.decode
    return f"{decode(ids[:first])}|{decode(ids[first:last])}|"


if __name__ == "__main__":
    open_door("narrate")
