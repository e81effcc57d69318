"""The subsets of a league: a fixed list, in an order that is balanced wherever one stops."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from ohlora.battle.league.jobs import PlayLeague, Stratum
from ohlora.datasets.families import Family, SubsetRecipe
from ohlora.datasets.images import ImageData
from ohlora.datasets.readers import DatasetReader
from ohlora.datasets.subset import draw_valid_seeds
from ohlora.datasets.titles import source
from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.progress import progress

PATIENCE = 400  # subsets drawn in a row that no stratum has a place for


@dataclass(frozen=True)
class Fixture:
    """One subset that everyone plays on."""

    recipe: SubsetRecipe
    stratum: str
    title: str  # of the dataset, for people
    n_train: int

    @property
    def name(self) -> str:
        return f"{self.recipe.dataset}-{self.recipe.family}-{self.recipe.seed}"

    @property
    def digest(self) -> str:
        """The name as a claim has it: a folder's may hold anything."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:16]

    @property
    def file(self) -> str:
        """The name of what is kept of it."""
        return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', self.name)[:80]}-{self.digest[:8]}.json"


@dataclass(frozen=True)
class Plan:
    """Every subset of a league, in the order they are played; `notes` say what could not be had."""

    fixtures: tuple[Fixture, ...]
    notes: tuple[str, ...]

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.recipe.dataset for one in self.fixtures))


def load_datasets(job: PlayLeague) -> dict[str, ImageData]:
    """The datasets that are played on, by the name in records; one message for all that are not at hand."""
    readers = [job.dataset] if job.dataset else [job.datasets[name] for name in job.league.datasets]
    found, faults = {}, []
    for reader in readers:
        try:
            data = reader.load()
        except OhloraError as error:
            faults.append(str(error))
            continue
        found[data.name] = data
        if source(data.name) not in job.league.first_seeds:
            faults.append(
                f"league.first_seeds has no seed for {data.name}: +league.first_seeds.{source(data.name)}=..."
            )
    if faults:
        raise OhloraError("; ".join(faults))
    return found


def reader_name(reader: DatasetReader) -> str:
    """A single dataset's name before it is read."""
    return ":".join([type(reader).__name__, *(str(getattr(reader, key, "")) for key in ("name", "root"))])


def plan_path(job: PlayLeague) -> Path:
    """Where a plan is kept: under a name that changes with all it hangs on."""
    league = job.league
    settings = [
        reader_name(job.dataset) if job.dataset else list(league.datasets),
        league.first_seeds,
        {name: asdict(one) for name, one in league.parts.items()},
        {one.family: job.families[one.family].fingerprint for one in league.parts.values()},
        job.league_limits.subsets,
    ]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    return Path(league.folder) / "plans" / f"{league.name}-{digest}.json"


def known_plan(job: PlayLeague) -> Plan | None:
    """The plan as an earlier run has kept it."""
    path = plan_path(job)
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    fixtures = [Fixture(SubsetRecipe(**one.pop("recipe")), **one) for one in content["fixtures"]]
    return Plan(tuple(fixtures), tuple(content["notes"]))


def make_plan(job: PlayLeague, datasets: Mapping[str, ImageData]) -> Plan:
    """Find the subsets of every stratum, by ascending seed, and keep the list."""
    if (known := known_plan(job)) is not None:
        return known
    strata = job.league.parts
    drawn, notes = [], []
    with progress(len(datasets), "looking for subsets") as advance:
        for data in datasets.values():
            drawn.append(fill_strata(job, data))
            for name, some in drawn[-1].items():
                if len(some) < strata[name].subsets:
                    low, high = strata[name].images
                    notes.append(
                        f"{data.title} has {len(some)} of {strata[name].subsets} {name} subsets"
                        f" ({strata[name].family}, {low} to {high} training images)"
                    )
            advance()
    wanted = {name: one.subsets for name, one in strata.items()}
    fixtures = in_order(drawn, wanted, job.league_limits.subsets)
    if not fixtures:
        raise OhloraError("no subset of any stratum was found: " + "; ".join(notes))
    plan = Plan(tuple(fixtures), tuple(notes))
    write_json(plan_path(job), {"fixtures": [asdict(one) for one in fixtures], "notes": notes})
    return plan


def in_order(
    drawn: Sequence[Mapping[str, Sequence[Fixture]]], wanted: Mapping[str, int], most: int | None
) -> list[Fixture]:
    """The subsets of each dataset by stratum as one list, at most so many of a dataset.

    A stratum is as far into its number of subsets as any other and as that of any other dataset.
    """
    rows = [
        ((i + 0.5) / wanted[name], place, at, one)
        for at, strata in enumerate(drawn)
        for place, (name, some) in enumerate(strata.items())
        for i, one in enumerate(some)
    ]
    found, counts = [], Counter[str]()
    for *_, one in sorted(rows, key=lambda row: row[:3]):
        counts[one.recipe.dataset] += 1
        if most is None or counts[one.recipe.dataset] <= most:
            found.append(one)
    return found


def fill_strata(job: PlayLeague, data: ImageData) -> dict[str, list[Fixture]]:
    """The subsets of every stratum from one dataset, as many as are wanted or there are."""
    league, filled = job.league, {name: [] for name in job.league.parts}
    first = league.first_seeds[source(data.name)]
    streams = {(one.family, one.skip) for one in league.parts.values()}
    for family, skip in sorted(streams):
        open_to = {n: one for n, one in league.parts.items() if (one.family, one.skip) == (family, skip)}
        fill(job.families[family], data, first + skip, Path(job.cache_dir), open_to, filled)
    return filled


def fill(
    family: Family,
    data: ImageData,
    first: int,
    cache: Path,
    strata: Mapping[str, Stratum],
    filled: dict[str, list[Fixture]],
) -> None:
    """Draw subsets from seed `first` on until every one of `strata` is full."""
    idle = 0
    try:
        for seed, subset in draw_valid_seeds(family, data, first, cache):
            size, idle = len(subset.train), idle + 1
            for name, one in strata.items():
                if one.images[0] <= size <= one.images[1] and len(filled[name]) < one.subsets:
                    recipe = SubsetRecipe(data.name, family.name, seed)
                    filled[name].append(Fixture(recipe, name, data.title, size))
                    idle = 0
                    break
            if idle >= PATIENCE or all(len(filled[name]) == one.subsets for name, one in strata.items()):
                return
    except OhloraError:  # hundreds of seeds in a row gave no subset at all: what there is is told in a note
        return
