"""What contestants bring to a subset: the predictor, and the fixed answers read off it.

The one place where a league asks the predictor's room for anything but a search.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ohlora.battle.contestants.base import MatchContext
from ohlora.battle.league.jobs import PlayLeague
from ohlora.datasets.images import ImageData
from ohlora.datasets.subset import Subset
from ohlora.datasets.titles import source
from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.features.describe import FEATURES_VERSION, Encoder, describe
from ohlora.features.table import encoder_for, with_features
from ohlora.precision import one_thread
from ohlora.predictor.cross_fit import cross_fit
from ohlora.predictor.fixed import fixed_answer
from ohlora.predictor.predictor import NAME, Predictor
from ohlora.predictor.search import search
from ohlora.predictor.table import predictor_table
from ohlora.records.table import comparable_rows, read_table
from ohlora.space import Params, Space

PORTFOLIO_SUBSETS = 120  # known subsets a portfolio is chosen on, evenly over datasets
TARGET, FOLDS, FIT_SEED = "test_f1", 5, 0  # as conf/model/hp_predictor.yaml fits the one that ships


class Knowledge:
    """A predictor in a space, and the fixed answers that follow from its table."""

    def __init__(self, predictor: Predictor, space: Space, cache_dir: Path) -> None:
        predictor.check_space(space)
        self.predictor, self.space = predictor, space
        said = [self.weights, self.code, {name: str(axis) for name, axis in space.free.items()}, space.fixed]
        name = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
        self._cache = cache_dir / f"fixed-answers-{name}.json"
        self._answers: dict[str, list[Params]] = {}
        if self._cache.is_file():
            self._answers = json.loads(self._cache.read_text(encoding="utf-8"))

    @cached_property
    def weights(self) -> str:
        """Digest of the predictor's weights."""
        return str(self.predictor.card["weights"]["sha256"])[:16]

    @cached_property
    def code(self) -> str:
        """Digest of the code that looks at a subset and chooses."""
        return code_digest("features/*.py", "predictor/*.py")

    def known(self, dataset: str) -> str | None:
        """The dataset as the table names it where it has a part of it, else None: the whole table."""
        return self.predictor.known_as(dataset)

    def fixed(self, dataset: str | None) -> Params:
        """The one set of params that is best on average over the table, or its part of `dataset`."""
        return self._answer(
            f"fixed {dataset or ''}",
            lambda: [fixed_answer(self.predictor, self.space, dataset)],
        )[0]

    def portfolio(self, count: int, dataset: str | None) -> list[Params]:
        """`count` sets of params, each the one that adds most to the best of those before it.

        Candidates are what the predictor thinks best on each known subset, and the fixed answers. They are
        valued by the predictor's scores over the known subsets: in the table itself hardly two subsets have
        the same params.
        """
        return self._answer(f"portfolio {dataset or ''}", lambda: self._portfolio(dataset))[:count]

    def _answer(self, key: str, find: Callable[[], list[Params]]) -> list[Params]:
        """What was found before; what takes seconds is kept in the cache."""
        if key not in self._answers:
            self._answers[key] = find()
            write_json(self._cache, self._answers)
        return self._answers[key]

    def _portfolio(self, dataset: str | None) -> list[Params]:
        candidates, values = self._candidates(dataset)
        return [candidates[i] for i in greedy(values)]

    @one_thread()
    def _candidates(self, dataset: str | None) -> tuple[list[Params], np.ndarray]:
        """Candidates, and what each is expected to score on each known subset [subsets, candidates]."""
        predictor = self.predictor
        rows = evenly(predictor.known_datasets, dataset, PORTFOLIO_SUBSETS)
        vectors = [predictor.known[i : i + 1] for i in rows]
        found = [self.fixed(dataset), self.fixed(None)]
        # Every promise is followed: a portfolio wants other params, not the fixed answer again and again.
        found += [search(predictor, self.space, vector, seed=0, margin=0.0).params for vector in vectors]
        candidates = list({str(sorted(params.items())): params for params in found}.values())
        encoded = np.array([self.space.encode(params) for params in candidates])
        return candidates, np.stack([predictor.members(v, encoded).mean(0).numpy() for v in vectors])


def code_digest(*patterns: str) -> str:
    """Digest of files of this package: what is kept in a cache was made by the same code."""
    here = Path(__file__).resolve().parents[2]
    files = [path for pattern in patterns for path in sorted(here.glob(pattern))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def evenly(datasets: Sequence[str], only: str | None, most: int) -> list[int]:
    """At most so many of the known subsets, evenly over datasets and over the table of each."""
    names = sorted(set(datasets)) if only is None else [only]
    rows: list[int] = []
    for name in names:
        own = np.flatnonzero(np.array(datasets) == name)
        rows += own[np.unique(np.linspace(0, len(own) - 1, max(1, most // len(names))).astype(int))].tolist()
    return rows


def greedy(values: np.ndarray) -> list[int]:
    """Columns of `values` [subsets, candidates] in the order in which each raises the mean best most.

    Of equal ones the earlier; once nothing is gained, by their own mean.
    """
    order: list[int] = []
    best = np.full(len(values), -np.inf)
    left = list(range(values.shape[1]))
    while left:
        gains = np.maximum(values[:, left], best[:, None]).mean(0)
        pick = left[int(np.lexsort((-values[:, left].mean(0), -gains))[0])]
        order.append(pick)
        left.remove(pick)
        best = np.maximum(best, values[:, pick])
    return order


@dataclass(frozen=True)
class Brought:
    """What contestants bring to any subset of one dataset."""

    knowledge: Knowledge
    dataset: str

    @property
    def weights(self) -> str:
        return self.knowledge.weights

    @property
    def code(self) -> str:
        return self.knowledge.code

    @property
    def fitted_on(self) -> str | None:
        """Fingerprint of the protocol whose scores the predictor knows."""
        return self.knowledge.predictor.card.get("protocol")

    def fixed(self, per_dataset: bool) -> Params:
        return self.knowledge.fixed(self._part(per_dataset))

    def portfolio(self, count: int, per_dataset: bool) -> list[Params]:
        return self.knowledge.portfolio(count, self._part(per_dataset))

    def _part(self, per_dataset: bool) -> str | None:
        return self.knowledge.known(self.dataset) if per_dataset else None


@dataclass(frozen=True)
class LeagueContext(MatchContext):
    """What contestants may look at on one subset of a league."""

    brought: Brought

    def own_seed(self, salt: str) -> int:
        """A seed that is neither the subset's nor another dataset's."""
        recipe = self.subset.recipe
        return zlib.crc32(f"{recipe.dataset}/{recipe.family}/{recipe.seed}/{salt}".encode())


class Library:
    """The knowledge that is brought to each dataset, made once."""

    def __init__(self, job: PlayLeague) -> None:
        self.job = job
        self.shipped = Predictor.load(Path(job.predictor), NAME)
        self.shipped.check_space(job.space)
        self.shipped.check_encoders(Path(job.encoders))
        self._known: dict[str, Knowledge] = {}  # by the source it is without
        self._encoders: dict[str, Encoder] = {}

    def brought(self, dataset: str) -> Brought:
        """What is known when it is played on `dataset`; with `unseen` nothing that came of it."""
        without = source(dataset) if self.job.league.unseen else ""
        if without not in {source(name) for name in self.shipped.known_datasets}:
            without = ""  # never seen anyway
        if without not in self._known:
            predictor = fitted_without(self.job, self.shipped, without) if without else self.shipped
            self._known[without] = Knowledge(predictor, self.job.space, Path(self.job.cache_dir))
        return Brought(self._known[without], dataset)

    def context(self, data: ImageData, subset: Subset) -> LeagueContext:
        """What contestants may look at on a subset of `data`."""
        if data.name not in self._encoders:
            self._encoders[data.name] = encoder_of(self.job, data)
        features = describe(subset, self._encoders[data.name])
        if odd := [name for name, value in features.items() if not math.isfinite(value)]:
            raise OhloraError(f"{subset.recipe} cannot be described: {odd[0]} is not a number")
        brought = self.brought(data.name)
        predictor = brought.knowledge.predictor
        return LeagueContext(subset, self.job.space, predictor, features, subset.recipe.seed, brought)


def encoder_of(job: PlayLeague, data: ImageData) -> Encoder:
    """The encoder of a dataset; with `unseen` one of other images, where there is one of as many channels."""
    from ohlora.features.autoencoder import load_encoder

    if not job.league.unseen or data.channels == 3:  # one encoder for colour ships, of CIFAR-10
        return encoder_for(data, Path(job.encoders))
    return load_encoder(Path(job.encoders) / ("mnist" if data.name == "fashion" else "fashion"))


def fitted_without(job: PlayLeague, shipped: Predictor, without: str) -> Predictor:
    """The predictor as the one at hand was fitted, on its table less one source; kept in the cache."""
    frame = table_without(job, shipped, without)
    settings = shipped.ensemble.settings
    fits = code_digest(
        *(f"predictor/{name}.py" for name in ("calibration", "cross_fit", "fixed", "model", "predictor"))
    )
    said = [without, FEATURES_VERSION, settings, shipped.feature_names, TARGET, FOLDS, FIT_SEED, fits]
    hashed = hashlib.sha256(repr(said).encode())
    hashed.update(frame.to_csv(index=False).encode())
    folder = Path(job.cache_dir) / f"predictor-without-{without}-{hashed.hexdigest()[:12]}"
    if (folder / f"{NAME}.json").is_file():
        return Predictor.load(folder, NAME)
    report = {"without": without, "trials": len(frame)}
    card = {"report": report, "protocol": shipped.card.get("protocol")}
    table = predictor_table(frame, job.space, TARGET, shipped.feature_names)
    fitted = cross_fit(table, job.space, settings, FIT_SEED, FOLDS)
    assert fitted  # one process
    fitted.calibrated(job.space, FIT_SEED, frame, card).save(folder, NAME)
    return Predictor.load(folder, NAME)


def table_without(job: PlayLeague, shipped: Predictor, without: str) -> pd.DataFrame:
    """The target table less one source, with features."""
    drawn = {name: family.fingerprint for name, family in job.families.items()}
    frame = read_table([job.target_table])
    protocol = str(shipped.card.get("protocol", job.protocol.fingerprint))
    frame = comparable_rows(frame, protocol, drawn)
    kept = frame["dataset"].map(lambda name: source(str(name)) != without).to_numpy(bool)
    if not kept.any():
        raise OhloraError(f"{job.target_table} has nothing but {without}: nothing is left to learn from")
    frame = frame.loc[kept].reset_index(drop=True)
    return with_features(frame, job.datasets, job.families, Path(job.encoders), Path(job.cache_dir))
