"""One subset of a league: everyone's trials, then the trainings that score what each has chosen."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from ohlora.battle.contestants.base import Attempts
from ohlora.battle.league.entries import Choice, Entry, Numbers
from ohlora.battle.league.jobs import PlayLeague
from ohlora.battle.league.knowledge import Brought, LeagueContext
from ohlora.battle.league.plan import Fixture
from ohlora.battle.referee import after
from ohlora.errors import OhloraError
from ohlora.records.record import TrialKey, TrialRecord
from ohlora.space import Params
from ohlora.trials.stack_members import StackedTrial

OWN_SEED = 0  # of the trials; the seeds of what scores come from the league's settings
Records = Mapping[str, TrialRecord]  # by the digest of their key


@dataclass
class Player:
    """One contestant on one subset: what it has tried, what it waits for, what it stands by."""

    name: str
    entry: Entry
    context: LeagueContext
    numbers: Numbers  # after how many trials it is scored
    digest: str  # of all that its play hangs on
    tried: list[tuple[Params, str]] = field(default_factory=list)  # params, and the digest of the trial
    scores: list[float] = field(default_factory=list)  # what it was told of each
    proposing_s: float = 0.0
    waiting: list[Params] = field(default_factory=list)  # trials that are not trained yet
    choices: dict[int, Choice] = field(default_factory=dict)  # by the number of trials
    _moves: Attempts | None = None

    def start(self) -> None:
        """Ask for the first trial, or for all of them where they hang on no scores."""
        self._moves = self.entry.attempts(self.context, self.numbers[-1])
        if self.entry.adaptive:
            self.waiting = self._next(None)
            return
        while asked := self._next(0.0 if self.waiting else None):
            self.waiting += asked

    def _next(self, score: float | None) -> list[Params]:
        """The next trial, having told the score of the last; empty when there is none."""
        assert self._moves is not None
        if len(self.tried) + (not self.entry.adaptive) * len(self.waiting) >= self.numbers[-1]:
            return []
        started = time.perf_counter()
        params = next(self._moves, None) if score is None else after(self._moves, score)
        self.proposing_s += time.perf_counter() - started
        return [] if params is None else [self.context.space.check(only(self.context, params))]

    def heard(self, digest: str, score: float) -> None:
        """Take in the score of the trial that has waited longest."""
        self.tried.append((self.waiting.pop(0), digest))
        self.scores.append(score)
        if self.entry.adaptive:
            self.waiting = self._next(score)

    def choose(self) -> None:
        """Choose after each stated number of trials, as if there had been no more."""
        pairs = [(params, score) for (params, _), score in zip(self.tried, self.scores, strict=True)]
        for number in self.numbers:
            found = self.entry.choose(self.context, pairs[:number])
            params = self.context.space.check(only(self.context, found.params))
            self.choices[number] = replace(found, params=params)


def only(context: LeagueContext, params: Params) -> Params:
    """The hyperparameters of the space; a search may bring others along."""
    return {name: params[name] for name in context.space.within}


class Contest:
    """Everyone on one subset. Trials first; when all are in, the choices are trained again and tested."""

    def __init__(
        self, job: PlayLeague, fixture: Fixture, context: LeagueContext, kept: Mapping[str, Any]
    ) -> None:
        self.job, self.fixture, self.context = job, fixture, context
        self.classic = job.league.rules == "classic_optuna"
        self.done: dict[str, Any] = {}  # what is kept of contestants that have played
        self.players: list[Player] = []
        for name, digest in digests(job, fixture, context.brought).items():
            if digest in kept:
                self.done[name] = kept[digest]
            else:
                entry = job.league.entries[name]
                numbers = limited(entry.trials, job.league_limits.trials)
                self.players.append(Player(name, entry, context, numbers, digest))
        self._chosen = False
        for player in self.players:
            player.start()

    def wanted(self, records: Records) -> list[StackedTrial]:
        """What is to be trained next, each once; empty when everything is there."""
        wanted = {one.key.digest: one for player in self.players for one in self._explored(player, records)}
        if wanted:
            return list(wanted.values())
        if not self._chosen:
            self._chosen = True
            for player in self.players:
                player.choose()
        finals = {one.key.digest: one for one in self._finals() if not tested(records, one.key.digest)}
        return list(finals.values())

    def _explored(self, player: Player, records: Records) -> Iterator[StackedTrial]:
        """Tell a player every score it waits for that is there; the trials it waits for then."""
        by_test = self.classic and player.entry.kind == "optuna"
        while player.waiting:
            trial = self._trial(player.waiting[0], OWN_SEED, by_test)
            digest = trial.key.digest
            record = records.get(digest)
            score = None if record is None else record.test_f1 if by_test else record.val_f1
            if score is None:
                break
            player.heard(digest, score)
        for params in player.waiting:
            trial = self._trial(params, OWN_SEED, by_test)
            if (by_test and not tested(records, trial.key.digest)) or trial.key.digest not in records:
                yield trial

    def _finals(self) -> Iterator[StackedTrial]:
        for player in self.players:
            for choice in player.choices.values():
                yield from self._final(choice)

    def _final(self, choice: Choice) -> list[StackedTrial]:
        return [self._trial(choice.params, seed, tested=True) for seed in self.job.league.final_seeds]

    def _trial(self, params: Params, seed: int, tested: bool) -> StackedTrial:
        """A training on this subset; its seed is the subset's and `seed` on top, as in a match."""
        job, recipe = self.job, self.fixture.recipe
        fingerprint = job.families[recipe.family].fingerprint
        key = TrialKey(recipe, fingerprint, job.protocol.fingerprint, params, recipe.seed + seed)
        return StackedTrial(key, self.context.subset, job.space.fingerprint, tested)

    def played(self, records: Records) -> dict[str, Any]:
        """What is kept of everyone, once nothing is wanted any more."""
        fresh = {player.name: self._of(player, records) for player in self.players}
        return {name: fresh.get(name) or self.done[name] for name in self.job.league.entries}

    def _of(self, player: Player, records: Records) -> dict[str, Any]:
        tried = [records[digest] for _, digest in player.tried]
        seconds = np.cumsum([0.0, *(record.elapsed_s for record in tried)])
        scored = []
        for number, choice in player.choices.items():
            finals = [records[one.key.digest] for one in self._final(choice)]
            scored.append(
                {
                    "trials": number,
                    "params": choice.params,
                    "predicted_f1": choice.predicted_f1,
                    "predicted_sd": choice.predicted_sd,
                    "predicted_95": choice.predicted_95,
                    "val_f1": float(np.mean([one.val_f1 for one in finals])),
                    "test_f1": [one.test_f1 for one in finals],  # one a seed
                    "searched_s": float(seconds[min(number, len(tried))]),
                    "scored_s": sum(one.elapsed_s for one in finals),
                }
            )
        return {
            "digest": player.digest,
            "kind": player.entry.kind,
            "identity": player.entry.identity(self.context.brought),
            "proposing_s": player.proposing_s,
            "tried": [
                {"params": one.key.params, "val_f1": one.val_f1, "elapsed_s": one.elapsed_s} for one in tried
            ],
            "scored": scored,
        }


def limited(numbers: Numbers, most: int | None) -> Numbers:
    """Numbers of trials under a limit: those above it become it."""
    return numbers if most is None else tuple(sorted({min(number, most) for number in numbers}))


def tested(records: Records, digest: str) -> bool:
    return digest in records and records[digest].test_f1 is not None


def digests(job: PlayLeague, fixture: Fixture, brought: Brought) -> dict[str, str]:
    """For each contestant what changes with all that its play on a subset hangs on; nothing is drawn."""
    space, family = job.space, job.families[fixture.recipe.family]
    game = {
        "subset": fixture.name,
        "rules": [job.league.rules, *job.league.final_seeds],
        "space": [space.fingerprint, {name: str(axis) for name, axis in space.free.items()}, space.fixed],
        "protocol": job.protocol.fingerprint,
        "family": family.fingerprint,
    }
    found = {}
    for name, entry in job.league.entries.items():
        numbers = limited(entry.trials, job.league_limits.trials)
        said = [type(entry).__name__, asdict(entry), numbers, entry.identity(brought), game]
        found[name] = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
    return found


def facts(contest: Contest) -> dict[str, Any]:
    """What is kept of the subset itself."""
    subset, fixture = contest.context.subset, contest.fixture
    return {
        **asdict(fixture),
        "classes": len(subset.class_names),
        "val_images": len(subset.val),
        "test_images": len(subset.test),
    }


def refuse_other(contest: Contest) -> None:
    """Raise OhloraError where a subset is not the one the plan says."""
    found, planned = len(contest.context.subset.train), contest.fixture.n_train
    if found != planned:
        raise OhloraError(
            f"{contest.fixture.name} has {found} training images, the plan says {planned}: the data has"
            f" changed; delete {contest.job.league.folder}/plans to play what it is now"
        )
