"""A league as conf/league/ names it: which subsets, who plays, how often, and where it is kept."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import Strict

from ohlora.battle.league.entries import Entry
from ohlora.config import Count, Index, InvalidConfig, Many, Name, Span, compared, config, deferred
from ohlora.datasets.families import AtLeastTwo, Family
from ohlora.datasets.readers import DatasetReader
from ohlora.errors import nearest
from ohlora.hardware import Hardware
from ohlora.loggers import LoggerChoice
from ohlora.seeds import LEAGUE_SEEDS
from ohlora.space import Space
from ohlora.trials.protocol import Protocol

HERS = "ohlora"  # the contestant that all others are measured against
SEEDS_APART = 1_000_000  # of the first subsets of two datasets


@config
class Stratum:
    """Subsets of one family and of some sizes: so many of each dataset, by ascending seed."""

    family: Name  # of those in `families`
    images: Span[AtLeastTwo]  # training images, both included
    subsets: Count  # of each dataset
    skip: Annotated[int, Ge(0), Le(SEEDS_APART - 1)]  # seeds between the dataset's first and this stratum's


@config
class Bootstrap:
    """Intervals over subsets."""

    resamples: Annotated[int, Ge(100), Le(1_000_000)]
    seed: Index
    level: Annotated[float, Gt(0), Le(0.9999)]  # share of resamples inside an interval


@config
class LeagueLimits:
    """What `size=` allows a league: the whole (null), or a part to see it move."""

    subsets: Count | None  # of each dataset, at most
    trials: Count | None  # of each contestant, at most


@config
class League:
    """The rules, the subsets and the contestants: fixed before anything is played."""

    name: Name
    rules: Literal["fair", "classic_optuna"]
    unseen: bool  # the predictor has never seen the dataset that is played on
    datasets: Annotated[tuple[Name, ...], Strict(False), MinLen(1)]
    first_seeds: dict[Name, Annotated[int, Ge(LEAGUE_SEEDS), Le(2**31)]]  # of each dataset's subsets
    strata: Annotated[dict[Name, Stratum | None], MinLen(1)]  # None: left out
    contestants: Annotated[dict[Name, Entry | None], MinLen(2)]  # None: stays away
    headline: Name  # the rival whose difference the command returns
    final_seeds: Annotated[Many[Annotated[int, Ge(0), Le(999_999)]], MinLen(1)]
    published: dict[Name, Annotated[float, Ge(0), Le(1)]]  # her win rates as others gave them, by dataset
    bootstrap: Bootstrap
    at_once: Count | None  # subsets that advance together; null: 4 on a CPU, 64 on a GPU
    driver: Literal["stacked", "lean"]
    members: Count | None  # of a stack; null: what suits the device
    mix: bool  # go on with trainings made in another precision or on another device
    play: bool  # false: only the report of what has been played
    folder: Name

    @property
    def parts(self) -> dict[str, Stratum]:
        """The strata that count."""
        return {name: one for name, one in self.strata.items() if one is not None}

    @property
    def entries(self) -> dict[str, Entry]:
        """The contestants that play."""
        return {name: one for name, one in self.contestants.items() if one is not None}

    @compared
    def _has_subsets(self) -> None:
        if not self.parts:
            raise InvalidConfig([("strata", ": all of them are left out")])

    @compared
    def _has_her(self) -> None:
        faults = []
        if HERS not in self.entries or self.entries[HERS].kind != "ohlora":
            faults.append(("contestants", f" lacks {HERS}, whom all others are measured against"))
        if self.headline not in self.entries or self.headline == HERS:
            rivals = [name for name in self.entries if name != HERS]
            hint = nearest(self.headline, rivals)
            faults.append(("headline", f"={self.headline} is not one of {' | '.join(rivals)}{hint}"))
        if faults:
            raise InvalidConfig(faults)

    @compared
    def _scores_on_seeds_of_their_own(self) -> None:
        seeds = self.final_seeds
        if len(set(seeds)) < len(seeds):
            raise InvalidConfig([("final_seeds", f"={list(seeds)}: each seed once")])
        if self.rules == "fair" and 0 in seeds:
            raise InvalidConfig(
                [("final_seeds", f"={list(seeds)}: 0 is the trials' own; fair rules score fresh")]
            )
        if self.rules == "classic_optuna" and list(seeds) != [0]:
            raise InvalidConfig(
                [
                    (
                        "final_seeds",
                        f"={list(seeds)}: by the rules of classic_optuna the trials' own score: [0]",
                    )
                ]
            )

    @compared
    def _knows_each_seed(self) -> None:
        if missing := [name for name in self.datasets if name not in self.first_seeds]:
            raise InvalidConfig([("first_seeds", f" has none for {' and '.join(missing)}")])

    @compared
    def _seeds_lie_apart(self) -> None:
        for (one, first), (other, second) in combinations(self.first_seeds.items(), 2):
            if abs(first - second) < SEEDS_APART:
                raise InvalidConfig(
                    [("first_seeds", f": {one} and {other} start less than {SEEDS_APART} seeds apart")]
                )


@config
class PlayLeague:
    """Play what is missing of a league, then report on all that has been played."""

    league: League
    league_limits: LeagueLimits
    dataset: DatasetReader | None  # a single one; None: those that the league names
    datasets: dict[Name, DatasetReader]
    families: dict[Name, Family]
    space: Space
    protocol: Protocol
    hardware: Hardware
    predictor: Name
    encoders: Name
    target_table: Name
    cache_dir: Name
    output_dir: Name
    logger: LoggerChoice

    @compared
    def _datasets_are_known(self) -> None:
        unknown = [name for name in self.league.datasets if name not in self.datasets]
        if unknown and self.dataset is None:
            raise InvalidConfig(
                [
                    (
                        "league",
                        f".datasets: {' and '.join(unknown)} not one of {' | '.join(self.datasets)}"
                        f"{nearest(unknown[0], self.datasets)}",
                    )
                ]
            )

    @compared
    def _families_are_known(self) -> None:
        unknown = {one.family for one in self.league.parts.values()} - set(self.families)
        if unknown:
            raise InvalidConfig(
                [
                    (
                        "league",
                        f".strata: family {' and '.join(sorted(unknown))} is not one of"
                        f" {' | '.join(self.families)}{nearest(min(unknown), self.families)}",
                    )
                ]
            )

    # her mean difference to the headline rival, -1 to 1; nan: nothing is complete
    run = deferred("ohlora.battle.league.play", "play_league")
