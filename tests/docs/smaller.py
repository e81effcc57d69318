"""Commands of the pages made short: at size=smoke, with few trials, people and draws; and those left out."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, Command

from ohlora.laboratory.acceptance.jobs import STAGES

# Why some are not run, beside what the pages' own marks say; by a pattern of the whole command.
LEFT_OUT = {
    r"^pytest$": "this suite",
    r"=gemma|chat_gemma": "needs the extra gemma, 1.5 GB and minutes (tests/chat/test_causal.py)",
    r"encoder=e5": "needs the extra e5",
    r"benchmarks/predictors\.py": "needs packages of others, and hours",
    r"chat-train": "needs the extra chat-training",
}
# Words that ask for much, and what is typed instead.
LESS = {
    r"((?:challenger\.)?trials)=(?:[3-9]|\d\d+)": r"\1=2",  # trials=1 is another thing: it is watched
    r"worker=range\(\d+\)": "worker=range(2)",
    r"hydra\.launcher\.n_jobs=\d+": "hydra.launcher.n_jobs=2",
    r"curve=.+": "curve=[10]",
    r"job\.candidates=120": "job.candidates=20",
    r"counts\.candidates=\d+": "counts.candidates=3",
    r"port=\d+": "port=0",
}
FEW_TRIALS = "few_trials.parquet"  # of the table that ships (given.py)
FEW_STEPS = ("schedule.max_steps=2", "schedule.checks=1", "schedule.batch_size=4")
FEW_LINES = ("draws=1", "splices=0", *FEW_STEPS)
COUNTS = {
    "renders": 40, "faces": 16, "unlabelled": 32, "asked": 12, "compared": 16, "swept": 4, "steps": 3,
    "candidates": 3, "frames": 4,
}  # fmt: skip
# Settings that are typed as well, unless the command has them: by a pattern of the whole command.
ADDED = {
    r"train\.py (?!.*model=(?!cnn))": ("trials=2", "trials_per_subset=1"),
    r"model=hp_predictor": ("model.folds=2", f"tables=[{FEW_TRIALS}]"),
    r"model=face_attr": ("labels=20", "job.pool=200", "job.folds=2"),
    r"model=face_directions (?!.*stylegan)": ("samples=200", "job.swept=4"),
    r"model=face_samples": ("samples=60",),
    r"face-report": (
        *(f"counts.{name}={count}" for name, count in COUNTS.items()),
        f"stages=[{','.join(one for one in STAGES if one != 'bank')}]",  # it looks at 4,000 pictures
    ),
    r"mood-report": ("people=8", "judged=4", "frames=2", "epochs=1"),
    r"chat-report": ("conversations=1", "turns=20", "rows=4", "asked_after=4"),
    r"chat-train": ("encoder.epochs=1", "save_to=my_chat"),  # else it takes the place of what ships
    r"ohlora pretrain": ("share=0.002", *FEW_STEPS),
    r"ohlora fine-tune": tuple(
        f"fine_tuning.{'lessons.' * (one in FEW_LINES[:2])}{one}" for one in FEW_LINES
    ),
    r"fine_tuning=rehearsal": ("fine_tuning.lessons.matches=1",),
    r"ohlora measure": ("matches=1", "every=8", "job.sample=4"),
    r"league=": (
        "league.bootstrap.resamples=200",
        "league_limits.subsets=1",
        f"paths.target_table={FEW_TRIALS}",
    ),
    r"league=(?!classic)": ("league.final_seeds=[1]",),
    r"league\.play=false": ("dataset=digits",),  # which was played before
    r"league=leave_one_out": ("league.datasets=[mnist,digits]",),  # a predictor is fitted without each
    r"ui=web|ohlora live": ("port=0",),
}
# What is put in place of what in a copy of the benchmarks, and what follows the file's name in the command.
ONE_DATASET = {'("mnist", "fashion", "cifar10")': '("mnist",)'}
FITTED = {'"model=hp_predictor"': f'"model=hp_predictor", "size=smoke", "paths.target_table={FEW_TRIALS}"'}
BENCHMARKS: dict[str, tuple[dict[str, str], list[str]]] = {
    # At size=default, and two seeds: it ends well only where the goals are met, and tells a spread.
    "accuracy": ({"500_005": "500_002", "in GOALS.items()": 'in [("mnist", GOALS["mnist"])]'}, []),
    "trial_cost": ({**ONE_DATASET, "POINTS = 16": "POINTS = 3"}, []),
    "profile_trial": ({"(16, 32, 64, 128)": "(128,)"}, []),
    "throughput": (ONE_DATASET, ["8"]),
    "sampler": ({}, ["1", "two_1e-4"]),
    "range_ends": (ONE_DATASET, ["1"]),
    "kept_weights": (ONE_DATASET, ["1"]),
    "few_shot": (FITTED, []),
    "promises": (FITTED, []),
    "favourites": (FITTED, []),
    "choice_rules": (FITTED, []),
    "noise": (FITTED, []),
    "learning_curves": ({**FITTED, "DRAWS = 3": "DRAWS = 1"}, []),
    "early_discarding": ({"PARAMS = 16": "PARAMS = 2"}, ["1"]),
    "face_speed": ({"RUNS, STARTS = 2, 3, 3": "RUNS, STARTS = 1, 1, 1"}, ["no-browser"]),
}


def sized(config: str) -> bool:
    """Whether a config (`train`, `fit` ...) has the group `size`."""
    return "- size: " in (ROOT / "conf" / f"{config}.yaml").read_text(encoding="utf-8")


def smaller(command: Command, config: str) -> list[str]:
    """The words of a command of ours, typed so that it takes seconds."""
    words = [*command.words]
    for pattern, less in LESS.items():
        words = [re.sub(rf"^{pattern}$", less, word) for word in words]
    if any(word in ("--help", "--cfg", "--info") for word in words):
        return words
    # What follows `chat ui=web` is the chat's, which has no size, though the battle's server is started.
    added = ["size=smoke"] if sized(config) and "chat" not in words else []
    for pattern, more in ADDED.items():
        added += more if re.search(pattern, str(command)) else ()
    given = {word.partition("=")[0] for word in words}
    return words + [one for one in added if one.partition("=")[0] not in given]


def why_not(command: Command) -> str:
    """Why a command is not run; empty: it is."""
    if command.needs:
        return f"needs {command.needs}"
    return next((why for pattern, why in LEFT_OUT.items() if re.search(pattern, str(command))), "")
