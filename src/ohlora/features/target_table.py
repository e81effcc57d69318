"""The work of `model=target_table`: gather, describe, write the table and its card, draw its pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from ohlora import lineage
from ohlora.durable import replacing, write_json
from ohlora.errors import OhloraError
from ohlora.features.jobs import ShipTable
from ohlora.features.table import add_features
from ohlora.features.table_report import chosen, held_fixed, noise_floor, plot_effects, plot_scores
from ohlora.provenance import current_commit
from ohlora.records.table import comparable_rows, read_table
from ohlora.space import Real, Space
from ohlora.tracking import log_picture, log_table

NEEDED = ("trial_seed", "n_train", "status", "elapsed_s", "device", "commit", "protocol")
COLUMNS = {
    "trial": "digest of everything that makes the trial what it is",
    "dataset, family, seed": "the subset's recipe; cifar10_jpeg is CIFAR-10 (JPEG)",
    "trial_seed": "of the network's start, the order of batches, dropout and augmentation; above each"
    " million the params are those of the trial a million below, under another seed",
    "chooser, held_fixed": "who chose the params: evenly (over the space), near_best or favourites (by the"
    " predictor of the time); and the hyperparameters that stood fixed. Recorded by sweeps; in rows of"
    " commits 0fae2ef, 5aa139e, 756cfe4 and e81fa74 told from trial seeds and repeated values, see"
    " ohlora/records/older.py",
    "subset_fingerprint, protocol, space": "of the family's settings, of network and budget, of the axes",
    "params.*": "hyperparameters, in the units of conf/axes/cnn.yaml",
    "status": "complete, or diverged: the loss stopped being finite",
    "val_f1, test_f1": "macro-F1 at the best weights by validation loss, 0 to 1; test_f1 on the sweeps'"
    " half of the test images, in rows of commits 0fae2ef, 5aa139e, 756cfe4 and e81fa74 on both halves",
    "val_loss": "cross-entropy in nats at those weights",
    "steps, epochs": "taken before the budget or the patience ran out; a short last batch counts as the"
    " images in it",
    "n_train, n_classes": "training images and classes of the subset",
    "elapsed_s": "wall clock of the trial, seconds, other work on the machine included; in a stack its share",
    "driver, device, precision, commit": "how, where and by which code it was trained",
    "finished_at": "Unix time, seconds",
    "features_version": "of the code that describes subsets, and a digest of the encoders' weights",
    "feature.*": "of the subset's training images, see ohlora/features/describe.py",
}


def ship_table(job: ShipTable) -> float:
    """Return the number of trials."""
    drawn = {name: family.fingerprint for name, family in job.families.items()}
    frame = comparable_rows(read_table(job.tables), job.protocol.fingerprint, drawn)
    if missing := sorted(set(NEEDED) - set(frame.columns)):
        raise OhloraError(
            f"a table to be shipped says how its trials were trained; missing: {', '.join(missing)}"
        )
    frame = add_features(frame, job.datasets, job.families, Path(job.encoders), Path(job.cache_dir))
    folder = Path(job.save_to)
    path = folder / "target_table.parquet"
    with replacing(path) as part:
        slim(frame).to_parquet(part, index=False, compression="zstd")
    card = table_card(frame, job.space)
    write_json(path.with_suffix(".json"), card)
    lineage.made("table", path.stem, path, path.with_suffix(".json"))
    log_picture(job.logger, "scores", plot_scores(frame, Path(job.output_dir) / "scores.png"))
    effects = plot_effects(frame, job.space, Path(job.output_dir) / "effects.png")
    log_picture(job.logger, "effects", effects)
    rows = [{"dataset": name, **part} for name, part in card["per_dataset"].items()]
    log_table(job.logger, "per_dataset", pd.DataFrame(rows))
    counts = {name: value for name, value in card["counts"].items() if isinstance(value, int)}
    noise = {f"noise/{name}": value for name, value in card["noise_floor"].items()}
    job.logger.log_metrics({**counts, **noise, "hours_of_one_core": card["hours_of_one_core"]})
    Console().print(
        f"{path}: {path.stat().st_size / 1e6:.2f} MB; {json.dumps(card['counts'])}", soft_wrap=True
    )
    return float(len(frame))


def table_card(frame: pd.DataFrame, space: Space) -> dict[str, Any]:
    held: dict[str, int] = {}
    for name in (name for name, axis in space.within.items() if isinstance(axis, Real)):
        fixed = frame.loc[held_fixed(frame, name), f"params.{name}"]
        held |= {f"{name}={value:g}": int(count) for value, count in fixed.value_counts().items()}
    subsets = frame.drop_duplicates(["dataset", "family", "seed"])
    return {
        "kind": "ohlora.target_table",
        "counts": {
            "trials": len(frame),
            "subsets": len(subsets),
            "subsets_varied": subsets["family"].tolist().count("varied"),
            "trials_near_the_best": int(chosen(frame).sum()),
            "trials_with_a_fixed": held,
            "diverged": frame["status"].tolist().count("diverged"),
        },
        "noise_floor": noise_floor(frame),
        "per_dataset": {str(name): part_card(part) for name, part in frame.groupby("dataset")},
        "hours_of_one_core": round(frame.loc[frame["device"] == "cpu", "elapsed_s"].sum() / 3600, 2),
        "trial_commits": sorted(set(frame["commit"])),
        "protocols": sorted(set(frame["protocol"])),
        "columns": COLUMNS,
        "made_by": "python train.py -m model=cnn dataset=mnist,fashion,cifar10,digits"
        " subset=varied,classic space=default,classic trials_per_subset=8, the same with"
        " chooser=near_best, and with repeats=4; since the axes were widened also"
        " dataset=shapes,textures,letters,... params.learning_rate.low=5e-4 trials_per_subset=8;"
        " on one H100, 26 workers under NVIDIA MPS, subset.seed=80000 params.learning_rate.low=1e-3"
        " hardware.precision=32 trials_per_subset=6, and 10 more with chooser=near_best; on two CPU cores"
        " dataset=mnist,fashion,cifar10 chooser=favourites trials_per_subset=9 subset.seed=82000, 90000,"
        " 95000 and 96000, from 90000 on by predictors fitted on the rows before and with the fixed answers"
        " of the one before beside; then model=target_table",
        "known_biases": "params are spread evenly over the space (Sobol), or chosen near the best as the"
        " predictor saw it at the time, whose mistakes they share, or what its members like best;"
        " batches of 256 on mnist, fashion and cifar10_jpeg are nearly all of the last kind; among the rows"
        " of commit 6640502 and 45e13a9 some 200 chosen ones have the seeds of evenly spread ones; most"
        " params were trained under one seed; trained in bf16 on CPUs that have it; stacked and lean trials"
        " mixed; those of the"
        " H100, by commit 041f6ba and told as unknown, ended when the lent time did: of each sweep the"
        " small batches came first; their elapsed_s is a share of a card that all workers used",
        "licence": "MIT; the images the scores come from keep the licences of their datasets",
        "commit": current_commit(),
    }


def part_card(part: pd.DataFrame) -> dict[str, Any]:
    """What one dataset contributes."""
    return {
        "trials": len(part),
        "subsets": len(part.drop_duplicates(["family", "seed"])),
        "test_f1_mean": round(part["test_f1"].to_numpy(float).mean(), 4),
        "elapsed_s_mean": round(part["elapsed_s"].to_numpy(float).mean(), 2),
    }


def slim(frame: pd.DataFrame) -> pd.DataFrame:
    """Features as float32: half the size, and far more digits than they deserve."""
    features = [column for column in frame.columns if column.startswith("feature.")]
    return frame.astype(dict.fromkeys(features, "float32"))
