"""What the workspace and the report of the W&B project show, as plain data: sections of panels.

Every key is one that runs of the section's job type log; tests hold the panels to real offline runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["lines", "bars", "scatter", "media", "table", "parallel", "importance"]
STEP = "trainer/global_step"


@dataclass(frozen=True)
class Panel:
    """A chart of some keys.

    lines: metrics over steps; bars: last values by run; scatter: two last values, x then y; media: pictures;
    table: one W&B Table; parallel: `config:NAME` columns and a metric last; importance: of the config for it.
    """

    kind: Kind
    title: str
    keys: tuple[str, ...]
    also: tuple[str, ...] = ()  # keys that only some runs have


@dataclass(frozen=True)
class Section:
    """The panels of the runs of one job type."""

    title: str
    job_type: str  # as conf/logger/wandb.yaml names it
    about: str  # a sentence for the report
    panels: tuple[Panel, ...]


def table(title: str, key: str) -> Panel:
    return Panel("table", title, (key,))


PARAMS = (
    "learning_rate",
    "batch_size",
    "weight_decay",
    "dropout_fc",
    "dropout_conv_early",
    "dropout_conv_late",
    "label_smoothing",
)
SWEEP_COLUMNS = (*(f"config:params.{name}" for name in PARAMS), "best_val_f1")

TRIALS = Section(
    "Trials watched",
    "cnn",
    "One CNN, one set of hyperparameters, one subset (trials=1; a W&B sweep runs many of them).",
    (
        Panel("lines", "loss", ("train_loss", "val_loss")),
        Panel("lines", "validation macro-F1", ("val_f1",)),
        Panel("bars", "scores at the best weights", ("best_val_f1", "test_f1")),
        Panel("parallel", "hyperparameters and validation macro-F1", SWEEP_COLUMNS),
        Panel("importance", "which hyperparameter counts", ("best_val_f1",)),
        Panel("media", "subset, curve, confusion", ("subset", "curve", "confusion")),
        table("sample predictions", "predictions"),
        table("confusion matrix", "confusion_matrix_table"),
    ),
)
SWEEPS = Section(
    "Sweeps",
    "cnn",
    "Many trials on many subsets, into the target table.",
    (
        Panel("lines", "best validation macro-F1 so far", ("best_val_f1",)),
        Panel("lines", "each trial's macro-F1", ("trial/val_f1", "trial/test_f1")),
        Panel("lines", "seconds a trial", ("trial/elapsed_s",)),
        table("trials", "trials"),
        table("each subset's best", "winners"),
    ),
)
TABLES = Section(
    "Target tables",
    "target_table",
    "The trials of sweeps with the features of their subsets.",
    (
        Panel("bars", "size", ("trials", "subsets")),
        Panel("media", "scores and what each hyperparameter does", ("scores", "effects")),
        table("by dataset", "per_dataset"),
    ),
)
PREDICTORS = Section(
    "Predictors",
    "hp_predictor",
    "Fitted on a target table, judged on subsets that no fit has seen.",
    (
        Panel("bars", "rank within a subset, Pearson", ("within_subset_rank", "pearson")),
        Panel("bars", "regret, mean absolute error", ("regret", "mean_absolute_error")),
        Panel("media", "predicted against earned", ("predictor_scatter",)),
        table("beside other methods", "predictor_report"),
        table("each trial predicted", "predictor_predictions"),
    ),
)
ENCODERS = Section(
    "Autoencoders",
    "autoencoder",
    "Encoders of the features: what codes give back, and whether like lies beside like.",
    (
        Panel("lines", "loss", ("train_loss", "val_loss")),
        Panel("lines", "PSNR of validation images", ("val_psnr",)),
        Panel("bars", "5-nearest-neighbour accuracy", ("codes/neighbour_accuracy",)),
        Panel("media", "reconstructions", ("reconstructions", "codes", "nearest_pairs")),
        table("images and what their codes give back", "rebuilt"),
    ),
)
MATCHES = Section(
    "Matches",
    "battle",
    "Oh-LoRA against a challenger on one subset; the test macro-F1 decides.",
    (
        Panel(
            "lines", "validation macro-F1", ("ohlora/val_f1", "challenger_1/val_f1"), ("challenger_2/val_f1",)
        ),
        Panel("bars", "test macro-F1", ("ohlora_test_f1", "challenger_test_f1")),
        Panel("bars", "won by the challenger (a draw is half)", ("won",)),
        Panel(
            "scatter", "what she expected (y) of what she earned (x)", ("ohlora_test_f1",), ("predicted_f1",)
        ),
        Panel("media", "subset and curves", ("subset", "curves"), ("ohlora",)),
        table("attempts", "match"),
        table("results", "match_result"),
    ),
)
LEAGUES = Section(
    "Leagues",
    "league",
    "Oh-LoRA against everyone on many unused subsets: mean difference and win rate, 95 % over subsets.",
    (
        Panel("bars", "mean difference to the headline rival", ("lead",)),
        Panel("bars", "win rate", ("win_rate/static_dataset", "win_rate/tpe", "win_rate/random")),
        Panel("media", "figures", ("against_trials", "against_seconds", "regret"), ("calibration",)),
        table("standings", "league_standings"),
        table("against each rival", "league_pairs"),
        table("trials to break even", "league_break_even"),
    ),
)
FITS = Section(
    "Classifiers of your own images",
    "fit",
    "python -m ohlora fit: advice, trials, a classifier that is kept.",
    (
        Panel("lines", "loss", ("train_loss", "val_loss")),
        Panel("lines", "validation macro-F1", ("val_f1",)),
        Panel("bars", "test macro-F1 with its 95 % interval", ("test_f1", "test_f1_low", "test_f1_high")),
        Panel("media", "curve, confusion, mistakes", ("curve", "confusion"), ("mistakes",)),
        table("sample predictions", "predictions"),
        table("advice", "advice"),
    ),
)
ADVICE = Section(
    "Advice",
    "advise",
    "python -m ohlora advise: nothing is trained.",
    (
        Panel("bars", "expected macro-F1", ("expected_f1", "expected_f1_low", "expected_f1_high")),
        Panel("media", "what moved the choice", ("advice_picture",)),
    ),
)
PREDICTIONS = Section(
    "Predictions",
    "predict",
    "python -m ohlora predict: what a classifier sees.",
    (table("images", "predicted"),),
)
LANGUAGE = Section(
    "Language model: pretraining",
    "pretrain",
    "A small language model from nothing.",
    (
        Panel("lines", "loss, nats a token", ("loss", "eval_loss")),
        Panel("bars", "bits a character", ("bits_a_character",)),
        Panel("media", "losses", ("losses",)),
    ),
)
VOICES = Section(
    "Voice: fine-tuning",
    "fine_tune",
    "LoRA on her lines, with TRL.",
    (
        Panel("lines", "loss, nats a token", ("loss", "eval_loss")),
        Panel("media", "losses", ("losses",)),
        table("rows held out", "held_out_rows"),
    ),
)
MEASURED = Section(
    "Voice: measured",
    "measure",
    "How often a voice contradicts the result, and what its lines are like.",
    (
        Panel(
            "bars", "raw lines with a known contradiction", ("tuned/raw lines with a known contradiction",)
        ),
        table("measured", "measured"),
        table("lines", "lines_tuned"),
    ),
)
GENERATORS = Section(
    "Her face: generator",
    "face_vae",
    "The network that draws her, judged by networks that taught it nothing.",
    (
        Panel("bars", "asked against measured", ("test/r_eyes", "test/r_mouth", "test/r_roll")),
        table("scores", "scores"),
    ),
)
SEGMENTERS = Section(
    "Her face: segmenter",
    "face_seg",
    "Where hair, skin, eyes and lips are.",
    (
        Panel("bars", "mean intersection over union", ("test/mean_iou",)),
        table("scores", "scores"),
    ),
)
ACCEPTANCE = Section(
    "Her face: acceptance",
    "face_report",
    "What each network reaches beside its gate and its target.",
    (table("gates and targets", "acceptance"),),
)

SECTIONS = (
    *(MATCHES, LEAGUES, PREDICTORS, TABLES, SWEEPS, TRIALS, ENCODERS),
    *(FITS, ADVICE, PREDICTIONS),
    *(VOICES, MEASURED, LANGUAGE, GENERATORS, SEGMENTERS, ACCEPTANCE),
)


def needed(section: Section) -> Iterator[str]:
    """The keys without which one of the section's panels would be empty, or a part of it."""
    for panel in section.panels:
        yield from panel.keys
