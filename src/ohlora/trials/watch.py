"""One trial under Lightning's Trainer, with all that it leaves: curves, pictures, a classifier."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from ohlora.assets import is_finite
from ohlora.datasets.images import ImageData
from ohlora.datasets.pictures import save_contact_sheet, save_images
from ohlora.datasets.subset import Subset
from ohlora.durable import write_json
from ohlora.processes import is_main
from ohlora.records.journal import Journal
from ohlora.records.record import TrialRecord
from ohlora.records.table import gather
from ohlora.tracking import log_confusion, log_picture, log_table
from ohlora.trials.classifier import save_classifier
from ohlora.trials.drivers import TrialOutcome, train_and_score
from ohlora.trials.jobs import TrainTrials
from ohlora.trials.plan import planned_trials
from ohlora.trials.report import confusion, plot_confusion, plot_curve, sample_predictions
from ohlora.trials.summary import summary, winner


def watch_trial(job: TrainTrials, data: ImageData) -> float:
    """Train the plan's first trial and leave everything to look at; return its validation macro-F1."""
    out = Path(job.output_dir)
    first = next(planned_trials(job, data, Path(job.cache_dir), save_subset=None))
    subset = first.subset
    if is_main():
        if job.save_subset:
            save_images(subset, Path(job.save_subset))
        log_picture(job.logger, "subset", save_contact_sheet(subset, out / "contact_sheet.png"))
    outcome = train_and_score(
        first.key.params,
        subset,
        job.family.fingerprint,
        job.space.fingerprint,
        job.protocol,
        seed=first.key.seed,
        hardware=job.hardware,
        trainer_settings={
            **job.trainer.arguments(),
            "logger": job.logger,
            "callbacks": list(job.callbacks.values()),
            "default_root_dir": str(out),
        },
    )
    outcome = replace(outcome, record=replace(outcome.record, **job.chosen_by))
    record = outcome.record
    assert record.test_f1 is not None  # a watched trial is scored to the end
    if not is_main():
        return record.val_f1
    added = add_to_table(record, Path(job.table))
    leave(job, outcome, subset, out)
    console = Console()
    console.print(summary(data.title, [record], int(added), record.elapsed_s))
    for line in (
        winner([record], job.space),
        f"one trial on {len(subset.train)} images of {len(subset.class_names)} classes: {out}",
        "" if added else f"not added to {job.table}: the trial is there, or another process has it in hand",
    ):
        console.print(line, soft_wrap=True, markup=False, highlight=False, end="\n" if line else "")
    return record.val_f1


def add_to_table(record: TrialRecord, table: Path) -> bool:
    """Add a record unless it is there or another process is training that trial; whether it was added."""
    journal = Journal(table)
    if not journal.claim(record.key.digest):
        return False
    journal.append(record)
    journal.release(record.key.digest)
    gather(table)
    return True


def leave(job: TrainTrials, outcome: TrialOutcome, subset: Subset, out: Path) -> None:
    """Write and log what can be looked at, and the classifier where one came of it."""
    record = outcome.record
    assert record.test_f1 is not None  # a watched trial is scored to the end
    curve = [
        {name: value if math.isfinite(value) else None for name, value in point.items()}
        for point in outcome.curve
    ]
    write_json(out / "trial.json", {**record.row(), "curve": curve})
    scores = {"val_f1": record.val_f1, "test_f1": record.test_f1}
    if all(is_finite(tensor) for tensor in outcome.module.state_dict().values()):
        save_classifier(out, outcome.module, subset, job.protocol, {"scores": scores})
    counts = confusion(outcome.test_logits, outcome.test_labels)
    title = f"test macro-F1 {record.test_f1:.3f}"
    drawn = plot_confusion(counts, subset.class_names, title, out / "confusion.png")
    log_picture(job.logger, "curve", plot_curve(outcome.curve, record.test_f1, out / "curve.png"))
    log_picture(job.logger, "confusion", drawn)
    log_confusion(job.logger, counts, subset.class_names)
    log_table(
        job.logger, "predictions", *sample_predictions(subset.test, outcome.test_logits, subset.class_names)
    )
    job.logger.log_metrics({"best_val_f1": record.val_f1, "test_f1": record.test_f1}, step=record.steps)
