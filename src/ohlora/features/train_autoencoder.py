"""Train an autoencoder on a dataset, report whether its codes mean something, keep its encoder."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from rich.console import Console
from torch import Tensor

from ohlora.assets import load_model
from ohlora.datasets.loading import SubsetDataModule
from ohlora.datasets.subset import Subset, draw_valid_seeds
from ohlora.durable import write_json
from ohlora.features.autoencoder import (
    ENCODER_KIND,
    Autoencoder,
    Encoder,
    as_trained,
    network_card,
    save_encoder,
)
from ohlora.features.autoencoder_job import Lesson, TrainAutoencoder
from ohlora.features.report import (
    draw_nearest_pairs,
    draw_reconstructions,
    meaning,
    neighbour_accuracy,
    plot_codes,
    rebuilding,
    rebuilt_pairs,
    spread_over,
)
from ohlora.processes import is_main, own_draws, process_count, trainer_arguments
from ohlora.tracking import log_picture, log_table
from ohlora.training_progress import progress_callbacks


def train_autoencoder(job: TrainAutoencoder) -> float:
    """Return the 5-nearest-neighbour accuracy of codes on validation images, 0 to 1."""
    process_count(job.trainer.devices, job.hardware.resolve()[0])
    job.hardware.use_threads()
    data = job.dataset.load()
    _, subset = next(draw_valid_seeds(job.family, data, job.seed, Path(job.cache_dir)))
    started = time.perf_counter()
    module, trainer = fit(job, subset)
    elapsed_s = time.perf_counter() - started
    encoder = Encoder(module.encoder, network_card(job.network, subset.image_shape))
    if not is_main():
        return math.nan  # the first process judges what all have trained
    scores, val_accuracy = judge(job, module, encoder, subset)
    card = {
        **encoder.card,
        "kind": ENCODER_KIND,
        "dataset": subset.title,
        "subset": asdict(subset.recipe),
        "training_images": len(subset.train),
        "settings": {"lesson": written(job.lesson), "views": asdict(job.views)},
        "scores": scores,
        "training": {
            "steps": trainer.global_step,
            "elapsed_s": round(elapsed_s, 1),
            "device": str(job.hardware.resolve()[0]),
            "precision": job.hardware.resolve()[1],
        },
    }
    path = save_encoder(Path(job.encoder), Encoder(module.encoder, card))
    # What was written is read once more: a card that does not load should not wait for its first user.
    _, card = load_model(path.parent, path.stem, ENCODER_KIND)
    write_json(Path(job.output_dir) / "report.json", card)
    flat = {
        f"{group}/{name}": value
        for group, part in scores.items()
        for name, value in part.items()
        if value is not None
    }
    job.logger.log_metrics(flat, step=trainer.global_step)
    codes = scores["codes"]
    ratio = codes["different_over_same"]
    Console().print(
        f"{subset.title}: {len(subset.train)} images, {trainer.global_step} steps, {elapsed_s:.0f} s\n"
        f"  different / same label distance  {'no two of one label' if ratio is None else f'{ratio:.3f}'}\n"
        f"  5-nearest-neighbour accuracy     {codes['neighbour_accuracy']:.3f}"
        f"  (raw pixels {codes['neighbour_accuracy_of_pixels']:.3f})\n"
        f"  PSNR of rebuilt images           {scores['reconstructions']['psnr']:.1f} dB\n"
        f"encoder: {path}\nreport: {job.output_dir}",
        soft_wrap=True,
        highlight=False,
    )
    return val_accuracy


def written(lesson: Lesson) -> dict[str, Any]:
    """A lesson as cards have it: `5` epochs, as the config writes it, not 5.0."""
    epochs = lesson.epochs
    return {**asdict(lesson), "epochs": int(epochs) if epochs == int(epochs) else epochs}


def fit(job: TrainAutoencoder, subset: Subset) -> tuple[Autoencoder, Trainer]:
    """Train under Lightning's Trainer."""
    device, precision = job.hardware.resolve()
    batch_size, steps = job.lesson.plan(len(subset.train))
    epochs = math.ceil(steps / math.ceil(len(subset.train) / batch_size))
    data = SubsetDataModule(subset, batch_size, job.seed, standardise=False)
    images = data.split("train").images
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(job.seed)
        module = Autoencoder(
            network={**asdict(job.network), "widths": list(job.network.widths)},
            views=asdict(job.views),
            image_shape=subset.image_shape,
            pixel_variance=images[:10000].var(dim=0, correction=0).mean().item(),
            agreement=job.lesson.agreement,
            decorrelation=job.lesson.decorrelation,
            learning_rate=job.lesson.learning_rate,
            weight_decay=job.lesson.weight_decay,
            total_steps=steps,
        )
        arguments = job.trainer.arguments()
        trainer = Trainer(
            **{
                "accelerator": "gpu" if device.type == "cuda" else device.type,
                "devices": 1,
                "max_steps": steps,
                "max_epochs": epochs,  # for the progress bar; the steps decide
                "val_check_interval": max(1, steps // job.lesson.checks),
                "check_val_every_n_epoch": None,
                "num_sanity_val_steps": 0,
                "precision": "bf16-mixed" if precision == "bf16" else "32-true",
                "use_distributed_sampler": False,
                "log_every_n_steps": 10 if len(subset.train) > 100 * batch_size else 1,
                "default_root_dir": job.output_dir,
                **trainer_arguments(arguments, device),
                "logger": job.logger,
                "callbacks": [*job.callbacks.values(), *progress_callbacks(arguments)],
            }
        )
        own_draws()
        trainer.fit(module, datamodule=data)
    return module.to(device).eval(), trainer


def judge(
    job: TrainAutoencoder, module: Autoencoder, encoder: Encoder, subset: Subset
) -> tuple[dict[str, dict[str, float | None]], float]:
    """Scores on test images, their pictures, and the neighbours' accuracy on validation images."""
    out = Path(job.output_dir)
    rows = spread_over(len(subset.train), job.report.neighbour_images)
    known, known_labels = encoder.encode(subset.train.images[rows]), subset.train.labels[rows]
    test_codes = encoder.encode(subset.test.images)
    rebuilt = rebuild(module, subset.test.images)
    some = spread_over(len(subset.test), job.report.pair_images)
    labels = subset.test.labels[some]

    def flat(images: Tensor) -> Tensor:
        return images.flatten(1).float() / 255

    scores = {
        "reconstructions": rebuilding(subset.test.images, rebuilt),
        "codes": {
            **meaning(test_codes[some], labels),
            "different_over_same_of_pixels": meaning(flat(subset.test.images[some]), labels)[
                "different_over_same"
            ],
            "neighbour_accuracy": neighbour_accuracy(known, known_labels, test_codes, subset.test.labels),
            "neighbour_accuracy_of_pixels": neighbour_accuracy(
                flat(subset.train.images[rows]), known_labels, flat(subset.test.images[some]), labels
            ),
            "neighbours_from": len(rows),
        },
    }
    val_codes = encoder.encode(subset.val.images)
    val_accuracy = neighbour_accuracy(known, known_labels, val_codes, subset.val.labels)
    psnr, codes = scores["reconstructions"]["psnr"], scores["codes"]
    size = " x ".join(map(str, subset.image_shape))
    pictures = {
        "reconstructions": draw_reconstructions(
            subset.test.images,
            rebuilt,
            subset.test.labels,
            f"{subset.title}: test images ({size}) rebuilt from {job.network.code} numbers,"
            f" PSNR {psnr:.1f} dB",
            out / "reconstructions.png",
        ),
        "codes": plot_codes(test_codes[some], labels, subset.class_names, subset.title, out / "codes.png"),
        "nearest_pairs": draw_nearest_pairs(
            subset.test.images[some],
            test_codes[some],
            labels,
            subset.class_names,
            f"{subset.title}: test images nearest by code (5-NN accuracy {codes['neighbour_accuracy']:.3f})",
            out / "nearest_pairs.png",
        ),
    }
    for name, path in pictures.items():
        log_picture(job.logger, name, path)
    pairs = rebuilt_pairs(subset.test.images, rebuilt, subset.test.labels, subset.class_names)
    log_table(job.logger, "rebuilt", *pairs)
    return scores, val_accuracy


@torch.no_grad()
def rebuild(module: Autoencoder, images: Tensor) -> Tensor:
    """uint8 images [n, c, h, w] through their codes and back, float 0 to 1 on the CPU."""
    _, channels, height, width = images.shape
    parts = [
        module(as_trained(batch.to(module.device), (channels, height, width))).cpu()
        for batch in images.split(512)
    ]
    return torch.cat(parts)
