"""What trials of one's own are worth: python benchmarks/few_shot.py

Over a table's own trials, as HPO-B does (Pineda Arango et al. 2021): on each subset with 16 trials or more a
method asks for the validation score of one trial after the other and says which it would take; that trial's
test score counts. The predictor was fitted on other subsets (halves, dataset by dataset), or on other
datasets (halves of the datasets); how far it trusts itself is from the card of the one that ships.

ohlora    predictor and Gaussian process: next by expected improvement; of the trials and the first choice
          the highest mean is taken, on a known dataset only if it is WORTH_CHANGING above the first's; the
          first choice is the highest prediction, not held to a fixed answer
prior     the predictor's order; the best validation score is taken
gp        the same Gaussian process without the predictor; its first two trials are random
random    random trials; the best validation score is taken

Told for 0 to 16 trials: mean macro-F1 over ohlora's without trials, with 95 % bootstrap intervals over
subsets; regret as a share of the subset's range of test scores (0: its best trial, which chance has helped);
mean rank among the four (1 is best); for other margins in the place of WORTH_CHANGING the gain and the gain
that a twentieth of the subsets stay below; with the noise of a trial by images and level in the place of a
constant (benchmarks/noise.py) the difference to ohlora's score, its standard error over subsets, and the
share of subsets whose first choice is kept by either. Writes docs/results/few_shot.json, and regret and rank
as few_shot.png, in some 15 minutes of a core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from choice_rules import MOST, SEED, halves, interval, job_of
from scipy.stats import rankdata

from ohlora.battle.league.figures import MARKS, trial_axis
from ohlora.durable import write_json
from ohlora.figures import plt, save_figure
from ohlora.predictor.cross_fit import source_folds
from ohlora.predictor.fit import own_table
from ohlora.predictor.jobs import FitPredictor
from ohlora.predictor.predictor import Predictor, fit, load, standardised, with_noise
from ohlora.predictor.search import WORTH_CHANGING, Belief
from ohlora.predictor.study_model import NOISE
from ohlora.predictor.table import PredictorTable, predictor_table
from ohlora.provenance import current_commit
from ohlora.space import Space

LEAST = 16  # trials of a subset
TRIALS = (0, 1, 2, 4, 8, 16)
MARGINS = (0.0, 0.005, 0.01, 0.015, 0.03, 0.05)
SCALE, BY_IMAGES, BY_LEVEL = 0.0527, -0.2984, 0.5541  # of a trial's noise: docs/results/noise.json
OUT = Path("docs/results/few_shot.json")
CURVES = {"regret": "regret, share of the subset's range", "rank": "mean rank (1 is best)"}


@dataclass(frozen=True)
class Pool:
    """A subset's trials: what may be asked for, and what each scored."""

    dataset: str
    params: list[dict]
    encoded: np.ndarray  # [trials, columns]
    val: np.ndarray
    test: np.ndarray
    predictor: Predictor
    space: Space
    features: np.ndarray  # [features]
    seed: int
    by_level: bool = False  # the noise, which else is the constant NOISE

    def __len__(self) -> int:
        return len(self.val)

    @cached_property
    def vector(self) -> torch.Tensor:
        raw = torch.from_numpy(self.features[None]).float()
        return standardised(raw, self.predictor.mean, self.predictor.std)

    @cached_property
    def by_chance(self) -> np.ndarray:
        return np.random.default_rng([SEED, self.seed]).permutation(len(self))

    @cached_property
    def images(self) -> float:
        return float(np.exp(self.features[self.predictor.feature_names.index("counts.log_images")]))

    def noise(self, tried: list[int]) -> float:
        """Standard deviation (macro-F1) that the noise of a trial is thought to have before the fit."""
        if not self.by_level or not tried:
            return NOISE[0]
        level = float(self.val[tried].mean().clip(0.01, 0.99))
        return SCALE * (self.images / 300) ** BY_IMAGES * (4 * level * (1 - level)) ** BY_LEVEL

    def belief(self, tried: list[int]) -> Belief:
        history = [(self.params[i], float(self.val[i])) for i in tried]
        return Belief(self.predictor, self.space, self.vector, history, self.noise(tried))

    @cached_property
    def familiar(self) -> bool:
        return self.predictor.on(self.vector).familiar

    @cached_property
    def asked(self) -> dict[int, tuple[list[int], np.ndarray]]:
        """What she has asked for, and what she then expects of each trial [trials], by the number of them."""
        tried: list[int] = []
        found = {}
        for n in range(max(TRIALS) + 1):
            belief = self.belief(tried)
            if n in TRIALS:
                found[n] = (tried.copy(), belief.mean(self.encoded))
            if n < max(TRIALS):
                tried.append(untried(belief.improvement(self.encoded), tried))
        return found

    def followed(self, margin: float) -> dict[int, int]:
        """What she takes, as `best_trained` does, with another margin for datasets that are known."""
        first = int(self.asked[0][1].argmax())
        least = margin if self.familiar else 0.0
        taken = {}
        for n, (tried, mean) in self.asked.items():
            best = max(tried, key=lambda i: mean[i], default=first)
            taken[n] = best if mean[best] - mean[first] > least else first
        return taken

    def best_tried(self, tried: list[int]) -> int:
        return max(tried, key=lambda i: self.val[i])


# What a method takes after the trials it has asked for: one index for each number in TRIALS that it can say.
Method = Callable[[Pool], dict[int, int]]


def untried(worth: np.ndarray, tried: list[int]) -> int:
    worth = worth.copy()
    worth[tried] = -np.inf
    return int(worth.argmax())


def ohlora(pool: Pool) -> dict[int, int]:
    return pool.followed(WORTH_CHANGING)


def prior(pool: Pool) -> dict[int, int]:
    order = (-pool.belief([]).mean(pool.encoded)).argsort()
    return {n: pool.best_tried(order[:n].tolist()) for n in TRIALS if n}


def by_chance(pool: Pool) -> dict[int, int]:
    return {n: pool.best_tried(pool.by_chance[:n].tolist()) for n in TRIALS if n}


def process(pool: Pool) -> dict[int, int]:
    tried = pool.by_chance[:2].tolist()
    taken = {1: tried[0]}
    for n in range(2, max(TRIALS) + 1):
        belief = pool.belief(tried)
        assert belief.model is not None
        free = belief.model.models[1]
        points = belief.points(pool.encoded)
        if n in TRIALS:
            taken[n] = int(free(points)[0].argmax())
        tried.append(untried(belief.model.improvement(points, 0.0), tried))
    return taken


METHODS: dict[str, Method] = {"ohlora": ohlora, "prior": prior, "gp": process, "random": by_chance}


def pools(
    job: FitPredictor,
    table: PredictorTable,
    rows: np.ndarray,
    val: np.ndarray,
    params: list[dict],
    least: int = LEAST,
    most: int = MOST,
) -> Iterator[Pool]:
    """Subsets among `rows` with `least` trials or more, at most `most` of a dataset.

    The predictor is fitted on all other rows.
    """
    shipped = load()
    card = {"calibration": shipped.card["calibration"]}
    chooser = with_noise(fit(table.rows(~rows), job.space, job.settings, SEED), shipped.noise, card)
    taken: dict[str, int] = {}
    for g in np.unique(table.group[rows]):
        own = np.flatnonzero(table.group == g)
        dataset = str(table.datasets[own[0]])
        if len(own) < least or taken.get(dataset, 0) >= most:
            continue
        taken[dataset] = taken.get(dataset, 0) + 1
        yield Pool(
            dataset,
            [params[i] for i in own],
            table.params[own],
            val[own],
            table.target[own],
            chooser,
            job.space,
            table.features[own[0]],
            int(g),
        )


def told(rows: list[dict]) -> dict:
    """`rows`: of each subset, its pool and what each method took."""
    found: dict = {"subsets": len(rows)}
    for n in TRIALS:
        names = [name for name in METHODS if all(n in row[name] for row in rows)]
        scores = np.array([[row["pool"].test[row[name][n]] for name in names] for row in rows])
        first = np.array([row["pool"].test[row["ohlora"][0]] for row in rows])
        top, low = (np.array([end(row["pool"].test) for row in rows]) for end in (np.max, np.min))
        regret = (top[:, None] - scores) / np.maximum(top - low, 1e-6)[:, None]
        ranks = rankdata(-scores, axis=1)
        found[n] = {
            name: {
                "gain": round(float((scores[:, i] - first).mean()), 4),
                "interval": interval(scores[:, i] - first),
                "regret": round(float(regret[:, i].mean()), 4),
                "rank": round(float(ranks[:, i].mean()), 2),
            }
            for i, name in enumerate(names)
        }
    pools = [row["pool"] for row in rows]
    found["familiar"] = round(float(np.mean([pool.familiar for pool in pools])), 3)
    found["by_margin"] = {margin: gains(pools, margin) for margin in MARGINS}
    found["noise_by_level"] = noise_by_level(pools)
    return found


def gains(pools: list[Pool], margin: float) -> dict:
    """By number of trials, macro-F1 on test above that of the first choice."""
    taken = [pool.followed(margin) for pool in pools]
    found = {}
    for n in TRIALS[1:]:
        gain = np.array([p.test[one[n]] - p.test[one[0]] for p, one in zip(pools, taken, strict=True)])
        found[n] = {
            "gain": round(float(gain.mean()), 4),
            "interval": interval(gain),
            "twentieth": round(float(np.quantile(gain, 0.05)), 4),
        }
    return found


def noise_by_level(pools: list[Pool]) -> dict:
    """By number of trials, macro-F1 on test where noise goes by images and level, less that of a constant."""
    both = [[p.followed(WORTH_CHANGING) for p in (pool, replace(pool, by_level=True))] for pool in pools]
    found = {}
    for n in TRIALS[1:]:
        more = np.array([p.test[by[n]] - p.test[one[n]] for p, (one, by) in zip(pools, both, strict=True)])
        kept = np.mean([[taken[n] == taken[0] for taken in pair] for pair in both], axis=0)
        found[n] = {
            "difference": round(float(more.mean()), 4),
            "standard_error": round(float(more.std(ddof=1) / len(more) ** 0.5), 4),
            "keeps_first": {"ohlora": round(float(kept[0]), 3), "by_level": round(float(kept[1]), 3)},
        }
    return found


def trials(job: FitPredictor) -> tuple[PredictorTable, np.ndarray, list[dict]]:
    """The table that ships, with the validation score and the params of each row."""
    frame = own_table(job)
    table = predictor_table(frame, job.space, job.target, job.features)
    columns = [f"params.{name}" for name in job.space.within]
    params = [
        dict(zip(job.space.within, row, strict=True)) for row in frame[columns].to_numpy(object).tolist()
    ]
    return table, frame["val_f1"].to_numpy(float), params


def draw(report: dict, path: Path) -> Path:
    """Regret and mean rank against trials, HPO-B's curves; `report` as written."""
    parts = [name for name, part in report.items() if isinstance(part, dict)]
    figure, axes = plt.subplots(
        2, len(parts), figsize=(4.6 * len(parts), 6.4), layout="constrained", sharey="row", squeeze=False
    )
    for column, part in zip(axes.T, parts, strict=True):
        for axis, (kind, label) in zip(column, CURVES.items(), strict=True):
            for i, name in enumerate(METHODS):
                after = [n for n in TRIALS[1:] if name in report[part][n]]
                axis.plot(after, [report[part][n][name][kind] for n in after], label=name, marker=MARKS[i])
            trial_axis(axis, list(TRIALS[1:]))
            axis.set_ylabel(label)
        column[0].set(title=f"{part.replace('_', ' ')} ({report[part]['subsets']} subsets)")
        column[1].set_xlabel("trials")
    axes[0][0].set_ylim(bottom=0)
    axes[0][0].legend()
    return save_figure(figure, path)


def main() -> None:
    torch.set_num_threads(1)
    job = job_of([])
    table, val, params = trials(job)
    report = {"commit": current_commit(), "trials": list(TRIALS)}
    cuts = {"subsets_unseen": halves(table), "datasets_unseen": source_folds(table.datasets, 2)}
    for part, masks in cuts.items():
        rows = [
            {"pool": pool, **{name: method(pool) for name, method in METHODS.items()}}
            for mask in masks
            for pool in pools(job, table, mask, val, params)
        ]
        report[part] = told(rows)
        print(part, report[part]["subsets"], "subsets")
        for n in TRIALS:
            print(f"  {n:2}", report[part][n], flush=True)
        for margin in MARGINS:
            print(f"  margin {margin}", report[part]["by_margin"][margin], flush=True)
        for n, found in report[part]["noise_by_level"].items():
            print(f"  noise by level, {n:2}", found, flush=True)
    write_json(OUT, report)
    draw(report, OUT.with_suffix(".png"))


if __name__ == "__main__":
    main()
