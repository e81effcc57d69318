"""Train an autoencoder on a dataset, report whether its codes mean something, keep its encoder."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from rich.console import Console
from torch import Tensor

from ohlora.assets import load_model
from ohlora.datasets.families import Family
from ohlora.datasets.loading import SubsetDataModule
from ohlora.datasets.readers import DatasetReader
from ohlora.datasets.subset import Subset, draw_valid_seeds
from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.features.autoencoder import (
    ENCODER_KIND,
    Autoencoder,
    Encoder,
    NetworkSettings,
    as_trained,
    network_card,
    save_encoder,
)
from ohlora.features.report import (
    ReportSettings,
    draw_nearest_pairs,
    draw_reconstructions,
    meaning,
    neighbour_accuracy,
    plot_codes,
    rebuilding,
    spread_over,
)
from ohlora.features.views import Views
from ohlora.hardware import Hardware
from ohlora.processes import is_main, own_draws, process_count, trainer_arguments
from ohlora.tracking import log_picture
from ohlora.trainer import TrainerSettings
from ohlora.training_progress import progress_callbacks


@dataclass(frozen=True)
class Lesson:
    """How the autoencoder is taught, whatever its shape."""

    epochs: float
    min_steps: int  # optimiser steps at least: small sets are seen more often
    checks: int  # validations, evenly spread
    batch_size: int  # at most; all batches of an epoch are of about the same size
    learning_rate: float  # peak
    weight_decay: float
    agreement: float  # weight of two views having one code
    decorrelation: float  # weight of code dimensions saying different things

    def plan(self, n_train: int) -> tuple[int, int]:
        """Batch size and optimiser steps for so many training images."""
        batches = math.ceil(n_train / self.batch_size)
        # Even batches: BatchNorm cannot take a last one of a single image.
        return math.ceil(n_train / batches), max(round(self.epochs * batches), self.min_steps)


@dataclass(frozen=True)
class TrainAutoencoder:
    """Learn codes from the training images, without their labels; labels only judge the codes afterwards.

    Weights of the last step are kept: the learning rate has come down to nothing by then, and a
    validation's luck chooses nothing.
    """

    dataset: DatasetReader
    family: Family
    seed: int  # of the subset and of the training
    network: NetworkSettings
    views: Views
    lesson: Lesson
    report: ReportSettings
    hardware: Hardware
    encoder: str  # path of the encoder to write, without suffix
    cache_dir: str
    output_dir: str
    trainer: TrainerSettings
    callbacks: dict[str, Callback]
    logger: Logger

    def run(self) -> float:
        """Return the 5-nearest-neighbour accuracy of codes on validation images, 0 to 1."""
        self.refuse_nonsense()
        self.hardware.use_threads()
        data = self.dataset.load()
        _, subset = next(draw_valid_seeds(self.family, data, self.seed, Path(self.cache_dir)))
        started = time.perf_counter()
        module, trainer = self.fit(subset)
        elapsed_s = time.perf_counter() - started
        encoder = Encoder(module.encoder, network_card(self.network, subset.image_shape))
        if not is_main():
            return math.nan  # the first process judges what all have trained
        scores, val_accuracy = self.judge(module, encoder, subset)
        card = {
            **encoder.card,
            "kind": ENCODER_KIND,
            "dataset": subset.title,
            "subset": asdict(subset.recipe),
            "training_images": len(subset.train),
            "settings": {"lesson": asdict(self.lesson), "views": asdict(self.views)},
            "scores": scores,
            "training": {
                "steps": trainer.global_step,
                "elapsed_s": round(elapsed_s, 1),
                "device": str(self.hardware.resolve()[0]),
                "precision": self.hardware.resolve()[1],
            },
        }
        path = save_encoder(Path(self.encoder), Encoder(module.encoder, card))
        # What was written is read once more: a card that does not load should not wait for its first user.
        _, card = load_model(path.parent, path.stem, ENCODER_KIND)
        write_json(Path(self.output_dir) / "report.json", card)
        flat = {f"{group}/{name}": value for group, part in scores.items() for name, value in part.items()}
        self.logger.log_metrics(flat, step=trainer.global_step)
        codes = scores["codes"]
        Console().print(
            f"{subset.title}: {len(subset.train)} images, {trainer.global_step} steps, {elapsed_s:.0f} s\n"
            f"  different / same label distance  {codes['different_over_same']:.3f}\n"
            f"  5-nearest-neighbour accuracy     {codes['neighbour_accuracy']:.3f}"
            f"  (raw pixels {codes['neighbour_accuracy_of_pixels']:.3f})\n"
            f"  PSNR of rebuilt images           {scores['reconstructions']['psnr']:.1f} dB\n"
            f"encoder: {path}\nreport: {self.output_dir}",
            soft_wrap=True,
            highlight=False,
        )
        return val_accuracy

    def refuse_nonsense(self) -> None:
        """Name every setting that cannot work, before anything is loaded."""
        lesson, network = asdict(self.lesson), asdict(self.network)
        faults = [
            f"{name}={value} is below {low}"
            for name, value, low in (
                ("lesson.batch_size", lesson["batch_size"], 2),
                ("lesson.min_steps", lesson["min_steps"], 1),
                ("lesson.checks", lesson["checks"], 1),
                ("lesson.epochs", lesson["epochs"], 0),
                ("lesson.agreement", lesson["agreement"], 0),
                ("lesson.decorrelation", lesson["decorrelation"], 0),
                ("network.code", network["code"], 1),
                ("network.grid", network["grid"], 1),
                *(("network.widths", width, 1) for width in network["widths"]),
            )
            if value < low
        ]
        if not network["widths"]:
            faults.append("network.widths is empty")
        if faults:
            raise OhloraError("; ".join(faults))
        process_count(self.trainer.devices, self.hardware.resolve()[0])

    def fit(self, subset: Subset) -> tuple[Autoencoder, Trainer]:
        """Train under Lightning's Trainer."""
        device, precision = self.hardware.resolve()
        batch_size, steps = self.lesson.plan(len(subset.train))
        epochs = math.ceil(steps / math.ceil(len(subset.train) / batch_size))
        data = SubsetDataModule(subset, batch_size, self.seed, standardise=False)
        images = data.split("train").images
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            module = Autoencoder(
                network={**asdict(self.network), "widths": list(self.network.widths)},
                views=asdict(self.views),
                image_shape=subset.image_shape,
                pixel_variance=images[:10000].var(dim=0, correction=0).mean().item(),
                agreement=self.lesson.agreement,
                decorrelation=self.lesson.decorrelation,
                learning_rate=self.lesson.learning_rate,
                weight_decay=self.lesson.weight_decay,
                total_steps=steps,
            )
            arguments = self.trainer.arguments()
            trainer = Trainer(
                **{
                    "accelerator": "gpu" if device.type == "cuda" else device.type,
                    "devices": 1,
                    "max_steps": steps,
                    "max_epochs": epochs,  # for the progress bar; the steps decide
                    "val_check_interval": max(1, steps // self.lesson.checks),
                    "check_val_every_n_epoch": None,
                    "num_sanity_val_steps": 0,
                    "precision": "bf16-mixed" if precision == "bf16" else "32-true",
                    "use_distributed_sampler": False,
                    "log_every_n_steps": 10 if len(subset.train) > 100 * batch_size else 1,
                    "default_root_dir": self.output_dir,
                    **trainer_arguments(arguments, device),
                    "logger": self.logger,
                    "callbacks": [*self.callbacks.values(), *progress_callbacks(arguments)],
                }
            )
            own_draws()
            trainer.fit(module, datamodule=data)
        return module.to(device).eval(), trainer

    def judge(
        self, module: Autoencoder, encoder: Encoder, subset: Subset
    ) -> tuple[dict[str, dict[str, float]], float]:
        """Scores on test images, their pictures, and the neighbours' accuracy on validation images."""
        out = Path(self.output_dir)
        rows = spread_over(len(subset.train), self.report.neighbour_images)
        known, known_labels = encoder.encode(subset.train.images[rows]), subset.train.labels[rows]
        test_codes = encoder.encode(subset.test.images)
        rebuilt = rebuild(module, subset.test.images)
        some = spread_over(len(subset.test), self.report.pair_images)
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
                f"{subset.title}: test images ({size}) rebuilt from {self.network.code} numbers,"
                f" PSNR {psnr:.1f} dB",
                out / "reconstructions.png",
            ),
            "codes": plot_codes(
                test_codes[some], labels, subset.class_names, subset.title, out / "codes.png"
            ),
            "nearest_pairs": draw_nearest_pairs(
                subset.test.images[some],
                test_codes[some],
                labels,
                subset.class_names,
                f"{subset.title}: test images nearest by code"
                f" (5-NN accuracy {codes['neighbour_accuracy']:.3f})",
                out / "nearest_pairs.png",
            ),
        }
        for name, path in pictures.items():
            log_picture(self.logger, name, path)
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
