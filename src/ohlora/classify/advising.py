"""Say which hyperparameters suit a folder of images."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

from lightning.pytorch.loggers import Logger

from ohlora.classify.jobs import Advise
from ohlora.classify.reading import read_folder, whole_subset
from ohlora.classify.words import command, place
from ohlora.durable import write_json
from ohlora.predictor.advice import Advice, advise_on
from ohlora.predictor.advice_report import advice_rows
from ohlora.predictor.predictor import NAME, Predictor
from ohlora.tracking import log_picture, log_table


def run_advise(job: Advise) -> None:
    """Print the advice; leave it as JSON and as a picture in the run's folder."""
    with redirect_stdout(sys.stderr):  # what is printed may be read by a program
        advice = advise(job)
        out = Path(job.output_dir)
        write_json(out / "advice.json", advice.as_json())
        picture = advice.save_picture(out / "advice.png")
        if job.logger is not None:
            log_advice(job.logger, advice, picture)
    if job.format == "json":
        print(json.dumps(advice.as_json(), indent=2, ensure_ascii=False, allow_nan=False))
        return
    print(f"{advice}\n\nas JSON and as a picture: {place(out / 'advice.json')} {place(picture)}")
    print(f"a classifier with these: {command('fit', str(job.folder), 'save_to=my_model')}")


def log_advice(logger: Logger, advice: Advice, picture: Path) -> None:
    """The advice for whoever keeps it: numbers, a row a hyperparameter, the picture."""
    low, high = advice.interval
    logger.log_metrics({"expected_f1": advice.predicted_f1, "expected_f1_low": low, "expected_f1_high": high})
    log_table(logger, "advice", advice_rows(advice))
    log_picture(logger, "advice_picture", picture)


def advise(job: Advise) -> Advice:
    predictor = Predictor.load(Path(job.predictor), NAME)
    predictor.check_space(job.space)
    data = read_folder(job.images, Path(job.output_dir))
    subset = whole_subset(job.family, data, job.images, job.seed, Path(job.cache_dir))
    return advise_on(subset, data, predictor, job.space, Path(job.encoders))
