"""From a folder of images to a classifier that is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ohlora.classify.choosing import Tried, choose, proposed
from ohlora.classify.interval import f1_interval
from ohlora.classify.jobs import Fit
from ohlora.classify.model_folder import keep
from ohlora.classify.place import TRIALS
from ohlora.classify.reading import read_folder, test_files, whole_subset
from ohlora.classify.words import before_training, outcome
from ohlora.datasets.images import Split
from ohlora.datasets.loading import EVAL_BATCH
from ohlora.datasets.subset import Subset
from ohlora.durable import append_whole
from ohlora.errors import OhloraError
from ohlora.predictor.advice import Advice, advise_on
from ohlora.predictor.advice_report import advice_rows
from ohlora.predictor.predictor import NAME, Predictor
from ohlora.progress import progress
from ohlora.space import Params
from ohlora.tracking import log_confusion, log_picture, log_table
from ohlora.trials.classifier import ClassifierCard, ImageClassifier, card_of, classifier_of
from ohlora.trials.cnn import score
from ohlora.trials.drivers import LastWeights, Training, train
from ohlora.trials.protocol import Protocol
from ohlora.trials.report import confusion, sample_predictions
from ohlora.trials.summary import readable


@dataclass(frozen=True)
class Fitted:
    """A classifier, how it came about and how it does on the test images."""

    classifier: ImageClassifier
    advice: Advice
    expected_f1: float | None  # None: not of a training like this
    params: Params
    tried: tuple[Tried, ...]
    subset: Subset
    files: list[Path]  # of the test images
    curve: list[dict[str, float]]  # with the validation images set aside
    val_f1: float  # at its end
    test_logits: Tensor
    test_labels: Tensor
    test_f1: float
    interval: tuple[float, float]  # 95 %, of the macro-F1 on any number of other images


def run_fit(job: Fit) -> float:
    """Train, leave the classifier's folder and say what is in it; return the test macro-F1, 0 to 1."""
    fitted = fit(job, say=partial(print, flush=True))
    kept = keep(fitted, job)
    log_fitted(job, fitted, kept.folder)
    print(outcome(fitted, kept.folder, kept.names))
    if kept.refused:
        raise OhloraError(kept.refused)
    return fitted.test_f1


def log_fitted(job: Fit, fitted: Fitted, folder: Path) -> None:
    """Curves, scores, pictures and tables, for whoever keeps them."""
    logger, names = job.logger, fitted.subset.class_names
    for point in fitted.curve:
        numbers = {name: value for name, value in point.items() if name != "step"}
        logger.log_metrics(numbers, step=int(point["step"]))
    low, high = fitted.interval
    scores = {"test_f1": fitted.test_f1, "test_f1_low": low, "test_f1_high": high}
    if fitted.expected_f1 is not None:
        scores["expected_f1"] = fitted.expected_f1
    logger.log_metrics(scores, step=int(fitted.curve[-1]["step"]))
    for name in ("curve", "confusion", "mistakes"):
        if (picture := folder / f"{name}.png").is_file():
            log_picture(logger, name, picture)
    log_confusion(logger, confusion(fitted.test_logits, fitted.test_labels), names)
    log_table(logger, "predictions", *sample_predictions(fitted.subset.test, fitted.test_logits, names))
    log_table(logger, "advice", advice_rows(fitted.advice))
    if fitted.tried:
        log_table(logger, "trials", pd.json_normalize([asdict(one) for one in fitted.tried]))


def silent(words: str) -> None:
    """Nobody is told."""


def fit(job: Fit, say: Callable[[str], object] = silent) -> Fitted:
    """Advice, trials if some are wanted, the training, and one look at the test images."""
    if job.onnx:
        from ohlora.trials.onnx_file import check_packages

        check_packages()
    predictor = Predictor.load(Path(job.predictor), NAME)
    predictor.check_space(job.space)
    job.hardware.resolve()  # refuses a device that is not there before anything is read
    job.hardware.use_threads()
    data = read_folder(job.images, Path(job.output_dir))
    subset = whole_subset(job.family, data, job.images, job.seed, Path(job.cache_dir))
    advice = advise_on(subset, data, predictor, job.space, Path(job.encoders))
    same_game = predictor.card.get("protocol") in (None, job.protocol.fingerprint)
    say(before_training(advice, job.trials, same_game))

    trainings: list[Training] = []

    def trial(params: Params, number: int) -> float:
        training = trained(job, params, subset, f"trial {number}")
        trainings.append(training)
        lost = is_lost(training)
        val_f1 = 0.0 if lost else training.val_f1
        keep_trial(job, Tried(params, val_f1))
        earned = "out of bounds, counts as 0," if lost else f"validation macro-F1 {val_f1:.3f}"
        say(f"trial {number}: {earned} with {in_words(params, job)}")
        return val_f1

    tried = choose(advice, job.trials, trial)
    suggestion = proposed(advice, tried) if tried else advice
    params = suggestion.params
    if tried:
        say(f"chosen: {in_words(params, job)}")
    learned, longer = subset, scaled(job.protocol, job.longer)
    if job.all_images:  # first once with images set aside, to see how it goes
        again = (one for trial, one in zip(tried, trainings, strict=True) if trial.params == params)
        validated = finite(next(again, None) or trained(job, params, subset, "training"), params)
        learned = replace(subset, train=joined(subset.train, subset.val))
        kept = finite(trained(job, params, learned, "training on all images", unwatched(longer)), params)
    else:
        validated = kept = finite(trained(job, params, subset, "training", longer), params)
    expected_f1 = suggestion.predicted_f1 if same_game else None
    said = {
        "scales": dict(data.scales),
        "training": {
            "seed": job.seed,
            "steps": kept.steps,
            "weights": "last",
            "longer": job.longer,
            "learned_from": "train and val" if job.all_images else "train",
            "trials": [asdict(one) for one in tried],
        },
    }
    classifier = in_memory(kept, learned, job.protocol, said)
    # By the classifier that is kept, as others will use it: the test images are looked at here alone.
    logits = torch.cat([classifier.logits(images) for images in subset.test.images.split(EVAL_BATCH)])
    test_f1 = score(logits, subset.test.labels)[1]
    interval = f1_interval(confusion(logits, subset.test.labels))
    classifier.card["scores"] = {
        "val_f1": validated.val_f1,
        "test_f1": test_f1,
        "test_f1_95": list(interval),
        "expected_f1": expected_f1,
        "images": {"train": len(subset.train), "val": len(subset.val), "test": len(subset.test)},
    }
    return Fitted(
        classifier,
        advice,
        expected_f1,
        params,
        tuple(tried),
        subset,
        test_files(data),
        validated.stopping.curve,
        validated.val_f1,
        logits,
        subset.test.labels,
        test_f1,
        interval,
    )


def keep_trial(job: Fit, tried: Tried) -> None:
    """A line for a finished trial: whoever stops the command has that."""
    path = Path(job.output_dir) / TRIALS
    path.parent.mkdir(parents=True, exist_ok=True)
    append_whole(path, f"{json.dumps(asdict(tried))}\n".encode())


def scaled(protocol: Protocol, times: float) -> Protocol:
    """The protocol with a budget of so many times the steps."""
    budget = protocol.budget
    steps = max(1, round(budget.min_steps * times))
    return replace(protocol, budget=replace(budget, epochs=budget.epochs * times, min_steps=steps))


def unwatched(protocol: Protocol) -> Protocol:
    """The protocol with one validation, at the end."""
    return replace(protocol, budget=replace(protocol.budget, checks=1))


def trained(
    job: Fit, params: Params, subset: Subset, what: str, protocol: Protocol | None = None
) -> Training:
    """A network trained to the end of the budget."""
    protocol = protocol or job.protocol
    steps = protocol.budget.steps(len(subset.train), int(params["batch_size"]))
    with progress(steps, what) as advance:
        return train(
            params,
            subset,
            protocol,
            job.seed,
            job.hardware,
            on_step=lambda step, steps: advance(),
            stopping=LastWeights(),
        )


def is_lost(training: Training) -> bool:
    """Whether the loss or a weight is no number any more."""
    weights = training.module.state_dict().values()
    return training.stopping.diverged or not all(bool(torch.isfinite(t).all()) for t in weights)


def finite(training: Training, params: Params) -> Training:
    """A training that ended well; OhloraError for one that is lost."""
    if is_lost(training):
        raise OhloraError(
            f"the training went out of bounds after {training.steps} steps with learning_rate"
            f" {readable(params['learning_rate'])}: try a lower one, params.learning_rate=1e-3"
        )
    return training


def joined(first: Split, second: Split) -> Split:
    return Split(torch.cat([first.images, second.images]), torch.cat([first.labels, second.labels]))


def in_words(params: Params, job: Fit) -> str:
    return ", ".join(f"{name} {readable(params[name])}" for name in job.space.free) or "what is fixed"


def in_memory(
    training: Training, learned: Subset, protocol: Protocol, said: Mapping[str, Any]
) -> ImageClassifier:
    """The classifier as it will be read from its folder."""
    card = card_of(training.module, learned, protocol, said)
    tensors = {name: tensor.cpu() for name, tensor in training.module.state_dict().items()}
    return classifier_of(ClassifierCard.read(card), tensors, card)
