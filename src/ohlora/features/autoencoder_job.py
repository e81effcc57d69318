"""What `model=autoencoder` runs, as settings: the network, the views, how it is trained and judged."""

from __future__ import annotations

import math
from typing import Annotated

from annotated_types import Ge, Le, MinLen
from pydantic import Strict

from ohlora.callbacks import Callbacks
from ohlora.config import Count, Name, NotNegative, Positive, Share, config, deferred
from ohlora.datasets.families import Family
from ohlora.datasets.readers import DatasetReader
from ohlora.hardware import Hardware
from ohlora.loggers import LoggerChoice
from ohlora.seeds import LEAGUE_SEEDS
from ohlora.trainer import TrainerSettings

Width = Annotated[int, Ge(1), Le(4096)]
Reach = Annotated[float, Ge(0), Le(3)]  # of a logarithm, or radians


@config
class NetworkSettings:
    """The encoder's shape; the decoder mirrors it."""

    # channels after each halving of the image; the last repeats for large images
    widths: Annotated[tuple[Width, ...], Strict(False), MinLen(1)]
    grid: Annotated[int, Ge(1), Le(64)]  # the code is read from a grid x grid map
    code: Width  # numbers a code has

    def stages(self, height: int, width: int) -> list[int]:
        """Channels after each halving: images of this size are halved to about the grid, at least once."""
        halvings = max(1, math.floor(math.log2(max(1, min(height, width)) / self.grid) + 0.25))
        return [self.widths[min(i, len(self.widths) - 1)] for i in range(halvings)]


@config
class Views:
    """How far a view may stray; every image draws its own, uniformly within these bounds."""

    zoom: Reach  # logarithm of the scale, either way
    stretch: Reach  # logarithm of width over height, either way
    turn: Annotated[float, Ge(0), Le(3.15)]  # radians, either way
    shift: Share  # of the side, either way
    light: Share  # brightness and contrast, each as a share, either way
    tint: Share  # each colour channel's brightness, as a share, either way; grey images have none
    mirror_colour: bool  # mirror half of the colour images; a mirrored digit is another digit

    draw = deferred("ohlora.features.views", "draw_views")


@config
class Lesson:
    """How the autoencoder is trained, whatever its shape."""

    epochs: NotNegative
    min_steps: Count  # optimiser steps at least: small sets are seen more often
    checks: Count  # validations, evenly spread
    batch_size: Annotated[int, Ge(2)]  # at most; all batches of an epoch are of about the same size
    learning_rate: Positive  # peak
    weight_decay: NotNegative
    agreement: NotNegative  # weight of two views having one code
    decorrelation: NotNegative  # weight of code dimensions saying different things

    def plan(self, n_train: int) -> tuple[int, int]:
        """Batch size and optimiser steps for so many training images."""
        batches = math.ceil(n_train / self.batch_size)
        # Even batches: BatchNorm cannot take a last one of a single image.
        return math.ceil(n_train / batches), max(round(self.epochs * batches), self.min_steps)


@config
class ReportSettings:
    """How many images a report looks at; fixed, so that numbers of two encoders compare."""

    pair_images: Annotated[int, Ge(2)]  # test images whose pairs are measured, drawn with seed 0
    neighbour_images: Count  # training images the neighbours come from


@config
class TrainAutoencoder:
    """Learn codes from the training images, without their labels; labels only judge the codes afterwards.

    Weights of the last step are kept: the learning rate has come down to nothing by then, and a
    validation's luck chooses nothing.
    """

    dataset: DatasetReader
    family: Family
    seed: Annotated[int, Ge(0), Le(LEAGUE_SEEDS - 1)]  # of the subset and of the training
    network: NetworkSettings
    views: Views
    lesson: Lesson
    report: ReportSettings
    hardware: Hardware
    encoder: Name  # path of the encoder to write, without suffix
    cache_dir: Name
    output_dir: Name
    trainer: TrainerSettings
    callbacks: Callbacks
    logger: LoggerChoice

    run = deferred("ohlora.features.train_autoencoder", "train_autoencoder")
