"""TRL's supervised fine-tuning of a PEFT LoRA adapter on Oh-LoRA's lines."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from datasets import Dataset
from peft import LoraConfig
from rich.console import Console
from transformers import EarlyStoppingCallback, PrinterCallback
from trl import SFTConfig

from ohlora import lineage
from ohlora.durable import write_json, write_text
from ohlora.errors import OhloraError, need_packages
from ohlora.narrator.card import PRETRAINING, history, model_card, origin, plot_losses
from ohlora.narrator.fine_tune import FineTune
from ohlora.narrator.generation import load_model, load_tokenizer, turns
from ohlora.narrator.line_trainer import LineTrainer
from ohlora.narrator.schedule import Schedule
from ohlora.narrator.tokenizer import add_facts
from ohlora.narrator.trainers import (
    LogMetrics,
    ShowProgress,
    cost,
    last_checkpoint,
    losses,
    one_folder,
    recomputing,
    seeded,
    training_arguments,
)
from ohlora.narrator.training import Row
from ohlora.processes import is_main, world_size
from ohlora.tracking import log_picture, log_table

EMBEDDINGS = "embed_tokens"  # the embedding layer of the Llama family
SHOWN_ROWS = 100  # of those held out, in the run's table


def fine_tune(job: FineTune) -> float:
    """Return the loss on held-out lines, nats a token."""
    job.hardware.use_threads()
    device, precision = job.hardware.resolve()
    if job.bits:
        if device.type != "cuda":
            raise OhloraError(f"bits={job.bits} is not null on {device.type}: it needs CUDA")
        need_packages("quantised", "bitsandbytes", "accelerate")
    console = Console(highlight=False)
    out = one_folder(Path(job.resume or job.output_dir), device)
    tokenizer = load_tokenizer(job.model)
    if EMBEDDINGS in job.adapter.trained_whole:  # nothing else could learn what a new token means
        add_facts(tokenizer)
    settings = {
        "model": job.model,
        "persona": job.persona,
        "lessons": asdict(job.lessons),
        "adapter": asdict(job.adapter),
        "bits": job.bits,
        "schedule": asdict(job.schedule),
        "seed": job.seed,
    }
    checkpoint = last_checkpoint(out, settings, resume=job.resume is not None)
    rows, held = job.lessons.rows(job.model, job.persona, job.seed, out)
    with seeded(job.seed):
        trainer = build_trainer(job, tokenizer, device, out, rows, held)
        console.print(
            f"{len(rows)} rows, {len(held)} held out, {trainer.args.max_steps} steps; a row:\n"
            + first_row(trainer),
            markup=False,
            soft_wrap=True,
        )
        started = time.perf_counter()
        trainer.train(resume_from_checkpoint=checkpoint)
        elapsed_s = time.perf_counter() - started
        loss = loss_on_held_out(trainer, job.schedule)
    if not is_main():
        return loss
    report = {
        "stage": job.lessons.stage,
        **origin(),
        **settings,
        "rows": len(rows),
        "held_out_rows": len(held),
        **cost(trainer.state, checkpoint, elapsed_s),
        "processes": world_size(),
        "device": str(device),
        "precision": precision,
        "eval_loss": loss,
        "losses": losses(trainer.state),
    }
    folder = out / ("model" if job.merge else "adapter")
    save(trainer, tokenizer, folder, job.merge)
    leave_report(job, report, folder, out)
    log_table(job.logger, "held_out_rows", pd.DataFrame(list(held)[:SHOWN_ROWS]))
    console.print(
        f"{report['steps']} steps, {elapsed_s:.0f} s: loss on held-out lines {loss:.3f}\n"
        f"{folder.name}: {folder}",
        markup=False,
        soft_wrap=True,
    )
    return loss


def build_trainer(
    job: FineTune,
    tokenizer: Any,
    device: torch.device,
    out: Path,
    rows: Sequence[Row],
    held: Sequence[Row],
) -> LineTrainer:
    """The trainer of a LoRA adapter on `job.model`, which gets room for the tokenizer's tokens."""
    train, evaluation = (
        Dataset.from_list(
            [turns(row["prompt"], row["language"], job.persona, row["completion"]) for row in part]
        )
        for part in (rows, held)
    )
    model = load_model(job.model, device, job.bits)
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer))
    trainer = LineTrainer(
        model=model,
        args=SFTConfig(
            **training_arguments(job.schedule, len(train), job.hardware, out, job.seed, world_size()),
            max_length=job.lessons.max_length,
            completion_only_loss=True,
            **recomputing(SFTConfig, job.recompute),
            packing=False,
        ),
        train_dataset=train,
        eval_dataset=evaluation,
        processing_class=tokenizer,
        peft_config=LoraConfig(
            task_type="CAUSAL_LM",
            r=job.adapter.rank,
            lora_alpha=job.adapter.alpha,  # type: ignore[arg-type]  # a float divides as well
            lora_dropout=job.adapter.dropout,
            target_modules=as_plain(job.adapter.targets),
            modules_to_save=list(job.adapter.trained_whole) or None,
            ensure_weight_tying=bool(job.adapter.trained_whole),
        ),
        callbacks=[
            LogMetrics(job.logger),
            ShowProgress("steps"),
            *([EarlyStoppingCallback(job.schedule.patience)] if job.schedule.patience else []),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def loss_on_held_out(trainer: Any, schedule: Schedule) -> float:
    """Of the model as it is kept: the last check's, unless the best weights have come back after it."""
    checks = losses(trainer.state)["eval_loss"]
    if schedule.patience is None and checks and checks[-1][0] == trainer.state.global_step:
        return checks[-1][1]
    return float(trainer.evaluate()["eval_loss"])


def save(trainer: Any, tokenizer: Any, folder: Path, merge: bool) -> None:
    """Write the adapter, or the model with it merged in, and the tokenizer."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    if merge:
        model = model.merge_and_unload().to("cpu", torch.float16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    weights = folder / ("model.safetensors" if merge else "adapter_model.safetensors")
    if weights.is_file():  # a large model lies in parts
        lineage.made("model", f"narrator_{folder.name}", weights, folder)


def leave_report(job: FineTune, report: Mapping[str, Any], folder: Path, out: Path) -> None:
    """Write report, model card and loss curves, and copy what was trained where it is wanted as well."""
    write_json(out / "report.json", report)
    stages = {**history(job.model), job.lessons.stage: report}
    if PRETRAINING in stages:
        write_text(folder / "README.md", model_card(stages))
    log_picture(job.logger, "losses", plot_losses(stages, out / "losses.png"))
    if job.save_to:
        shutil.copytree(folder, job.save_to, dirs_exist_ok=True)


def as_plain(names: str | Sequence[str]) -> str | list[str]:
    return names if isinstance(names, str) else list(names)


def first_row(trainer: Any) -> str:
    """The first row as the model sees it, what it learns from between bars."""
    batch = trainer.data_collator([trainer.train_dataset[0]])
    ids, labels = batch["input_ids"][0], batch["labels"][0]
    learned = torch.nonzero(labels != -100).flatten()
    first, last = int(learned[0]), int(learned[-1]) + 1
    decode = trainer.processing_class.decode
    return f"{decode(ids[:first])}|{decode(ids[first:last])}|"
